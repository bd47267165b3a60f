// SPDX-License-Identifier: Apache-2.0
#include "beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sallyport.h"

static int component_is_clean(const char *name, size_t size) {
  if (size == 0 || size > COMPONENT_MAX) return 0;
  if (name[0] == '.' && (size == 1 || (size == 2 && name[1] == '.'))) return 0;
  return 1;
}

int path_is_clean(const char *path, size_t size) {
  if (size == 0 || size > PUMP_PATH_MAX || memchr(path, 0, size)) return 0;
  size_t start = 0;
  for (size_t i = 0; i <= size; i++) {
    if (i < size && path[i] != '/') continue;
    if (!component_is_clean(path + start, i - start)) return 0;
    start = i + 1;
  }
  return 1;
}

static int open_resolved(int dirfd, const char *path, int flags, uint64_t resolve) {
  struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = resolve | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
  return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
}

int open_root(const char *path) {
  if (path[0] != '/') {
    errno = EINVAL;
    return -1;
  }
  return open_resolved(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
}

int open_beneath(int dirfd, const char *path, int flags, uint64_t more_resolve) {
  return open_resolved(dirfd, path, flags | O_NOFOLLOW, RESOLVE_BENEATH | more_resolve);
}

void put_le32(unsigned char *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (unsigned char)(value >> (8 * i));
}

void put_le64(unsigned char *at, uint64_t value) {
  for (int i = 0; i < 8; i++) at[i] = (unsigned char)(value >> (8 * i));
}

uint32_t get_le32(const unsigned char *at) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; i--) value = (value << 8) | at[i];
  return value;
}

uint64_t get_le64(const unsigned char *at) {
  return ((uint64_t)get_le32(at + 4) << 32) | get_le32(at);
}

uint64_t parse_count(const char *text, uint64_t max, const char *what) {
  char *end = NULL;
  errno = 0;
  unsigned long long value = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
  if (!end || *end || errno != 0 || value < 1 || value > max) {
    die_msg("%s \"%s\" is no number from 1 to %llu", what, text, (unsigned long long)max);
  }
  return value;
}
