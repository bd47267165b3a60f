// SPDX-License-Identifier: Apache-2.0
// runc, crun or runsc, as the keeper drives it: the container is created, and let go when the supervisor says so.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper.h"

// More than any runtime takes on a loaded host; one that hangs must not hold a run for ever.
#define RUNTIME_LIMIT_MS 60000

void await_readable(int fd, const char *what) {
  struct pollfd fds[3] = {{.fd = fd, .events = POLLIN}, {.fd = SUPERVISOR_FD, .events = POLLRDHUP}, {.fd = gate_end(), .events = POLLIN}};
  for (;;) {
    int ready = poll(fds, 3, RUNTIME_LIMIT_MS);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) fail("poll");
    if (ready == 0) fail_message(what);
    if (fds[1].revents != 0) {
      tear_down();
      exit(0);
    }
    if (fds[2].revents != 0) fail_message(gate_end_reason());
    if (fds[0].revents != 0) return;
  }
}

#define ARGUMENTS_MAX (FLAGS_MAX + 20)

static void execute(const struct setup *setup, const char *verb) {
  const char *argv[ARGUMENTS_MAX];
  size_t count = 0;
  const char *const common[] = {setup->runtime, "--root", BOX "/runtime", "--log", BOX "/log"};
  const char *const creation[] = {"--bundle", BOX, "--preserve-fds", "1", "--pid-file", BOX "/pid"};
  for (size_t i = 0; i < sizeof common / sizeof *common; i++) argv[count++] = common[i];
  for (size_t i = 0; i < setup->flag_count; i++) argv[count++] = setup->flags[i];
  argv[count++] = verb;
  if (strcmp(verb, "create") == 0) {
    for (size_t i = 0; i < sizeof creation / sizeof *creation; i++)
      if (!setup->has_sentry || i < 2 || i > 3) argv[count++] = creation[i];
  }
  argv[count++] = setup->id;
  argv[count] = NULL;
  execv(setup->runtime, (char *const *)(uintptr_t)argv);
}

// `control`: PID 1's end of its socket, or -1. A runtime with a kernel of its own hands over nothing but the standard streams: there it is the first of them.
static void runtime_child(const struct setup *setup, const char *verb, int control) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Not /dev/null: a runtime gives its standard streams to the container's root (crun by fchown), and the host's device would be the job's.
  int null = memfd_create("nothing", MFD_CLOEXEC);
  int log = open(BOX "/stderr", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (null < 0 || log < 0) _exit(125);
  // Its own cgroup namespace, which PID 1 gets, begins where the runtime is.
  if (strcmp(verb, "create") == 0 && join_job_cgroup(setup) != 0) _exit(126);
  // PID 1 inherits the standard streams of `create`: they must lead nowhere.
  bool_t creates = strcmp(verb, "create") == 0;
  dup2(creates && setup->has_sentry ? control : null, 0), dup2(null, 1), dup2(creates ? null : log, 2);
  if (creates && !setup->has_sentry) {
    if (dup2(control, SUPERVISOR_FD) < 0) _exit(125);
  } else {
    close(SUPERVISOR_FD);
  }
  execute(setup, verb);
  _exit(127);
}

// The runtime's own words, for the supervisor's error.
static void fail_runtime(const char *verb) {
  char text[1024] = "";
  int fd = open(BOX "/log", O_RDONLY | O_CLOEXEC);
  ssize_t size = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
  if (size <= 0) {
    fd = open(BOX "/stderr", O_RDONLY | O_CLOEXEC);
    size = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
  }
  if (size > 0) text[size] = 0;
  char what[1200];
  snprintf(what, sizeof what, "the OCI runtime failed at %s: %s", verb, text[0] ? text : "it said nothing");
  fail_message(what);
}

static void run_runtime(const struct setup *setup, const char *verb, int control) {
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) runtime_child(setup, verb, control);
  int pidfd = (int)syscall(SYS_pidfd_open, child, 0), status;
  if (pidfd < 0) fail("pidfd_open");
  await_readable(pidfd, "the OCI runtime did not end within a minute");
  close(pidfd);
  if (waitpid(child, &status, 0) != child || status != 0) fail_runtime(verb);
}

void create(const struct setup *setup, struct init *init) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) fail("socketpair");
  run_runtime(setup, "create", pair[1]);
  close(pair[1]);
  init->socket = pair[0];
  FILE *file = fopen(BOX "/pid", "re");
  if (!file || fscanf(file, "%d", &init->pid) != 1 || init->pid <= 1) fail_message("the OCI runtime wrote no pid");
  fclose(file);
}

// runc holds a created container at a FIFO in its state directory and lets it go when somebody reads from it: that is all
// its `start` does. Reading it here saves a start of the runtime; where there is no such FIFO the runtime is asked.
static int open_start_gate(const struct setup *setup) {
  char path[512];
  snprintf(path, sizeof path, BOX "/runtime/%s/exec.fifo", setup->id);
  int gate = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (gate < 0) return -1;
  await_readable(gate, "the created container did not come to its start gate within a minute");
  char byte;
  ssize_t got = read(gate, &byte, 1);
  close(gate);
  unlink(path);
  return got == 1 ? 0 : -1;
}

// crun's PID 1 reads the FIFO, where runc's writes it: two readers would wait for each other for ever.
static bool_t has_start_gate(const struct setup *setup) {
  const char *name = strrchr(setup->runtime, '/');
  return strcmp(name ? name + 1 : setup->runtime, "runc") == 0;
}

void start(const struct setup *setup, const struct init *init) {
  if (!has_start_gate(setup) || open_start_gate(setup) != 0) run_runtime(setup, "start", -1);
  char byte;
  await_readable(init->socket, "PID 1 of the sandbox did not start within a minute");
  if (read_exact(init->socket, &byte, 1) != 1) fail_message("PID 1 of the sandbox did not start");
  say("started");
}
