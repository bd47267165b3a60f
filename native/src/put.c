// SPDX-License-Identifier: Apache-2.0
// `put ROOT`: makes files below ROOT from a framed stream, at the job's own uid. The stream is the supervisor's; ROOT belongs to
// the job, whose leftovers may swap directories for symlinks, or plant FIFOs, while we write.
//
// Frame: u8 type | u32le mode | u32le path size | u64le content size | path | content
//   F file (content: its bytes), D directory (no content), L symlink (content: its target), E the end (all other fields 0)
// On stdout: `ready` when ROOT is open; then the answer, `ok FILES BYTES` and exit 0, or `error ERRNO PATH: TEXT` and exit 1.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "beneath.h"
#include "sallyport.h"

#define HEADER_SIZE 17
#define PERMISSIONS 0777  // no setuid, setgid or sticky bit is ever made from outside
#define TARGET_MAX 4095
// A leftover that keeps re-creating a name cannot keep us busy for ever.
#define REPLACE_TRIES 16

struct frame {
  char type;
  mode_t mode;
  uint32_t path_size;
  uint64_t size;
  char path[PUMP_PATH_MAX + 1];
};

static struct {
  unsigned char bytes[256 * 1024];
  size_t start, end;
} input;

static struct frame frame;

// Most files come directory by directory: the last parent stays open. `parent_path` has no trailing slash; "" is ROOT.
static int root_fd, parent_fd;
static char parent_path[PUMP_PATH_MAX + 1];

// Escaped so that the line stays one line and `: ` ends the path: every byte but printable ASCII, and `\` and `:`.
static void print_escaped(const char *path) {
  for (const unsigned char *byte = (const unsigned char *)path; *byte; byte++) {
    if (*byte <= ' ' || *byte >= 0x7f || *byte == '\\' || *byte == ':') {
      printf("\\x%02x", *byte);
    } else {
      putchar(*byte);
    }
  }
}

static void fail(int error, const char *text) __attribute__((noreturn));
static void fail(int error, const char *text) {
  printf("error %d ", error);
  print_escaped(frame.path[0] ? frame.path : "(stream)");
  printf(": %s\n", text);
  exit(1);
}

static void fail_errno(void) __attribute__((noreturn));
static void fail_errno(void) {
  int error = errno;
  fail(error, strerror(error));
}

// ---- input

static void fill_input(void) {
  ssize_t got;
  do got = read(0, input.bytes, sizeof input.bytes);
  while (got < 0 && errno == EINTR);
  if (got < 0) fail_errno();
  if (got == 0) fail(EPROTO, "the stream ended early");
  input.start = 0;
  input.end = (size_t)got;
}

static size_t available(uint64_t wanted) {
  if (input.start == input.end) fill_input();
  size_t here = input.end - input.start;
  return wanted < here ? (size_t)wanted : here;
}

static void take(void *data, size_t size) {
  char *next = data;
  while (size > 0) {
    size_t part = available(size);
    memcpy(next, input.bytes + input.start, part);
    input.start += part;
    next += part;
    size -= part;
  }
}

static void read_frame(void) {
  unsigned char header[HEADER_SIZE];
  frame.path[0] = 0;
  take(header, sizeof header);
  frame.type = (char)header[0];
  frame.mode = get_le32(header + 1) & PERMISSIONS;
  frame.path_size = get_le32(header + 5);
  frame.size = get_le64(header + 9);
  if (!strchr("FDLE", frame.type) || !frame.type) fail(EPROTO, "unknown frame type");
  if (frame.path_size > PUMP_PATH_MAX) fail(ENAMETOOLONG, "the path is longer than 4096 bytes");
  take(frame.path, frame.path_size);
  frame.path[frame.path_size] = 0;
  if (frame.type == 'E') return;
  if (!path_is_clean(frame.path, frame.path_size)) fail(EINVAL, "no clean relative path");
}

// ---- directories

static void enter_parent(int fd, const char *path, size_t size) {
  if (parent_fd != root_fd) close(parent_fd);
  parent_fd = fd;
  memcpy(parent_path, path, size);
  parent_path[size] = 0;
}

// One component below `dir`, made when it is missing. Consumes `dir` unless that is ROOT.
static int open_or_make(int dir, const char *name) {
  int fd = open_beneath(dir, name, O_PATH | O_DIRECTORY, 0);
  if (fd < 0 && errno == ENOENT) {
    if (mkdirat(dir, name, 0755) != 0 && errno != EEXIST) fail_errno();
    fd = open_beneath(dir, name, O_PATH | O_DIRECTORY, 0);
  }
  if (fd < 0) fail_errno();
  if (dir != root_fd) close(dir);
  return fd;
}

