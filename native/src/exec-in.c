// SPDX-License-Identifier: Apache-2.0
// `exec-in KEEPER PROGRAM ARGUMENT...`: runs a program of the host where the keeper's mounts are, for what the keeper's runtime keeps there. It ends with who
// started it, and cannot be traced; what it is given on its descriptors it passes on unread.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "beneath.h"
#include "sallyport.h"

int exec_in_main(int argc, char **argv) {
  char path[64];
  if (argc < 3) die_msg("usage: exec-in KEEPER PROGRAM ARGUMENT...");
  snprintf(path, sizeof path, "/proc/%llu/ns/mnt", (unsigned long long)parse_count(argv[1], INT32_MAX, "KEEPER"));
  if (setsid() < 0 && errno != EPERM) die("setsid");
  int mounts = open(path, O_RDONLY | O_CLOEXEC);
  if (mounts < 0 || setns(mounts, CLONE_NEWNS) != 0) die(path);
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) die("prctl");
  if (getppid() == 1) return 125;
  // What it talks with is a kernel that a job may have taken over: it keeps what root's files need, and no capability.
  if (bound_capabilities(0) != 0 || set_capabilities(0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) die("drop privileges");
  execv(argv[2], argv + 2);
  die(argv[2]);
}
