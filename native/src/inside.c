// SPDX-License-Identifier: Apache-2.0
// `step`: starts one step from inside of a sandbox whose kernel is its own (gVisor's sentry), where nothing can be entered from outside.
//
//   runsc exec
//    └─ this process: the sandbox's root with the capabilities to build the step's place; no process of a job sees it
//        └─ reaper: first process of a pid namespace of the step's own
//            └─ step
//
// The step and all that it starts live in that pid namespace, with a /proc, a mount namespace and a private directory of their own; so no other step is there to
// be read, traced or signalled. With the reaper's end the kernel of the sandbox ends all of them: that is the end of every step, so nothing outlives one.
//
// The request and the answers are those of enter.c. The request's descriptor stays open: when it closes, the step is killed.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enter.h"

static pid_t reaper = -1;

static void kill_step(void) { kill(reaper, SIGKILL); }

// Kernels that know the call but make no namespace (runsc before 2023) would show the step's files to all others.
static ino_t mount_namespace(void) {
  struct stat info;
  return stat("/proc/self/ns/mnt", &info) == 0 ? info.st_ino : 0;
}

// Devices that this kernel gives to everybody and a build does not need: a file system and a network link of one's own making.
static void remove_devices(void) {
  static const char *const names[] = {"/dev/fuse", "/dev/net/tun"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (unlink(names[i]) != 0 && errno != ENOENT && errno != ENOTDIR) failed(names[i], errno);
  (void)rmdir("/dev/net");
  // Links to devices, by their numbers.
  char path[300];
  DIR *links = opendir("/dev/char");
  struct dirent *entry;
  while (links && (entry = readdir(links))) {
    snprintf(path, sizeof path, "/dev/char/%.200s", entry->d_name);
    (void)unlink(path);
  }
  if (links) closedir(links);
  (void)rmdir("/dev/char");
}

// A mount of the sandbox's that its runtime made without these flags; `point` as in mountinfo.
static void harden_mount(const char *point, const char *options) {
  unsigned long flags = MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV;
  if (strncmp(options, "ro", 2) == 0) flags |= MS_RDONLY;
  if (strstr(options, "noexec")) flags |= MS_NOEXEC;
  if (strcmp(point, "/dev") == 0) flags |= MS_RDONLY;  // a step that replaced /dev/null would do so for all others
  if (strcmp(point, "/dev") == 0 || strcmp(point, "/dev/pts") == 0) flags &= ~(unsigned long)MS_NODEV;
  if (mount(NULL, point, NULL, flags, NULL) != 0) failed(point, errno);
}

// ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS ...
static void harden_mounts(void) {
  char line[4096], point[1024], options[512];
  FILE *mounts = fopen("/proc/self/mountinfo", "re");
  if (!mounts) failed("/proc/self/mountinfo", errno);
  while (fgets(line, sizeof line, mounts))
    if (sscanf(line, "%*s %*s %*s %*s %1023s %511s", point, options) == 2) harden_mount(point, options);
  fclose(mounts);
}

#define OWN_GROUP "job"
static int group = -1;

static int write_text(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  int result = fd < 0 ? -1 : write_all(fd, text, strlen(text));
  if (fd >= 0) close(fd);
  return result;
}

static bool_t holds_text(const char *path, const char *text) {
  char found[32] = "";
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t size = fd < 0 ? -1 : read(fd, found, sizeof found - 1);
  if (fd >= 0) close(fd);
  return size > 0 && strncmp(found, text, strlen(text)) == 0 && found[strlen(text)] <= '\n';
}

// The limit on the job's processes, all its steps together, kept by this kernel: `fork` fails, as it would outside. The host's own limit is behind that. The
// hierarchy is mounted where no step will see it, for as long as its file is opened.
static void limit_processes(void) {
  char path[4200], count[32];
  if (mount("cgroup", request.step_dir, "cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, "pids") != 0) failed("mount this kernel's pids cgroup", errno);
  snprintf(path, sizeof path, "%s/" OWN_GROUP, request.step_dir);
  if (mkdir(path, 0700) != 0 && errno != EEXIST) failed(path, errno);
  snprintf(path, sizeof path, "%s/" OWN_GROUP "/pids.max", request.step_dir);
  snprintf(count, sizeof count, "%llu", (unsigned long long)request.pids);
  if (write_text(path, count) != 0 || !holds_text(path, count)) failed(path, errno);
  snprintf(path, sizeof path, "%s/" OWN_GROUP "/cgroup.procs", request.step_dir);
  group = open(path, O_WRONLY | O_CLOEXEC);
  if (group < 0) failed(path, errno);
  if (umount2(request.step_dir, MNT_DETACH) != 0) failed("unmount this kernel's pids cgroup", errno);
}

static int make_place(void) {
  ino_t before = mount_namespace();
  if (unshare(CLONE_NEWNS) != 0) failed("unshare the step's mount namespace", errno);
  if (mount_namespace() == before) failed("this runsc has no mount namespaces: a newer one is needed", ENOSYS);
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) failed("make the step's mounts private", errno);
  remove_devices();
  harden_mounts();
  limit_processes();
  char options[64];
  snprintf(options, sizeof options, "mode=0700,size=%llu", (unsigned long long)request.tmpfs_bytes);
  if (mount("step", request.step_dir, "tmpfs", MS_NOSUID | MS_NODEV, options) != 0) failed(request.step_dir, errno);
  int directory = open(request.step_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) failed(request.step_dir, errno);
  return directory;
}

// What it has instead is a loopback of its own.
static void leave_network(void) {
  if (unshare(CLONE_NEWNET) != 0) failed("unshare the step's network namespace", errno);
  struct ifreq link = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (any >= 0) {
    (void)ioctl(any, SIOCSIFFLAGS, &link);
    close(any);
  }
}

// ---- the reaper

// Of this kernel's files those that change something, as far as there are any; and what tells how the sandbox was made.
static void make_proc(void) {
  static const char *const read_only[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0) refuse("mount the step's /proc");
  for (size_t i = 0; i < sizeof read_only / sizeof *read_only; i++) {
    if (mount(read_only[i], read_only[i], NULL, MS_BIND, NULL) != 0 && errno != ENOENT) refuse(read_only[i]);
    if (mount(NULL, read_only[i], NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0 && errno != ENOENT) refuse(read_only[i]);
  }
  if (mount("nothing", "/proc/gvisor", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k") != 0 && errno != ENOENT) refuse("/proc/gvisor");
}

static void reap(pid_t step, int ended) {
  for (;;) {
    int status;
    pid_t pid = waitpid(-1, &status, 0);
    if (pid == step) (void)write_all(ended, &status, sizeof status);
    if (pid < 0 && errno != EINTR) pause();
  }
}

static void become_reaper(int output, int ended) {
  if (prctl(PR_SET_DUMPABLE, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) refuse("prctl");
  make_proc();
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) refuse("no_new_privs");
  if (write_all(group, "0", 1) != 0) refuse("join the job's pids cgroup");
  pid_t step = fork();
  if (step < 0) refuse("fork the step");
  if (step == 0) become_step(output);
  // Of what it shares with the step it needs nothing: else the step's pipes would never end.
  close(report_fd);
  if (dup2(ended, 0) < 0) _exit(125);
  for (int fd = 1; fd < 256; fd++) close(fd);
  if (bound_capabilities(0) != 0 || set_capabilities(0) != 0) _exit(125);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  reap(step, 0);
}

// ---- this process

static void await_end_of_all(void) {
  kill_step();
  while (waitpid(reaper, NULL, 0) != reaper)
    if (errno != EINTR) failed("wait for the end of the step's processes", errno);
}

static void begin(int output[2], int report[2], int ended[2]) {
  if (pipe2(report, O_CLOEXEC) != 0 || pipe2(ended, O_CLOEXEC) != 0) failed("pipe", errno);
  make_output_pipe(output);
  if (unshare(CLONE_NEWPID) != 0) failed("unshare the step's pid namespace", errno);
  reaper = fork();
  if (reaper < 0) failed("fork", errno);
  if (reaper == 0) {
    report_fd = report[1];
    become_reaper(output[1], ended[1]);
  }
  close(output[1]);
  close(report[1]);
  close(ended[1]);
  if (request.has_stdin) close(STDIN_FD);
}

// The step's exit; a reaper that was killed said nothing, and took the step along.
static int read_status(int ended) {
  int status;
  return read_exact(ended, &status, sizeof status) == 1 ? status : SIGKILL;
}

int step_main(int argc, char **argv) {
  (void)argv;
  if (argc != 1) die_msg("usage: step");
  signal(SIGPIPE, SIG_IGN);
  if (prctl(PR_SET_DUMPABLE, 0) != 0) failed("prctl", errno);
  for (int fd = 0; fd <= STDIN_FD; fd++) (void)fcntl(fd, F_SETFD, fd == 2 ? 0 : FD_CLOEXEC);
  read_request();
  int directory = make_place(), output[2], report[2], ended[2];
  fill(directory);
  if (request.no_network) leave_network();
  begin(output, report, ended);
  char text[4400];
  size_t size = read_report(report[0], text, sizeof text);
  if (size > 0) {
    await_end_of_all();
    result('M', text, (uint32_t)size);
    return 0;
  }
  result('S', &reaper, sizeof reaper);
  (void)relay(output[0], ended[0], 0, kill_step);
  int status = read_status(ended[0]);
  await_end_of_all();
  report_exit(status);
  report_files(directory);
  result('Z', NULL, 0);
  return 0;
}
