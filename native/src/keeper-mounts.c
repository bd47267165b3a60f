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
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "beneath.h"
#include "keeper.h"

void mount_or_fail(const char *source, const char *target, const char *type, unsigned long flags, const char *data) {
  if (mount(source, target, type, flags, data) != 0) {
    int error = errno;
    char what[512];
    snprintf(what, sizeof what, "mount %s on %s", type ? type : source ? source : "options", target);
    errno = error;
    fail(what);
  }
}

void own_mount_namespace(void) {
  if (unshare(CLONE_NEWNS) != 0) fail("unshare mount namespace");
  mount_or_fail(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
  if (cover_run() != 0) fail("cover /run");
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
  int size = snprintf(map, sizeof map, "0 %u %u", id_base(), id_count());
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write_all(fd, map, (size_t)size) != 0) fail(path);
  close(fd);
}

// The kernel counts what a namespace's users hold (inotify instances and watches, pending signals, message queues, locked memory) against whoever
// made it, too. Made by root, a job could take all that the host's root may have; so each is made by its job's own first id.
static int make_user_namespace(unsigned processes) {
  // All that the namespace ever holds is counted against its maker, whatever ids its processes take, and this is how many the maker may have then (Linux 5.14).
  struct rlimit most = {processes, processes};
  if (processes > 0 && setrlimit(RLIMIT_NPROC, &most) != 0) return -1;
  if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) != 0) return -1;
  if (setresgid(id_base(), id_base(), id_base()) != 0 || setresuid(id_base(), id_base(), id_base()) != 0) return -1;
  return unshare(CLONE_NEWUSER);
}

// The sandbox's user namespace, at USER_NAMESPACE for the runtime. It also says how the lower layers' owners are mapped.
static int open_user_namespace(const struct setup *setup) {
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0) fail("pipe");
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    char byte = make_user_namespace(setup->processes) == 0 ? 'y' : 'n';
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

// A directory of the root file system as far as it is made. An image is hostile: where a component is a link, or no directory, this refuses.
static int open_target(const char *target) {
  int root = open(ROOTFS, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) fail(ROOTFS);
  if (strcmp(target, "/") == 0) return root;
  int fd = open_beneath(root, target + 1, O_PATH | O_DIRECTORY, 0);
  if (fd < 0) {
    int error = errno;
    char what[4200];
    snprintf(what, sizeof what, "the image has no directory %s", target);
    errno = error;
    fail(what);
  }
  close(root);
  return fd;
}

static void mount_on(const char *source, const char *target, const char *type, unsigned long flags, const char *data) {
  char path[64];
  int fd = open_target(target);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  mount_or_fail(source, path, type, flags, data);
  close(fd);
}

