// SPDX-License-Identifier: Apache-2.0
// What every mode needs: dying with a reason, and reads and writes that finish what they begin.
#include "sallyport.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// 125 is the exit code of "Sallyport's own reason" in the command-line contract; no step's code can be mistaken for it here,
// because the helper never passes on a step's code by exiting with it.
enum { EXIT_OWN_REASON = 125 };

void die(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(EXIT_OWN_REASON);
}

void die_msg(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  vfprintf(stderr, fmt, args);
  va_end(args);
  fputc('\n', stderr);
  exit(EXIT_OWN_REASON);
}

int write_all(int fd, const void *data, size_t size) {
  const char *next = data;
  while (size > 0) {
    ssize_t written = write(fd, next, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return -1;
    next += written;
    size -= (size_t)written;
  }
  return 0;
}

int read_exact(int fd, void *data, size_t size) {
  char *next = data;
  size_t missing = size;
  while (missing > 0) {
    ssize_t got = read(fd, next, missing);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0 && missing == size) return 0;
    if (got == 0) {
      errno = EPROTO;  // ended in the middle: the other side died or lied about the size
      return -1;
    }
    next += got;
    missing -= (size_t)got;
  }
  return 1;
}
