// SPDX-License-Identifier: Apache-2.0
// Can other processes of the sandbox be read, traced or signalled: its PID 1, and a process of another step?
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "canary.h"
#include "kernel.h"

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#define TMPFS_MAGIC_NUMBER 0x01021994

// Every one of these is behind the kernel's ptrace check.
static const struct {
  const char *name;
  int flags;
} guarded_files[] = {
    {"environ", O_RDONLY},          {"mem", O_RDWR}, {"maps", O_RDONLY}, {"auxv", O_RDONLY}, {"fd/0", O_RDONLY},
    {"root", O_RDONLY | O_DIRECTORY}, {"cwd", O_RDONLY | O_DIRECTORY}, {"exe", O_RDONLY},
};

static long try_open(const char *path, int flags) {
  int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd >= 0) close(fd);
  return fd < 0 ? -1 : 0;
}

static void check_files(const char *guarantee, pid_t pid) {
  for (size_t i = 0; i < sizeof guarded_files / sizeof *guarded_files; i++) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, guarded_files[i].name);
    report_refused(guarantee, path, try_open(path, guarded_files[i].flags));
  }
}

// SEIZE does not stop the other process, and the kernel lets it go when this one ends. ATTACH is refused by the same check.
static long try_trace(pid_t pid) {
  return ptrace(PTRACE_SEIZE, pid, NULL, NULL);
}

static long try_read_memory(pid_t pid) {
  char byte;
  struct iovec here = {&byte, 1}, there = {(void *)0x1000, 1};
  return process_vm_readv(pid, &here, 1, &there, 1, 0);
}

static long try_take_descriptor(int pidfd) {
  return syscall(SYS_pidfd_getfd, pidfd, 0, 0);
}

static long try_signal(int pidfd, int signal) {
  return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

static void check_memory(const char *guarantee, pid_t pid, int pidfd) {
  char what[64];
  check_files(guarantee, pid);
  snprintf(what, sizeof what, "ptrace of process %d", (int)pid);
  report_refused(guarantee, what, try_trace(pid));
  snprintf(what, sizeof what, "process_vm_readv of process %d", (int)pid);
  report_refused(guarantee, what, try_read_memory(pid));
  snprintf(what, sizeof what, "pidfd_getfd of process %d", (int)pid);
  report_refused(guarantee, what, try_take_descriptor(pidfd));
}

// The kernel ignores SIGKILL to a namespace's first process when it comes from inside; a Landlock domain refuses it before. Either
// way it is there afterwards.
static void check_kill_init(void) {
  int result = kill(1, SIGKILL), error = errno;
  int alive = kill(1, 0) == 0 || errno == EPERM;
  report("init-protected", alive && (result == 0 || is_refusal(error)), "kill(1, SIGKILL): %s, and it %s", result == 0 ? "ignored" : strerror(error),
         alive ? "lives" : "is gone");
}

// Of a kernel that is the sandbox's own: process 1 here is the first of this step's pid namespace. The sandbox's is out of sight.
static void check_init_hidden(void) {
  char line[256] = "";
  ssize_t size = read_text("/proc/1/cmdline", line, sizeof line);
  const char *mode = size > 0 ? line + strlen(line) + 1 : "";
  int hidden = size > 0 && mode < line + size && strcmp(mode, "step") == 0;
  report("init-protected", hidden, "process 1 is \"%.20s\": the sandbox's own is%s in another pid namespace", hidden ? mode : line, hidden ? "" : " not");
}

void check_init(const struct canary_options *options) {
  int pidfd = (int)syscall(SYS_pidfd_open, 1, 0);
  check_memory("init-protected", 1, pidfd);
  if (pidfd >= 0) close(pidfd);
  if (options->has_own_kernel) check_init_hidden();
  check_kill_init();
}

#define IDS_TRIED 8192

// Another step, which runs, has no process id here at all: there is none to be read, traced or signalled but process 1 and ourselves.
static void check_alone(void) {
  int others = 0, reached = 0;
  DIR *processes = opendir("/proc");
  struct dirent *entry;
  while (processes && (entry = readdir(processes))) {
    int pid = atoi(entry->d_name);
    others += pid > 1 && pid != getpid();
  }
  report("step-memory-isolation", processes && others == 0, "/proc shows %d processes but process 1 and this one, while another step runs", others);
  if (processes) closedir(processes);
  for (int pid = 2; pid <= IDS_TRIED; pid++)
    if (pid != getpid() && (kill(pid, 0) == 0 || errno != ESRCH)) reached++;
  report("step-signal-isolation", reached == 0, "%d of the process ids to %d can be signalled, while another step runs", reached, IDS_TRIED);
}

void check_peer(const struct canary_options *options) {
  if (options->has_own_kernel) {
    check_alone();
    return;
  }
  int pidfd = (int)syscall(SYS_pidfd_open, options->peer, 0);
  // Without a living peer every refusal below would be an absence.
  report("step-signal-isolation", pidfd >= 0, "process %d of another step %s", (int)options->peer, pidfd >= 0 ? "runs" : "is not there");
  check_memory("step-memory-isolation", options->peer, pidfd);
  report_refused("step-signal-isolation", "kill with signal 0", kill(options->peer, 0));
  report_refused("step-signal-isolation", "kill with SIGUSR1", kill(options->peer, SIGUSR1));
  report_refused("step-signal-isolation", "pidfd_send_signal", try_signal(pidfd, SIGUSR1));
  if (pidfd >= 0) close(pidfd);
}

// ---- the step's private directory

static int holds_only_canary(void) {
  DIR *directory = opendir(STEP_DIRECTORY);
  if (!directory) return 0;
  int canary = 0, others = 0;
  struct dirent *entry;
  while (others == 0 && (entry = readdir(directory))) {
    if (strcmp(entry->d_name, "canary") == 0) canary = 1;
    else others += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
  }
  closedir(directory);
  return canary && others == 0;
}

// Its own mount over the empty one that the sandbox has there. A third one is another step's: then steps share a mount namespace, and see each
// other's files in turn.
static int mounts_of_steps(void) {
  static char text[256 * 1024];
  char *rest = text, point[256];
  int count = 0;
  if (read_text("/proc/self/mountinfo", text, sizeof text) <= 0) return -1;
  for (char *line; (line = strsep(&rest, "\n"));) count += sscanf(line, "%*s %*s %*s %*s %255s", point) == 1 && strcmp(point, STEP_DIRECTORY) == 0;
  return count;
}

void check_private_files(const struct canary_options *options) {
  struct statfs info;
  int in_memory = statfs(STEP_DIRECTORY, &info) == 0 && info.f_type == TMPFS_MAGIC_NUMBER;
  report("step-private-files", in_memory, STEP_DIRECTORY " is %s", in_memory ? "in memory" : "missing or on a disk");
  int alone = holds_only_canary();
  report("step-private-files", alone, STEP_DIRECTORY " %s", alone ? "holds this step's file only" : "does not hold this step's file only");
  int mounts = mounts_of_steps();
  report("step-private-files", mounts == 2, STEP_DIRECTORY " has %d mounts, expected the sandbox's and this step's", mounts);
  if (options->has_own_kernel) return;
  char path[128];
  snprintf(path, sizeof path, "/proc/%d/root" STEP_DIRECTORY, (int)options->peer);
  report_refused("step-private-files", path, try_open(path, O_RDONLY | O_DIRECTORY));
}
