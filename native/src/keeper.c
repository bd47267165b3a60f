// SPDX-License-Identifier: Apache-2.0
// The keeper of one sandbox: a host process, root (or what an ordinary user has instead, keeper-rootless.c), alive as long as the job. It owns everything that must vanish with
// the job, in forms that the kernel takes back by itself when the keeper dies, however it dies:
//   - a mount namespace of its own holds the disk, the overlays, the bundle and the OCI runtime's state: nothing is ever mounted
//     or written on the host;
//   - the disk is an unlinked file behind a loop device with autoclear;
//   - the id range is a file lock;
//   - PID 1 of the sandbox ends when the keeper's socket to it closes.
// What the kernel does not take back (cgroup directories) the keeper removes, and the next keeper of the same id range
// removes what a killed one left.
//
// It is spoken to over fd 3 by the supervisor alone (trusted, validated): see read_setup. It never reads a byte of a job.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper.h"

// Longer than it takes to build a sandbox and start its first step.
#define BUILD_MS 400

static struct init init = {-1, -1};
static bool_t has_gate;

// Whatever the OCI runtime started and left: orphans among our descendants become our children. Bounded: dying takes a moment.
static void kill_children(void) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
  for (int attempt = 0; attempt < 2000; attempt++) {
    FILE *children = fopen(path, "re");
    int pid;
    while (children && fscanf(children, "%d", &pid) == 1) kill(pid, SIGKILL);
    if (children) fclose(children);
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) continue;
    if (pid < 0) return;
    usleep(1000);
  }
}

void tear_down(void) {
  if (init.socket >= 0) close(init.socket);
  init.socket = -1;
  if (init.pid > 0) {
    // The kernel kills and reaps the whole pid namespace before this wait returns.
    kill(init.pid, SIGKILL);
    waitpid(init.pid, NULL, 0);
    init.pid = -1;
  }
  kill_children();
  // Without the lock they would be another job's.
  if (has_slot() && remove_cgroups() != 0) say("error\tcgroups of slot %u could not be removed", slot_number());
  // The mount namespace, the disk behind it and the slot's lock go with this process.
}

// As early as can be: a gate needs longer to start than all else that a sandbox is made of, and does so meanwhile.
static pid_t begin_gate(void) {
  static struct gate_launch launch;
  has_gate = read_gate(&launch);
  if (!has_gate) return -1;
  struct gate_sockets sockets;
  fail_as("unsupported");
  make_gate_network(&sockets);
  fail_as("error");
  return start_gate(&launch, &sockets);
}

static void join_network(bool_t has_sentry) {
  if (!has_gate) return;
  fail_as("unsupported");
  join_job_network(init.pid, has_sentry);
  fail_as("error");
}

// Until the supervisor closes its end, or PID 1 or the gate is gone: then until the supervisor has heard of it and closes its end. PID 1 is not reaped
// before the tear-down, so its id stays taken and can be opened by number without a race.
static void watch(const struct setup *setup) {
  int pidfd = (int)syscall(SYS_pidfd_open, init.pid, 0);
  if (pidfd < 0) fail("pidfd_open");
  struct pollfd fds[4] = {{.fd = SUPERVISOR_FD, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}, {.fd = gate_end(), .events = POLLIN}, {.events = POLLIN}};
  for (;;) {
    fds[3].fd = gate_words();
    if (poll(fds, 4, -1) < 0 && errno != EINTR) break;
    if (fds[0].revents != 0 && !answer_request(setup, init.pid, has_gate)) break;
    if (fds[1].revents != 0) {
      say("lost");
      fds[1].fd = -1;
    }
    if (fds[2].revents != 0) {
      say("gate-lost\t%s", gate_end_reason());
      fds[2].fd = -1;
    } else if (fds[3].revents != 0) {
      hear_gate();
    }
  }
  close(pidfd);
}

int keeper_main(int argc, char **argv) {
  static struct setup setup;
  static struct reach_list reaches;
  read_keeper_arguments(argc, argv);
  // Ctrl-C in a terminal reaches the whole process group; the keeper ends when the supervisor says so or dies.
  if (setsid() < 0 && errno != EPERM) fail("setsid");
  signal(SIGPIPE, SIG_IGN);
  if (prctl(PR_SET_DUMPABLE, 0) != 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) fail("prctl");
  if (fcntl(SUPERVISOR_FD, F_SETFD, FD_CLOEXEC) != 0) fail("no supervisor on fd 3");
  // Only there for a gate.
  (void)fcntl(GATE_FD, F_SETFD, FD_CLOEXEC);
  // For PID 1 of the sandbox and for the gate, too, which inherit it.
  struct rlimit none = {0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) fail("RLIMIT_CORE");
  umask(0022);
  claim_slot();
  find_cgroup_roots();
  if (remove_cgroups() != 0) fail_message("cgroups of an earlier job could not be removed");
  say("slot\t%u\t%u", slot_number(), id_base());
  keep_cgroups_warm(BUILD_MS);
  pid_t gate = begin_gate();
  own_mount_namespace();
  copy_self();
  // The supervisor still works out the rest of the setup while the disk is made.
  char *first, *second;
  if (read_disk(&first, &second)) mount_memory_disk(first, second);
  else mount_disk(first, second);
  read_setup(&setup);
  if (!setup.id || !setup.runtime || !setup.config) fail_message("incomplete setup");
  write_file(BOX "/config.json", setup.config, setup.config_size, 0600);
  mount_all(&setup);
  make_job_cgroup(&setup);
  create(&setup, &init);
  join_network(setup.has_sentry);
  if (has_gate) read_reach(&reaches), bound_gate(&reaches);
  say("created\t%d", init.pid);
  // The supervisor has waited for the gate by then.
  expect("start");
  if (has_gate) take_gate_files(gate);
  start(&setup, &init);
  watch(&setup);
  tear_down();
  say("disposed");
  return 0;
}
