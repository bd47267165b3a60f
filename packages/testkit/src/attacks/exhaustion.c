// SPDX-License-Identifier: Apache-2.0
// Taking all there is. Each stops at a bound that the environment gives and that is clamped here, and gives back what it took.
#define _GNU_SOURCE
#include "attack.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIDS_MAX = 4096, INODES_MAX = 2000000, DESCRIPTORS_MAX = 100000, MIB = 1 << 20 };
static const long BYTES_MAX = 4L << 30;

static struct verdict fork_bomb(void) {
  static pid_t children[PIDS_MAX];
  long wanted = number_parameter("ATTACK_PIDS", 64, PIDS_MAX), made = 0;
  int error = 0;
  for (; made < wanted; made++) {
    children[made] = fork();
    if (children[made] < 0) {
      error = errno;
      break;
    }
    if (children[made] == 0) {
      alarm(20);
      pause();
      _exit(0);
    }
  }
  for (long i = 0; i < made; i++) kill(children[i], SIGKILL);
  for (long i = 0; i < made; i++) waitpid(children[i], NULL, 0);
  return error == 0 ? got("%ld processes at a time", made) : refused(error, "stopped at %ld of %ld processes", made, wanted);
}

static struct verdict memory_bomb(void) {
  long wanted = number_parameter("ATTACK_MEMORY_BYTES", 64L * MIB, BYTES_MAX);
  long *touched = mmap(NULL, sizeof *touched, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t child = touched == MAP_FAILED ? -1 : fork();
  if (child < 0) return refused(errno, "fork");
  if (child == 0) {
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);  // so that the kernel takes this process first
    if (fd >= 0 && write(fd, "1000", 4) == 4) close(fd);
    for (; *touched < wanted; *touched += MIB) {
      char *block = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (block == MAP_FAILED) _exit(1);
      memset(block, 0xA5, MIB);
    }
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return got("%ld MiB of memory", *touched / MIB);
  return refused(ENOMEM, "%s at %ld of %ld MiB", WIFSIGNALED(status) ? "killed" : "stopped", *touched / MIB, wanted / MIB);
}

static struct verdict disk_filler(void) {
  char path[512];
  static char block[MIB];
  long wanted = number_parameter("ATTACK_DISK_BYTES", 16L * MIB, BYTES_MAX), written = 0;
  memset(block, 0x5A, sizeof block);
  scratch_path(path, sizeof path, "filler");
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), error = errno;
  if (fd < 0) return refused(error, "open");
  ssize_t n = 0;
  while (written < wanted && (n = write(fd, block, sizeof block)) > 0) written += n;
  error = errno;
  if (n >= 0 && fsync(fd) != 0) n = -1, error = errno;
  close(fd);
  unlink(path);
  return n >= 0 ? got("%ld MiB of disk", written / MIB) : refused(error, "stopped at %ld of %ld MiB", written / MIB, wanted / MIB);
}

static struct verdict inode_filler(void) {
  char directory[512];
  long wanted = number_parameter("ATTACK_INODES", 2000, INODES_MAX), made = 0;
  int error = 0;
  scratch_path(directory, sizeof directory, "inodes");
  if (mkdir(directory, 0700) != 0) return refused(errno, "mkdir");
  int at = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  char name[32];
  for (; made < wanted; made++) {
    snprintf(name, sizeof name, "%ld", made);
    int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
      error = errno;
      break;
    }
    close(fd);
  }
  for (long i = 0; i < made; i++) {
    snprintf(name, sizeof name, "%ld", i);
    unlinkat(at, name, 0);
  }
  close(at);
  rmdir(directory);
  return error == 0 ? got("%ld files", made) : refused(error, "stopped at %ld of %ld files", made, wanted);
}

// Raises its own limit as far as it may first: a soft limit is no wall.
static struct verdict fd_exhaustion(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  long wanted = number_parameter("ATTACK_DESCRIPTORS", 4096, DESCRIPTORS_MAX), made = 0;
  while (made < wanted && open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0) made++;
  return made == wanted ? got("%ld open files", made) : refused(errno, "stopped at %ld of %ld open files", made, wanted);
}

// One endless line; whether it cost the reader memory is for the reader to say.
static struct verdict log_flood(void) {
  static char block[65536];
  long wanted = number_parameter("ATTACK_LOG_BYTES", MIB, BYTES_MAX), written = 0;
  memset(block, 'x', sizeof block);
  ssize_t n = 0;
  while (written < wanted && (n = write(STDOUT_FILENO, block, sizeof block)) > 0) written += n;
  int error = errno;
  if (n > 0 && write(STDOUT_FILENO, "\n", 1) == 1) return started("%ld bytes in one line", written);
  return refused(error, "stopped at %ld bytes", written);
}

const struct attack EXHAUSTION_ATTACKS[] = {
    {"fork-bomb", fork_bomb},
    {"memory-bomb", memory_bomb},
    {"disk-filler", disk_filler},
    {"inode-filler", inode_filler},
    {"fd-exhaustion", fd_exhaustion},
    {"log-flood", log_flood},
    {NULL, NULL},
};
