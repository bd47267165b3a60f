// SPDX-License-Identifier: Apache-2.0
// Everything that is mounted for a job, in the keeper's own mount namespace.
#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper.h"

void mount_or_fail(const char *source, const char *target, const char *type, unsigned long flags, const char *data) {
  if (mount(source, target, type, flags, data) != 0) {
    int error = errno;
    char what[512];
    snprintf(what, sizeof what, "mount %s on %s", type ? type : source, target);
    errno = error;
    fail(what);
  }
}

void own_mount_namespace(void) {
  if (unshare(CLONE_NEWNS) != 0) fail("unshare mount namespace");
  mount_or_fail(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
  mount_or_fail("sallyport", BOX, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=64m,nr_inodes=4096");
  make_dir(ROOTFS, 0755);
  make_dir(DISK, 0755);
  make_dir(LOWER, 0755);
  make_dir(BOX "/runtime", 0700);
}

void copy_self(void) {
  int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  int to = open(BOX "/helper", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
  if (from < 0 || to < 0) fail("copy the helper");
  ssize_t copied;
  while ((copied = sendfile(to, from, NULL, 1 << 20)) > 0) continue;
  // A file of this sandbox alone: a job that found a way to write what it executes would not reach the host's copy (CVE-2019-5736).
  if (copied < 0 || fchmod(to, 0555) != 0) fail("copy the helper");
  close(from);
  close(to);
}

static void write_map(pid_t child, const char *which) {
  char path[64], map[64];
  snprintf(path, sizeof path, "/proc/%d/%s", child, which);
  int size = snprintf(map, sizeof map, "0 %u %u", id_base(), ID_COUNT);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write_all(fd, map, (size_t)size) != 0) fail(path);
  close(fd);
}

// The kernel counts what a namespace's users hold (inotify instances and watches, pending signals, message queues, locked memory) against whoever
// made it, too. Made by root, a job could take all that the host's root may have; so each is made by its job's own first id.
static int make_user_namespace(void) {
  if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) != 0) return -1;
  if (setresgid(id_base(), id_base(), id_base()) != 0 || setresuid(id_base(), id_base(), id_base()) != 0) return -1;
  return unshare(CLONE_NEWUSER);
}

// The sandbox's user namespace, at USER_NAMESPACE for the runtime. It also says how the lower layers' owners are mapped.
static int open_user_namespace(void) {
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0) fail("pipe");
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    char byte = make_user_namespace() == 0 ? 'y' : 'n';
    // After the change of uid, which takes it back.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != 1 && write_all(ready[1], &byte, 1) == 0) pause();
    _exit(0);
  }
  char byte = 'n';
  if (read_exact(ready[0], &byte, 1) != 1 || byte != 'y') fail_message("user namespaces are not available");
  close(ready[0]);
  close(ready[1]);
  write_map(child, "uid_map");
  write_map(child, "gid_map");
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/ns/user", child);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(path);
  write_file(USER_NAMESPACE, "", 0, 0400);
  mount_or_fail(path, USER_NAMESPACE, NULL, MS_BIND, NULL);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  return fd;
}

// `source` read-only at `target`, owned by the job's ids: what root owns on the host, the job's root owns here.
static void mount_mapped(const char *source, const char *target, int map) {
  int tree = (int)syscall(SYS_open_tree, AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (tree < 0) fail(source);
  struct mount_attributes attributes = {
      .attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
      .propagation = MS_PRIVATE,
      .userns_fd = (uint64_t)map,
  };
  if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0) {
    int error = errno;
    char what[4200];
    snprintf(what, sizeof what, "idmapped mount of %s (kernel 5.19 or newer, and a file system that supports it, are needed)", source);
    errno = error;
    fail(what);
  }
  if (syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) != 0) fail(target);
  close(tree);
}

static void own(const char *path, mode_t mode) {
  if (chown(path, id_base(), id_base()) != 0 || chmod(path, mode) != 0) fail(path);
}

static void mount_layer(const struct setup *setup, size_t index, int map) {
  const struct layer *layer = &setup->layers[index];
  char lower[256], upper[256], work[256], target[4096], options[1024];
  snprintf(target, sizeof target, ROOTFS "%s", strcmp(layer->target, "/") == 0 ? "" : layer->target);
  if (setup->read_only) {
    mount_mapped(layer->source, target, map);
    return;
  }
  snprintf(lower, sizeof lower, LOWER "/%zu", index);
  snprintf(upper, sizeof upper, DISK "/layer%zu", index);
  snprintf(work, sizeof work, DISK "/work%zu", index);
  make_dir(lower, 0755);
  mount_mapped(layer->source, lower, map);
  make_dir(upper, 0755);
  own(upper, 0755);
  make_dir(work, 0700);
  // redirect_dir, metacopy and index stay off: their attributes would be a second way to name lower files. volatile: nothing outlives the job.
  snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s,workdir=%s,redirect_dir=off,metacopy=off,index=off,volatile", lower, upper, work);
  mount_or_fail("overlay", target, "overlay", MS_NOSUID | MS_NODEV | MS_NOATIME, options);
}

// Directories that the job writes most (work, home, /tmp) lie on the disk itself, without an overlay in between.
static void mount_writable(const struct writable *dir, size_t index) {
  char source[256], target[4096];
  snprintf(source, sizeof source, DISK "/dir%zu", index);
  snprintf(target, sizeof target, ROOTFS "%s", dir->target);
  make_dir(source, 0755);
  own(source, dir->mode);
  mount_or_fail(source, target, NULL, MS_BIND, NULL);
  mount_or_fail(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_NOATIME, NULL);
}

// Below a writable directory, before anything of the job exists: nothing there can be a link yet.
static void make_sub(const struct writable *sub) {
  char path[4096];
  snprintf(path, sizeof path, ROOTFS "%s", sub->target);
  if (mkdir(path, 0755) != 0) fail(path);
  own(path, sub->mode);
}

void mount_all(const struct setup *setup) {
  int map = open_user_namespace();
  for (size_t i = 0; i < setup->layer_count; i++) mount_layer(setup, i, map);
  for (size_t i = 0; i < setup->dir_count; i++) mount_writable(&setup->dirs[i], i);
  for (size_t i = 0; i < setup->sub_count; i++) make_sub(&setup->subs[i]);
  close(map);
}
