// SPDX-License-Identifier: Apache-2.0
// Which files of the kernel, of the host and which devices can be seen? Nothing is ever written, and nothing but regular files is read.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "canary-devices.h"
#include "canary.h"

#define COUNT_OF(list) (sizeof(list) / sizeof *(list))

// ---- the kernel's files

// What tells about the host, or reaches it.
static const char *const masked[] = {
    "/proc/acpi",        "/proc/asound",      "/proc/interrupts",   "/proc/kallsyms",      "/proc/kcore",         "/proc/key-users",
    "/proc/keys",        "/proc/kmsg",        "/proc/kpagecgroup",  "/proc/kpagecount",    "/proc/kpageflags",    "/proc/latency_stats",
    "/proc/modules",     "/proc/sched_debug", "/proc/scsi",         "/proc/slabinfo",      "/proc/swaps",         "/proc/timer_list",
    "/proc/timer_stats", "/proc/vmallocinfo", "/sys/dev/block",     "/sys/devices/virtual/powercap", "/sys/firmware", "/sys/fs/bpf",
    "/sys/kernel/debug", "/sys/kernel/security", "/sys/kernel/tracing",
};

// Consumes `fd`. Two entries are `.` and `..`.
static int directory_is_empty(int fd) {
  DIR *directory = fdopendir(fd);
  if (!directory) return 0;
  int entries = 0;
  while (entries <= 2 && readdir(directory)) entries++;
  closedir(directory);
  return entries <= 2;
}

static int is_null_device(const struct stat *info) {
  return S_ISCHR(info->st_mode) && info->st_rdev == makedev(1, 3);
}

// The errnos of a wall, and of what is not there. Anything else (too many open files, a socket) is no proof.
static const char *why_failed(int error) {
  return is_refusal(error) || error == ENOENT || error == EROFS || error == EIO ? strerror(error) : NULL;
}

// Reading the kernel's log takes what was read out of it: that it opens is enough.
static int tells_something(int fd, const char *path, const struct stat *info) {
  char byte;
  if (is_null_device(info)) return 0;
  if (!S_ISREG(info->st_mode) || strcmp(path, "/proc/kmsg") == 0) return 1;
  ssize_t got = read(fd, &byte, 1);
  return got > 0 || (got < 0 && !why_failed(errno));
}

// Why a path tells nothing, or NULL when it tells something.
static const char *why_masked(const char *path) {
  struct stat info;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return why_failed(errno);
  int known = fstat(fd, &info) == 0;
  if (known && S_ISDIR(info.st_mode)) return directory_is_empty(fd) ? "empty" : NULL;
  int telling = !known || tells_something(fd, path, &info);
  close(fd);
  return telling ? NULL : "empty";
}

static void check_masked(void) {
  for (size_t i = 0; i < COUNT_OF(masked); i++) {
    const char *why = why_masked(masked[i]);
    report("masked-paths", why != NULL, "%s: %s", masked[i], why ? why : "readable");
  }
}

// Files with power over the machine, or over what an administrator of this namespace could change.
static const char *const read_only[] = {
    "/proc/sysrq-trigger",
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/kernel/hostname",
    "/proc/sys/vm/drop_caches",
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/sys/user/max_user_namespaces",
    "/proc/sys/fs/binfmt_misc/register",
    "/proc/irq/default_smp_affinity",
    "/proc/mtrr",
    "/sys/kernel/uevent_helper",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/power/state",
    "/sys/fs/cgroup/cgroup.procs",
};

// Opened for writing and closed again.
static void check_not_writable(const char *path) {
  int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  int error = errno;
  report("read-only-kernel", fd < 0 && why_failed(error), "%s: %s", path, fd < 0 ? strerror(error) : "opens for writing");
  if (fd >= 0) close(fd);
}

static void check_read_only_mount(const char *path) {
  struct statvfs info;
  int result = statvfs(path, &info);
  int absent = result != 0 && errno == ENOENT;
  report("read-only-kernel", absent || (result == 0 && (info.f_flag & ST_RDONLY)), "%s: %s", path,
         result != 0 ? strerror(errno) : info.f_flag & ST_RDONLY ? "read-only" : "writable");
}

// cgroup v1: whoever writes it runs a program as the host's root.
static void check_release_agents(void) {
  DIR *hierarchies = opendir("/sys/fs/cgroup");
  struct dirent *entry;
  while (hierarchies && (entry = readdir(hierarchies))) {
    char path[512];
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "/sys/fs/cgroup/%s/release_agent", entry->d_name);
    if (faccessat(AT_FDCWD, path, F_OK, 0) == 0) check_not_writable(path);
  }
  if (hierarchies) closedir(hierarchies);
}

void check_kernel_files(void) {
  static const char *const mounts[] = {"/sys", "/proc/sys", "/proc/irq", "/proc/bus", "/proc/fs"};
  check_masked();
  for (size_t i = 0; i < COUNT_OF(read_only); i++) check_not_writable(read_only[i]);
  for (size_t i = 0; i < COUNT_OF(mounts); i++) check_read_only_mount(mounts[i]);
  check_release_agents();
}

// ---- the host's files

static const char *const secret_files[] = {
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/sudoers",
    "/etc/krb5.keytab",
    "/etc/ssh/ssh_host_rsa_key",
    "/etc/ssh/ssh_host_ecdsa_key",
    "/etc/ssh/ssh_host_ed25519_key",
};