static int make_parents(const char *path, size_t size) {
  char name[COMPONENT_MAX + 1];
  int dir = root_fd;
  for (size_t start = 0; start < size;) {
    const char *slash = memchr(path + start, '/', size - start);
    size_t end = slash ? (size_t)(slash - path) : size;
    memcpy(name, path + start, end - start);
    name[end - start] = 0;
    dir = open_or_make(dir, name);
    start = end + 1;
  }
  return dir;
}

// Opens the frame's parent directory and returns the last component's name.
static const char *find_parent(void) {
  const char *slash = strrchr(frame.path, '/');
  size_t size = slash ? (size_t)(slash - frame.path) : 0;
  if (strlen(parent_path) != size || memcmp(parent_path, frame.path, size) != 0) {
    enter_parent(size > 0 ? make_parents(frame.path, size) : root_fd, frame.path, size);
  }
  return slash ? slash + 1 : frame.path;
}

// ---- entries

// Whatever is not a directory makes way; a directory in the way is an error (EISDIR), since deleting trees is not our task.
static void remove_old(const char *name) {
  if (unlinkat(parent_fd, name, 0) != 0 && errno != ENOENT) fail_errno();
}

static int create_file(const char *name) {
  for (int i = 0; i < REPLACE_TRIES; i++) {
    int fd = openat(parent_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, frame.mode);
    if (fd >= 0) return fd;
    if (errno != EEXIST) fail_errno();
    remove_old(name);
  }
  fail(EEXIST, "something keeps re-creating it");
}

static void put_file(const char *name) {
  int fd = create_file(name);
  for (uint64_t missing = frame.size; missing > 0;) {
    size_t part = available(missing);
    if (write_all(fd, input.bytes + input.start, part) != 0) fail_errno();
    input.start += part;
    missing -= part;
  }
  if (close(fd) != 0) fail_errno();
}

static int make_directory(const char *name) {
  for (int i = 0; i < REPLACE_TRIES; i++) {
    if (mkdirat(parent_fd, name, 0700) != 0 && errno != EEXIST) fail_errno();
    int fd = open_beneath(parent_fd, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd >= 0) return fd;
    if (errno != ENOTDIR && errno != ELOOP) fail_errno();
    remove_old(name);
  }
  fail(EEXIST, "something keeps re-creating it");
}

static void put_directory(const char *name) {
  if (frame.size != 0) fail(EPROTO, "a directory has no content");
  int fd = make_directory(name);
  if (fchmod(fd, frame.mode) != 0) fail_errno();
  close(fd);
}

static void put_symlink(const char *name) {
  char target[TARGET_MAX + 1];
  if (frame.size == 0 || frame.size > TARGET_MAX) fail(EPROTO, "a symlink's target has 1 to 4095 bytes");
  take(target, (size_t)frame.size);
  target[frame.size] = 0;
  if (strlen(target) != frame.size) fail(EPROTO, "a symlink's target has no NUL");
  for (int i = 0; i < REPLACE_TRIES; i++) {
    if (symlinkat(target, parent_fd, name) == 0) return;
    if (errno != EEXIST) fail_errno();
    remove_old(name);
  }
  fail(EEXIST, "something keeps re-creating it");
}

static void put_entry(void) {
  const char *name = find_parent();
  switch (frame.type) {
    case 'F': put_file(name); break;
    case 'D': put_directory(name); break;
    default: put_symlink(name); break;
  }
}

int put_main(int argc, char **argv) {
  if (argc != 2) die_msg("usage: put ROOT");
  root_fd = parent_fd = open_root(argv[1]);
  if (root_fd < 0) fail_errno();
  umask(0);  // a file has the frame's mode from its creation on
  printf("ready\n");
  if (fflush(stdout) != 0) return 1;
  uint64_t files = 0, bytes = 0;
  for (read_frame(); frame.type != 'E'; read_frame()) {
    put_entry();
    files += frame.type == 'F';
    bytes += frame.type == 'F' ? frame.size : 0;
  }
  if (frame.path_size != 0 || frame.size != 0) fail(EPROTO, "the end has no content");
  printf("ok %llu %llu\n", (unsigned long long)files, (unsigned long long)bytes);
  return fflush(stdout) == 0 ? 0 : 1;
}
