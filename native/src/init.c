// SPDX-License-Identifier: Apache-2.0
// PID 1 of a sandbox. It starts nothing: steps come from outside. It reaps orphans, and its end is the
// end of every process in the sandbox, so it ends as soon as its control socket closes, which is
// what the death of whoever holds the other end looks like, `kill -9` included. The socket is descriptor 3; `init stdin`: descriptor 0, for runtimes
// that hand over nothing else.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sallyport.h"

#define CONTROL_FD 3

static void close_others(void) {
  // runc hands over 0 to 2 and the control socket; nothing else may be open in a process that jobs can see.
  for (int fd = 0; fd < 3; fd++) close(fd);
  if (open("/dev/null", O_RDWR) != 0) _exit(125);
  if (dup2(0, 1) < 0 || dup2(0, 2) < 0) _exit(125);
  for (int fd = CONTROL_FD + 1; fd < 256; fd++)
    close(fd);
}

static void reap(void) {
  while (waitpid(-1, NULL, WNOHANG) > 0) continue;
}

int init_main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "stdin") == 0 && dup2(0, CONTROL_FD) != CONTROL_FD) return 125;
  // Same uid as the steps: without this, what the domain and the capabilities refuse would hang on them alone.
  if (prctl(PR_SET_DUMPABLE, 0) != 0) return 125;
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  close_others();
  int signals = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0 || fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC) != 0) return 125;
  if (write_all(CONTROL_FD, "r", 1) != 0) return 125;

  struct pollfd watch[2] = {{.fd = CONTROL_FD, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
  for (;;) {
    if (poll(watch, 2, -1) < 0 && errno != EINTR) return 125;
    // Nothing is ever sent here: readable or hung up both mean that the other end is gone.
    if (watch[0].revents != 0) return 0;
    if (watch[1].revents != 0) {
        struct signalfd_siginfo info;
        while (read(signals, &info, sizeof info) > 0) continue;
        reap();
    }
  }
}