// Whoever reaches one of them commands a program of the host.
static const char *const host_sockets[] = {
    "/run/docker.sock",           "/var/run/docker.sock",    "/run/containerd/containerd.sock", "/run/podman/podman.sock",
    "/run/crio/crio.sock",        "/run/systemd/private",    "/run/dbus/system_bus_socket",     "/run/user",
    "/run/secrets",               "/run/credentials",        "/var/lib/docker",                 "/var/lib/containerd",
    "/var/lib/kubelet",           "/var/lib/sallyport",      "/var/spool/cron/crontabs",        "/etc/sallyport",
};

// Of `/`, where that is an image; 0 where it is made of the host's own files.
static uint64_t image_mount;

// 0 when it is not known.
static uint64_t mount_of(int directory, const char *path, int flags) {
  struct statx info;
  return statx(directory, path, flags, STATX_MNT_ID, &info) == 0 && (info.stx_mask & STATX_MNT_ID) ? info.stx_mnt_id : 0;
}

// An image may have a file of any name. Of the host it would only be if something were mounted there.
static int is_images_own(const char *path) {
  return image_mount != 0 && mount_of(AT_FDCWD, path, 0) == image_mount;
}

// An empty placeholder keeps package tools content and tells nothing.
static void check_secret_files(void) {
  for (size_t i = 0; i < COUNT_OF(secret_files); i++) {
    const char *why = is_images_own(secret_files[i]) ? "the image's own" : why_masked(secret_files[i]);
    report("host-files-hidden", why != NULL, "%s: %s", secret_files[i], why ? why : "readable");
  }
}

// O_PATH finds sockets and directories alike, without touching them. An empty directory of the image hides nothing.
static void check_absent(const char *path) {
  int fd = open(path, O_PATH | O_CLOEXEC);
  const char *why = fd < 0 ? why_failed(errno) : is_images_own(path) ? "the image's own" : why_masked(path);
  if (fd >= 0) close(fd);
  report("host-files-hidden", why != NULL, "%s: %s", path, why ? why : "there");
}

static void check_only_entry(const char *path, const char *allowed) {
  DIR *directory = opendir(path);
  if (!directory) {
    report("host-files-hidden", errno == ENOENT || is_refusal(errno), "%s: %s", path, strerror(errno));
    return;
  }
  char other[256] = "";
  struct dirent *entry;
  while (!*other && (entry = readdir(directory))) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || strcmp(entry->d_name, allowed) == 0) continue;
    if (image_mount != 0 && mount_of(dirfd(directory), entry->d_name, AT_SYMLINK_NOFOLLOW) == image_mount) continue;
    snprintf(other, sizeof other, "%s", entry->d_name);
  }
  closedir(directory);
  report("host-files-hidden", !*other, "%s: %s%s", path, *other ? "shows " : "nothing of the host", other);
}

void check_host_files(const struct canary_options *options) {
  if (options->is_image) image_mount = mount_of(AT_FDCWD, "/", 0);
  check_secret_files();
  for (size_t i = 0; i < COUNT_OF(host_sockets); i++) check_absent(host_sockets[i]);
  check_only_entry("/root", "");
  check_only_entry("/home", "runner");
}

// ---- devices

int is_allowed_device(const struct stat *info) {
  static const unsigned char minors[] = {3, 5, 7, 8, 9};  // null, zero, full, random, urandom
  if (!S_ISCHR(info->st_mode)) return 0;
  for (size_t i = 0; i < COUNT_OF(minors); i++) {
    if (info->st_rdev == makedev(1, minors[i])) return 1;
  }
  return info->st_rdev == makedev(5, 0);  // tty
}

// Links, the two file systems of their own, and nodes from the list.
static int is_allowed_entry(int directory, const char *name) {
  static const char *const others[] = {".", "..", "pts", "shm", "mqueue", "fd", "stdin", "stdout", "stderr", "ptmx", "core"};
  struct stat info;
  for (size_t i = 0; i < COUNT_OF(others); i++) {
    if (strcmp(name, others[i]) != 0) continue;
    return fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && (S_ISDIR(info.st_mode) || S_ISLNK(info.st_mode));
  }
  return fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && is_allowed_device(&info);
}

static void check_device_list(void) {
  DIR *directory = opendir("/dev");
  if (!directory) {
    report("devices", 0, "/dev: %s", strerror(errno));
    return;
  }
  char other[256] = "";
  struct dirent *entry;
  while (!*other && (entry = readdir(directory))) {
    if (!is_allowed_entry(dirfd(directory), entry->d_name)) snprintf(other, sizeof other, "%s", entry->d_name);
  }
  closedir(directory);
  report("devices", !*other, "/dev: %s%s", *other ? "shows " : "only null, zero, full, random, urandom, tty and terminals", other);
}

static void check_mknod(const char *what, mode_t type, dev_t device) {
  static const char path[] = "/tmp/.sallyport-canary";
  long result = mknod(path, type | 0600, device);
  report_refused("devices", what, result);
  if (result == 0) unlink(path);
}

void check_devices(void) {
  check_device_list();
  check_mknod("mknod of a character device", S_IFCHR, makedev(1, 3));
  check_mknod("mknod of a block device", S_IFBLK, makedev(7, 0));
}
