// SPDX-License-Identifier: Apache-2.0
// `list ROOT MAX`: the tree below ROOT as frames on stdout. Names, numbers and the tree's shape are the job's choice, and may change
// while we walk. Nothing but directories is ever opened, no symlink is followed and no mount is crossed.
//
// Frame: u8 type | u32le mode | u64le size | u64le ctime in ns | u32le path size | path (raw bytes)
// The ctime is the kernel's: a job can set a file's other times, but not when its inode last changed.
//   f regular file, d directory (entered: its entries follow), l symlink
//   o anything else: FIFO, socket, device, and each directory that was not entered (a mount, unreadable, too deep, or with a path
//     so long that its entries' paths might not fit the 4096 bytes that `read` takes)
// Last frame: E (all of it) or T (MAX entries were reached), the count of entries as size, no path.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "beneath.h"
#include "sallyport.h"

#define HEADER_SIZE 25
#define DEPTH_MAX 256

static struct {
  unsigned char bytes[64 * 1024];
  size_t used;
} output;

static uint64_t count, entries_max;
static char path[PUMP_PATH_MAX + 1];

static void flush_output(void) {
  if (write_all(1, output.bytes, output.used) != 0) die("write to stdout");
  output.used = 0;
}

static void emit(char type, mode_t mode, uint64_t size, uint64_t changed, size_t path_size) {
  if (output.used + HEADER_SIZE + path_size > sizeof output.bytes) flush_output();
  unsigned char *at = output.bytes + output.used;
  at[0] = (unsigned char)type;
  put_le32(at + 1, mode & 07777);
  put_le64(at + 5, size);
  put_le64(at + 13, changed);
  put_le32(at + 21, (uint32_t)path_size);
  memcpy(at + HEADER_SIZE, path, path_size);
  output.used += HEADER_SIZE + path_size;
}

// A directory on the same mount that can be read, or -1. Directories never block an open, whatever replaced this one since the stat.
static int enter_directory(int parent, const char *name, size_t path_size, int depth) {
  if (depth >= DEPTH_MAX || path_size + 1 + COMPONENT_MAX > PUMP_PATH_MAX) return -1;
  return open_beneath(parent, name, O_RDONLY | O_DIRECTORY, RESOLVE_NO_XDEV);
}

static char type_of(mode_t mode) {
  if (S_ISREG(mode)) return 'f';
  return S_ISLNK(mode) ? 'l' : 'o';
}

static int walk(int fd, size_t prefix, int depth);

// 0 when the walk goes on, -1 when MAX is reached.
static int visit(int parent, const char *name, size_t prefix, int depth) {
  struct stat info;
  if (fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0) {
    if (errno == ENOENT) return 0;  // gone since we read its name
    info = (struct stat){0};
  }
  if (count == entries_max) return -1;
  count++;
  size_t size = strlen(name);
  memcpy(path + prefix, name, size);
  size += prefix;
  int fd = S_ISDIR(info.st_mode) ? enter_directory(parent, name, size, depth) : -1;
  uint64_t changed = (uint64_t)info.st_ctim.tv_sec * 1000000000u + (uint64_t)info.st_ctim.tv_nsec;
  emit(fd >= 0 ? 'd' : type_of(info.st_mode), info.st_mode, S_ISDIR(info.st_mode) ? 0 : (uint64_t)info.st_size, changed, size);
  if (fd < 0) return 0;
  path[size] = '/';
  return walk(fd, size + 1, depth + 1);
}

// Consumes `fd`. `prefix` is the length of `path` up to and with the last slash.
static int walk(int fd, size_t prefix, int depth) {
  DIR *directory = fdopendir(fd);
  if (!directory) die("fdopendir");
  int result = 0;
  struct dirent *entry;
  while (result == 0 && (entry = readdir(directory))) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    result = visit(fd, entry->d_name, prefix, depth);
  }
  closedir(directory);
  return result;
}

int list_main(int argc, char **argv) {
  if (argc != 3) die_msg("usage: list ROOT MAX");
  entries_max = parse_count(argv[2], UINT32_MAX, "MAX");
  int root = open_root(argv[1]);
  if (root < 0) die(argv[1]);
  char end = walk(root, 0, 0) == 0 ? 'E' : 'T';
  emit(end, 0, count, 0, 0);
  flush_output();
  return 0;
}
