// SPDX-License-Identifier: Apache-2.0
// `read ROOT MAX`: answers each path asked for on stdin with that regular file's bytes, at the job's own uid. The files and the
// directories above them are the job's and may change at any moment: the answer is chunked, so that a file which grows or
// shrinks while it is read can never be mistaken for framing.
//
// Request: u32le path size | path
// Answer: u8 status | u64le size, status being
//   F a file (size: as it looked when opened), then chunks: u32le size | bytes, until one of the end marks:
//     0 whole, 0xFFFFFFFF cut at MAX bytes, 0xFFFFFFFE the kernel failed in the middle
//   N absent, no regular file, or a symlink somewhere in the path (size 0)
//   T larger than MAX (size: its size)
//   X refused (size: the errno)
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "beneath.h"
#include "sallyport.h"

#define CHUNK_SIZE (256 * 1024)
#define END_WHOLE 0
#define END_CUT 0xFFFFFFFFU
#define END_FAILED 0xFFFFFFFEU

static int answer(int out_fd, char status, uint64_t size) {
  unsigned char header[9] = {(unsigned char)status};
  put_le64(header + 1, size);
  return write_all(out_fd, header, sizeof header);
}

static int answer_error(int out_fd, int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:  // a symlink
    case EXDEV:  // a way out
    case ENXIO:  // a socket
      return answer(out_fd, 'N', 0);
    default:
      return answer(out_fd, 'X', (uint64_t)error);
  }
}

static ssize_t read_some(int fd, void *data, size_t size) {
  ssize_t got;
  do got = read(fd, data, size);
  while (got < 0 && errno == EINTR);
  return got;
}

static int write_end(int out_fd, uint32_t mark) {
  unsigned char end[4];
  put_le32(end, mark);
  return write_all(out_fd, end, sizeof end);
}

// The chunk's size stands right before its bytes in one buffer: one write a chunk.
static int stream(int fd, uint64_t max, int out_fd) {
  static unsigned char buffer[4 + CHUNK_SIZE];
  uint64_t left = max;
  for (;;) {
    // One byte more than allowed is asked for, to tell "exactly MAX" from "cut".
    ssize_t got = read_some(fd, buffer + 4, left < CHUNK_SIZE ? (size_t)left + 1 : CHUNK_SIZE);
    if (got < 0) return write_end(out_fd, END_FAILED);
    if (got == 0) return write_end(out_fd, END_WHOLE);
    uint32_t size = (uint64_t)got > left ? (uint32_t)left : (uint32_t)got;
    put_le32(buffer, size);
    if (size > 0 && write_all(out_fd, buffer, 4 + (size_t)size) != 0) return -1;
    if ((uint64_t)got > left) return write_end(out_fd, END_CUT);
    left -= size;
  }
}

static int stream_regular(int fd, uint64_t max, int out_fd) {
  struct stat info;
  if (fstat(fd, &info) != 0) return answer_error(out_fd, errno);
  if (!S_ISREG(info.st_mode)) return answer(out_fd, 'N', 0);
  if ((uint64_t)info.st_size > max) return answer(out_fd, 'T', (uint64_t)info.st_size);
  if (answer(out_fd, 'F', (uint64_t)info.st_size) != 0) return -1;
  return stream(fd, max, out_fd);
}

// O_NONBLOCK: neither a FIFO nor a lease that a leftover holds on the file may keep us waiting.
int read_regular(int dirfd, const char *path, uint64_t max, int out_fd) {
  if (!path_is_clean(path, strlen(path))) return answer_error(out_fd, EINVAL);
  int fd = open_beneath(dirfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
  if (fd < 0) return answer_error(out_fd, errno);
  int result = stream_regular(fd, max, out_fd);
  int saved = errno;
  close(fd);
  errno = saved;
  return result;
}

// 1 with the next path, 0 at the end of the requests.
static int next_path(char *path) {
  unsigned char head[4];
  int got = read_exact(0, head, sizeof head);
  if (got < 0) die("read a request");
  if (got == 0) return 0;
  uint32_t size = get_le32(head);
  if (size == 0 || size > PUMP_PATH_MAX) die_msg("a path has 1 to %d bytes, not %u", PUMP_PATH_MAX, size);
  if (read_exact(0, path, size) != 1) die("read a request");
  path[size] = 0;
  if (strlen(path) != size) path[0] = 0;  // a NUL inside would name another file: refused below as not clean
  return 1;
}

int read_main(int argc, char **argv) {
  if (argc != 3) die_msg("usage: read ROOT MAX");
  uint64_t max = parse_count(argv[2], INT64_MAX, "MAX");
  int root = open_root(argv[1]);
  if (root < 0) die(argv[1]);
  char path[PUMP_PATH_MAX + 1];
  while (next_path(path)) {
    if (read_regular(root, path, max, 1) != 0) die("write to stdout");
  }
  return 0;
}