// `source`, which is no link itself, read-only at `target`, owned by the job's ids: what root owns on the host, the job's root owns here. Without root it stays nobody's: a
// file system of the host's is mapped by the host's root alone. Every mount below it is left out, and is refused there, where the kernel does not let one be looked under.
static void mount_mapped(const char *source, int target, int map) {
  int tree = (int)syscall(SYS_open_tree, AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
  if (tree < 0) fail(source);
  struct mount_attributes attributes = {
      .attr_set = (is_rootless() ? 0 : MOUNT_ATTR_IDMAP) | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
      .propagation = MS_PRIVATE,
      .userns_fd = is_rootless() ? 0 : (uint64_t)map,
  };
  if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0) {
    int error = errno;
    char what[4200];
    snprintf(what, sizeof what, is_rootless() ? "mount of %s" : "idmapped mount of %s (kernel 5.19 or newer, and a file system that supports it, are needed)", source);
    errno = error;
    fail(what);
  }
  if (syscall(SYS_move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) fail(source);
  close(tree);
}

static void mount_lower(const char *source, const char *path, int map) {
  make_dir(path, 0755);
  int target = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (target < 0) fail(path);
  mount_mapped(source, target, map);
  close(target);
}

static void own(const char *path, mode_t mode) {
  if (chown(path, id_base(), id_base()) != 0 || chmod(path, mode) != 0) fail(path);
}

// A part of the job's disk.
static void bind_own(const char *source, const char *target, unsigned long more) {
  mount_on(source, target, NULL, MS_BIND, NULL);
  mount_on(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_NOATIME | more, NULL);
}

// A directory of the layer that becomes the job's by being there above it, too: the runtime, as the job's root, makes a file in it (`sudo`).
static void own_directory(const char *upper, const char *name) {
  char path[512];
  snprintf(path, sizeof path, "%s%s", upper, name);
  make_dir(path, 0755);
  own(path, 0755);
}

// One lower directory, or two where one lies over the other.
static void mount_lowers(const struct layer *layer, size_t index, int map, char *option, size_t size) {
  char lower[256], over[256];
  snprintf(lower, sizeof lower, LOWER "/%zu", index);
  snprintf(over, sizeof over, LOWER "/%zu-over", index);
  mount_lower(layer->source, lower, map);
  if (layer->over) mount_lower(layer->over, over, map);
  snprintf(option, size, "lowerdir=%s%s%s", layer->over ? over : "", layer->over ? ":" : "", lower);
}

// Attributes of an image's files (trusted.overlay.*) would be a second way to name lower files: none of them is followed.
#define OVERLAY_OPTIONS "redirect_dir=nofollow,metacopy=off,index=off"

static void mount_layer(const struct setup *setup, size_t index, int map) {
  const struct layer *layer = &setup->layers[index];
  char lowers[600], upper[256], work[256], options[1400];
  snprintf(upper, sizeof upper, DISK "/layer%zu", index);
  if (is_rootless() && strcmp(layer->target, "/") == 0) {
    make_dir(upper, 0755);
    copy_layer(layer->source, upper);
    bind_own(upper, layer->target, setup->read_only ? MS_RDONLY : 0);
    return;
  }
  if (setup->read_only && !layer->over) {
    int target = open_target(layer->target);
    mount_mapped(layer->source, target, map);
    close(target);
    return;
  }
  mount_lowers(layer, index, map, lowers, sizeof lowers);
  if (setup->read_only) {
    snprintf(options, sizeof options, "%s," OVERLAY_OPTIONS, lowers);
    mount_on("overlay", layer->target, "overlay", MS_RDONLY | MS_NOSUID | MS_NODEV, options);
    return;
  }
  snprintf(work, sizeof work, DISK "/work%zu", index);
  make_dir(upper, 0755);
  own(upper, 0755);
  if (is_rootless() && strcmp(layer->target, "/usr") == 0) own_directory(upper, "/bin");
  make_dir(work, 0700);
  // volatile: nothing outlives the job.
  snprintf(options, sizeof options, "%s,upperdir=%s,workdir=%s," OVERLAY_OPTIONS ",volatile%s", lowers, upper, work, is_rootless() ? ",userxattr" : "");
  mount_on("overlay", layer->target, "overlay", MS_NOSUID | MS_NODEV | MS_NOATIME, options);
}

// Directories that the job writes most (work, home, /tmp) lie on the disk itself, without an overlay in between.
static void mount_writable(const struct writable *dir, size_t index) {
  char source[256];
  snprintf(source, sizeof source, DISK "/dir%zu", index);
  make_dir(source, 0755);
  own(source, dir->mode);
  bind_own(source, dir->target, 0);
}

// Below a writable directory, before anything of the job exists.
static void make_sub(const struct writable *sub) {
  char parent[4096];
  snprintf(parent, sizeof parent, "%s", sub->target);
  char *name = strrchr(parent, '/');
  if (!name || name == parent) fail_message("a directory that lies in none");
  *name++ = 0;
  int directory = open_target(parent);
  if (mkdirat(directory, name, 0755) != 0 || fchownat(directory, name, id_base(), id_base(), AT_SYMLINK_NOFOLLOW) != 0) fail(sub->target);
  if (fchmodat(directory, name, sub->mode, 0) != 0) fail(sub->target);
  close(directory);
}

void mount_all(const struct setup *setup) {
  int map = open_user_namespace(setup);
  for (size_t i = 0; i < setup->layer_count; i++) mount_layer(setup, i, map);
  for (size_t i = 0; i < setup->dir_count; i++) mount_writable(&setup->dirs[i], i);
  for (size_t i = 0; i < setup->sub_count; i++) make_sub(&setup->subs[i]);
  close(map);
  // Runtimes with a kernel of their own make mount points in the root file system on the host, also below what only their kernel will mount.
  if (!setup->has_sentry || !setup->read_only) return;
  mount_or_fail("points", ROOTFS "/run", "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,nr_inodes=64");
  own(ROOTFS "/run", 0755);
}
