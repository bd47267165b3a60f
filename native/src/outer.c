// SPDX-License-Identifier: Apache-2.0
// Without root: becomes the root of a user namespace of the caller's own, and then the program that is named. In it the caller's own id is 0 and its
// subordinate ids are where a keeper expects ids of jobs (keeper-slot.c), so that everything after this is the same code that root runs.
//
//   outer FAILURE NEWUIDMAP NEWGIDMAP MAP... -- MAP... -- PROGRAM ARGUMENTS...
//
// FAILURE is the exit code for what goes wrong here; the maps are triples (inside, outside, count) of user ids, then of group ids. A child that stays outside runs
// the two setuid programs of the system for us: they check /etc/subuid and /etc/subgid, and want the id of a process that is in the namespace already.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sallyport.h"

#define ARGUMENTS_MAX 1024

static int failure;

static void refuse(const char *what, int error) __attribute__((noreturn));
static void refuse(const char *what, int error) {
  fprintf(stderr, "sallyport: error[SANDBOX_UNSUPPORTED]: Cannot build a sandbox without root: %s%s%s\n", what, error ? ": " : "", error ? strerror(error) : "");
  fprintf(stderr, "  \"sallyport doctor\" says what this machine lacks for it; sudo works as well\n");
  exit(failure);
}

// The arguments up to `--`, which is taken away. Returns where the next ones begin.
static char **part(char **argv, size_t *count) {
  for (*count = 0; argv[*count]; ++*count)
    if (strcmp(argv[*count], "--") == 0) {
      argv[*count] = NULL;
      return argv + *count + 1;
    }
  die_msg("usage: outer FAILURE NEWUIDMAP NEWGIDMAP MAP... -- MAP... -- PROGRAM ARGUMENTS...");
  return NULL;
}

static void write_map(char *program, pid_t process, char **map, size_t count) {
  char *argv[ARGUMENTS_MAX], id[16];
  if (count == 0 || count % 3 != 0 || count + 3 > ARGUMENTS_MAX) _exit(2);
  snprintf(id, sizeof id, "%d", process);
  argv[0] = program;
  argv[1] = id;
  memcpy(argv + 2, map, count * sizeof *map);
  argv[count + 2] = NULL;
  pid_t child = fork();
  if (child < 0) _exit(3);
  if (child == 0) {
    execv(program, argv);
    _exit(127);
  }
  int status;
  if (waitpid(child, &status, 0) != child || status != 0) _exit(4);
}

int outer_main(int argc, char **argv) {
  if (argc < 8) die_msg("usage: outer FAILURE NEWUIDMAP NEWGIDMAP MAP... -- MAP... -- PROGRAM ARGUMENTS...");
  failure = atoi(argv[1]);
  size_t users, groups;
  char **group_map = part(argv + 4, &users), **program = part(group_map, &groups);
  if (!*program) die_msg("outer: no program");
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0) refuse("pipe", errno);
  pid_t self = getpid(), outside = fork();
  if (outside < 0) refuse("fork", errno);
  if (outside == 0) {
    char byte;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(ready[1]);
    if (read_exact(ready[0], &byte, 1) != 1) _exit(0);
    write_map(argv[2], self, argv + 4, users);
    write_map(argv[3], self, group_map, groups);
    _exit(0);
  }
  close(ready[0]);
  // The mount namespace is what the keepers' own are made from: in the one that is the host's nothing may be mounted.
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) refuse("the kernel makes no user namespace for you", errno);
  if (write_all(ready[1], "m", 1) != 0) refuse("pipe", errno);
  int status;
  if (waitpid(outside, &status, 0) != outside || status != 0)
    refuse("newuidmap or newgidmap did not map your subordinate ids (/etc/subuid, /etc/subgid); its own words are above", 0);
  if (setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0) refuse("become the root of the user namespace", errno);
  execv(program[0], program);
  refuse(program[0], errno);
}
