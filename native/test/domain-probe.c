// SPDX-License-Identifier: Apache-2.0
// Two processes of one user, as two steps of one job are: can one read the other's environment, and signal it?
// `domain-probe none|peer|both [ABI]`: who is in a Landlock domain of its own, and whether as on an older kernel.
// Prints one line: ABI, errno of open, errno of kill.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "domain.h"
#include "sallyport.h"

#define NOBODY 65534

static const char *wanted_abi;

static void become_step(int isolated, int *abi) {
  // Changing the user makes a process untraceable by itself, which would hide what the domain does.
  if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0 || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) die("become a step");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) die("no_new_privs");
  if (isolated && (*abi = isolate_as(wanted_abi)) < 0) die("landlock_isolate");
}

int main(int argc, char **argv) {
  int ready[2], abi = 0;
  if (argc < 2 || pipe(ready) != 0) die("domain-probe");
  wanted_abi = argv[2];
  pid_t peer = fork();
  if (peer == 0) {
    become_step(strcmp(argv[1], "none") != 0, &abi);
    if (write_all(ready[1], "r", 1) != 0) die("pipe");
    sleep(10);
    _exit(0);
  }
  char byte, path[64];
  if (peer < 0 || read_exact(ready[0], &byte, 1) != 1) die("peer");
  pid_t tracer = fork();
  if (tracer == 0) {
    become_step(strcmp(argv[1], "both") == 0, &abi);
    snprintf(path, sizeof path, "/proc/%d/environ", (int)peer);
    int opened = open(path, O_RDONLY | O_CLOEXEC) < 0 ? errno : 0;
    int signalled = kill(peer, 0) < 0 ? errno : 0;
    printf("%d %d %d\n", abi, opened, signalled);
    exit(0);
  }
  int status = 1;
  waitpid(tracer, &status, 0);
  kill(peer, SIGKILL);
  waitpid(peer, NULL, 0);
  return status == 0 ? 0 : 1;
}
