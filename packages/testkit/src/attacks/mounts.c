// SPDX-License-Identifier: Apache-2.0
// Ways out of a container by mounts, namespaces, devices and writable kernel files.
#define _GNU_SOURCE
#include "attack.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static struct verdict mount_tmpfs(void) {
  char path[512];
  scratch_path(path, sizeof path, "mount");
  if (mkdir(path, 0700) != 0) return refused(errno, "mkdir");
  int failed = mount("tmpfs", path, "tmpfs", 0, "size=64k"), error = errno;
  if (failed == 0) umount2(path, MNT_DETACH);
  rmdir(path);
  return failed == 0 ? got("a file system was mounted") : refused(error, "mount");
}

static struct verdict mount_new_api(void) {
  int fd = (int)syscall(SYS_fsopen, "tmpfs", 0);
  if (fd < 0) return refused(errno, "fsopen");
  close(fd);
  return got("fsopen gave a file system context");
}

// The first version-1 hierarchy that this process is in, e.g. `memory` or `name=systemd`.
static bool first_hierarchy(char *options, size_t size) {
  char text[4096];
  if (read_file("/proc/self/cgroup", text, sizeof text) <= 0) return false;
  for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
    char *from = strchr(line, ':'), *to = from == NULL ? NULL : strchr(from + 1, ':');
    if (to == NULL || to == from + 1) continue;
    snprintf(options, size, "%.*s", (int)(to - from - 1), from + 1);
    return true;
  }
  return false;
}

// Mounts a hierarchy that the machine has already (a new one would change it) and opens, but never writes, the file
// whose program the kernel would run as the host's root.
static struct verdict mount_cgroup_release_agent(void) {
  char path[512], agent[600], options[128];
  bool v1 = first_hierarchy(options, sizeof options);
  scratch_path(path, sizeof path, "cgroup");
  if (mkdir(path, 0700) != 0) return refused(errno, "mkdir");
  int failed = v1 ? mount("cgroup", path, "cgroup", 0, options) : mount("cgroup2", path, "cgroup2", 0, NULL), error = errno;
  snprintf(agent, sizeof agent, "%s/%s", path, v1 ? "release_agent" : "cgroup.procs");
  int fd = failed == 0 ? open(agent, O_WRONLY | O_CLOEXEC) : -1;
  if (failed == 0 && fd < 0 && errno == ENOENT) {
    // In a cgroup namespace the mount shows a part of the hierarchy, and the agent lies at its root.
    snprintf(agent, sizeof agent, "%s/cgroup.procs", path);
    fd = open(agent, O_WRONLY | O_CLOEXEC);
  }
  if (failed == 0 && fd < 0) error = errno;
  if (fd >= 0) close(fd);
  if (failed == 0) umount2(path, MNT_DETACH);
  rmdir(path);
  if (fd < 0) return refused(error, failed == 0 ? "the mounted hierarchy's file does not open for writing" : "mount");
  return got("%s of a hierarchy of the host opens for writing", strrchr(agent, '/') + 1);
}

static struct verdict unshare_userns(void) {
  if (unshare(CLONE_NEWUSER) != 0) return refused(errno, "unshare");
  return got("a user namespace with every capability in it");
}

// A filter cannot read clone3's flags: they are behind a pointer.
static struct verdict clone3_userns(void) {
  struct clone_args arguments = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
  long child = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (child < 0) return refused(errno, "clone3");
  if (child == 0) _exit(0);
  waitpid((pid_t)child, NULL, 0);
  return got("a user namespace by clone3");
}

static struct verdict setns_init(void) {
  int fd = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return refused(errno, "the namespaces of process 1 are hidden");
  if (setns(fd, CLONE_NEWNS) != 0) return refused(errno, "setns");
  return got("entered the mount namespace of process 1");
}

// The technique reads any file of a file system by its number, whatever is mounted over it.
static struct verdict open_by_handle(void) {
  union {
    struct file_handle handle;
    char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
  } root = {.handle = {.handle_bytes = 8, .handle_type = 1}};
  unsigned int inode = 2;
  memcpy(root.handle.f_handle, &inode, sizeof inode);
  int mount_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int fd = open_by_handle_at(mount_fd, &root.handle, O_RDONLY);
  if (fd < 0 && errno != ESTALE) return refused(errno, "open_by_handle_at");
  return got("%s", fd >= 0 ? "opened the root of the file system by its number" : "handles are taken; this number is stale");
}

static dev_t first_disk(void) {
  char text[4096], *line = read_file("/proc/partitions", text, sizeof text) > 0 ? strstr(text, "\n\n") : NULL;
  unsigned int major = 0, minor = 0;
  if (line != NULL && sscanf(line, "%u %u", &major, &minor) == 2) return makedev(major, minor);
  return makedev(7, 0);
}

static struct verdict open_new_node(mode_t type, dev_t device, const char *what) {
  char path[512];
  scratch_path(path, sizeof path, "node");
  if (mknod(path, type | 0600, device) != 0) return refused(errno, "mknod");
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), error = errno;
  unlink(path);
  if (fd < 0) return refused(error, "the new node of %s does not open", what);
  close(fd);
  return got("%s (%u:%u) opens", what, major(device), minor(device));
}

static struct verdict mknod_device(void) {
  struct verdict disk = open_new_node(S_IFBLK, first_disk(), "the disk");
  return disk.outcome == GOT ? disk : open_new_node(S_IFCHR, makedev(1, 11), "the kernel's log");
}

static struct verdict opens(const char *path, int flags) {
  int fd = open(path, flags | O_CLOEXEC);
  if (fd < 0) return refused(errno, "%s", path);
  close(fd);
  return got("%s opens for %s", path, flags == O_WRONLY ? "writing" : "reading");
}

static struct verdict core_pattern_write(void) { return opens("/proc/sys/kernel/core_pattern", O_WRONLY); }
static struct verdict sysrq_trigger(void) { return opens("/proc/sysrq-trigger", O_WRONLY); }

// A mask opens too, and is empty.
static struct verdict kcore_read(void) {
  char start[64];
  ssize_t length = read_file("/proc/kcore", start, sizeof start);
  if (length < 0) return refused(errno, "/proc/kcore");
  return length == 0 ? refused(ENODATA, "/proc/kcore is empty") : got("/proc/kcore, %zd bytes", length);
}

// A runtime that masks paths by mounting /dev/null over them is lost when the job can put a link of its own there.
static struct verdict masked_path_race(void) {
  char aside[] = "/dev/.attack-null";
  if (rename("/dev/null", aside) != 0) return refused(errno, "/dev/null stays what it is");
  bool replaced = symlink("/proc/sys/kernel/core_pattern", "/dev/null") == 0;
  unlink("/dev/null");
  rename(aside, "/dev/null");
  return replaced ? got("/dev/null was replaced by a link (and put back)") : refused(EACCES, "no link in /dev");
}

const struct attack MOUNT_ATTACKS[] = {
    {"mount-tmpfs", mount_tmpfs},
    {"mount-new-api", mount_new_api},
    {"mount-cgroup-release-agent", mount_cgroup_release_agent},
    {"unshare-userns", unshare_userns},
    {"clone3-userns", clone3_userns},
    {"setns-init", setns_init},
    {"open-by-handle", open_by_handle},
    {"mknod-device", mknod_device},
    {"core-pattern-write", core_pattern_write},
    {"sysrq-trigger", sysrq_trigger},
    {"kcore-read", kcore_read},
    {"masked-path-race", masked_path_race},
    {NULL, NULL},
};
