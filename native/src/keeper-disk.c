// SPDX-License-Identifier: Apache-2.0
// The job's disk: an unlinked copy of an empty file system behind a loop device.
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper.h"

static void copy_data(int from, int to, off_t size) {
  off_t at = 0;
  while ((at = lseek(from, at, SEEK_DATA)) >= 0 && at < size) {
    off_t end = lseek(from, at, SEEK_HOLE);
    if (end < 0) fail("seek in the disk template");
    while (at < end) {
      off_t out = at;
      ssize_t copied = copy_file_range(from, &at, to, &out, (size_t)(end - at), 0);
      if (copied <= 0) fail("copy the disk template");
    }
  }
}

// A sparse, unlinked copy of an empty file system: its size and inode count are the job's disk limits.
static int make_disk_file(const char *template, const char *spool) {
  int from = open(template, O_RDONLY | O_CLOEXEC);
  if (from < 0) fail(template);
  int to = open(spool, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
  if (to < 0) fail(spool);
  struct stat info;
  if (fstat(from, &info) != 0 || ftruncate(to, info.st_size) != 0) fail("size the disk");
  copy_data(from, to, info.st_size);
  close(from);
  return to;
}

// Returns the fd of the loop device: autoclear frees it when fd and mount are gone.
static int attach_loop(int file, char *name, size_t size) {
  int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
  if (control < 0) fail("/dev/loop-control");
  for (int attempt = 0; attempt < 64; attempt++) {
    int number = ioctl(control, LOOP_CTL_GET_FREE);
    if (number < 0) fail("get a loop device");
    snprintf(name, size, "/dev/loop%d", number);
    int device = open(name, O_RDWR | O_CLOEXEC);
    if (device < 0) fail(name);
    struct loop_config config = {.fd = (unsigned)file, .info.lo_flags = LO_FLAGS_AUTOCLEAR};
    if (ioctl(device, LOOP_CONFIGURE, &config) == 0) {
      close(control);
      return device;
    }
    close(device);
    if (errno != EBUSY) fail("configure the loop device");
  }
  fail_message("no free loop device");
  return -1;
}

void mount_disk(const char *template, const char *spool) {
  char device[64];
  int file = make_disk_file(template, spool);
  int loop = attach_loop(file, device, sizeof device);
  mount_or_fail(device, DISK, "ext4", MS_NOSUID | MS_NODEV | MS_NOATIME, "noinit_itable,nobarrier,errors=continue");
  close(loop);
  close(file);
}

