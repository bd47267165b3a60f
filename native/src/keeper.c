// SPDX-License-Identifier: Apache-2.0
// The keeper of one sandbox: a host process, root, alive as long as the job. It owns everything that must vanish with
// the job, in forms that the kernel takes back by itself when the keeper dies, however it dies:
//   - a mount namespace of its own holds the disk, the overlays, the bundle and the OCI runtime's state: nothing is ever mounted
//     or written on the host;
//   - the disk is an unlinked file behind a loop device with autoclear;
//   - the id range is a file lock;
//   - PID 1 of the sandbox ends when the keeper's socket to it closes.
// What the kernel does not take back (cgroup directories) the keeper removes, and the next keeper of the same id range
// removes what a killed one left.
//
// It is spoken to over fd 3 by the supervisor alone (trusted, validated): see read_setup. It never reads a byte of a job.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel.h"
#include "sallyport.h"

#define SUPERVISOR_FD 3
#define RUN_DIR "/run/sallyport"
#define SLOT_DIR RUN_DIR "/slots"
#define BOX RUN_DIR "/box"
#define ROOTFS BOX "/rootfs"
#define DISK BOX "/disk"
#define LOWER BOX "/lower"
#define USER_NAMESPACE BOX "/user"

// Id ranges: above what systemd hands out to containers (0x6FFFFFFF), below the sign bit, clear of /etc/subuid's usual places.
#define ID_BASE 0x70000000u
#define ID_COUNT 65536u
#define SLOTS 4095u

#define LAYERS_MAX 16
#define DIRS_MAX 32
#define BINDS_MAX 64
#define LINE_MAX_BYTES 8192
#define CONFIG_MAX_BYTES (4u << 20)

struct layer {
  char *target, *source;
};

struct writable {
  char *target;
  mode_t mode;
};

struct setup {
  char *id, *runtime;
  bool_t read_only;
  struct layer layers[LAYERS_MAX];
  size_t layer_count;
  struct writable dirs[DIRS_MAX], subs[DIRS_MAX];
  size_t dir_count, sub_count;
  char *config;
  size_t config_size;
};

static unsigned slot;
static bool_t slot_claimed;
static pid_t init_pid = -1;
static int init_socket = -1;

// ---- talking to the supervisor

static void say(const char *format, ...) {
  char line[2048];
  va_list args;
  va_start(args, format);
  int size = vsnprintf(line, sizeof line - 1, format, args);
  va_end(args);
  if (size < 0) return;
  if ((size_t)size > sizeof line - 2) size = sizeof line - 2;
  for (int i = 0; i < size; i++)
    if (line[i] == '\n') line[i] = ' ';
  line[size] = '\n';
  // A supervisor that is gone is noticed by the poll that follows.
  (void)write_all(SUPERVISOR_FD, line, (size_t)size + 1);
}

static void tear_down(void);

// Nothing is left behind by a failed start either.
static void fail(const char *what) {
  int error = errno;
  say("error\t%s: %s", what, strerror(error));
  tear_down();
  exit(125);
}

static void fail_message(const char *what) {
  say("error\t%s", what);
  tear_down();
  exit(125);
}

static void read_line(char *line, size_t size) {
  size_t used = 0;
  for (;;) {
    char byte;
    if (read_exact(SUPERVISOR_FD, &byte, 1) != 1) {
      tear_down();
      exit(0);
    }
    if (byte == '\n') break;
    if (used + 1 >= size) fail_message("line too long");
    line[used++] = byte;
  }
  line[used] = 0;
}

static char *keep(const char *text) {
  char *copy = strdup(text ? text : "");
  if (!copy) fail("strdup");
  return copy;
}

static void read_config(struct setup *setup, size_t size) {
  if (size == 0 || size > CONFIG_MAX_BYTES) fail_message("config size");
  setup->config = malloc(size);
  if (!setup->config) fail("malloc");
  if (read_exact(SUPERVISOR_FD, setup->config, size) != 1) fail_message("config cut short");
  setup->config_size = size;
}

// Lines of tab-separated fields, the last one `create`:
//   id ID | runtime PATH | read-only | layer TARGET SOURCE | dir TARGET MODE | sub PATH MODE | config SIZE (bytes follow)
static void read_setup(struct setup *setup) {
  char line[LINE_MAX_BYTES];
  for (;;) {
    read_line(line, sizeof line);
    char *rest = line;
    const char *word = strsep(&rest, "\t");
    const char *first = strsep(&rest, "\t");
    const char *second = strsep(&rest, "\t");
    if (strcmp(word, "create") == 0) return;
    if (strcmp(word, "read-only") == 0) {
      setup->read_only = 1;
    } else if (!first) {
      fail_message("setup line without a value");
    } else if (strcmp(word, "id") == 0) {
      setup->id = keep(first);
    } else if (strcmp(word, "runtime") == 0) {
      setup->runtime = keep(first);
    } else if (strcmp(word, "config") == 0) {
      read_config(setup, strtoul(first, NULL, 10));
    } else if (!second) {
      fail_message("setup line without a second value");
    } else if (strcmp(word, "layer") == 0 && setup->layer_count < LAYERS_MAX) {
      setup->layers[setup->layer_count++] = (struct layer){keep(first), keep(second)};
    } else if (strcmp(word, "dir") == 0 && setup->dir_count < DIRS_MAX) {
      setup->dirs[setup->dir_count++] = (struct writable){keep(first), (mode_t)strtoul(second, NULL, 8)};
    } else if (strcmp(word, "sub") == 0 && setup->sub_count < DIRS_MAX) {
      setup->subs[setup->sub_count++] = (struct writable){keep(first), (mode_t)strtoul(second, NULL, 8)};
    } else {
      fail_message("unknown setup line");
    }
  }
}

// ---- small things

static void make_dir(const char *path, mode_t mode) {
  if (mkdir(path, mode) != 0 && errno != EEXIST) fail(path);
}

static void write_file(const char *path, const void *data, size_t size, mode_t mode) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0 || write_all(fd, data, size) != 0) fail(path);
  close(fd);
}

// ---- id range

// The lock is held until this process ends, so that no two live jobs ever share ids.
static void claim_slot(void) {
  make_dir(RUN_DIR, 0755);
  make_dir(SLOT_DIR, 0700);
  make_dir(BOX, 0755);
  for (slot = 0; slot < SLOTS; slot++) {
    char path[64];
    snprintf(path, sizeof path, SLOT_DIR "/%u", slot);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) fail(path);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
      slot_claimed = 1;
      return;
    }
    close(fd);
  }
  fail_message("all id ranges are in use");
}

static unsigned id_base(void) { return ID_BASE + slot * ID_COUNT; }

// ---- cgroups

#define CGROUP_ROOTS_MAX 24
static char *cgroup_roots[CGROUP_ROOTS_MAX];
static bool_t cgroup_is_v2[CGROUP_ROOTS_MAX];
static size_t cgroup_root_count;

static void find_cgroup_roots(void) {
  FILE *mounts = fopen("/proc/self/mounts", "re");
  if (!mounts) fail("/proc/self/mounts");
  char device[512], path[4096], type[64];
  while (cgroup_root_count < CGROUP_ROOTS_MAX && fscanf(mounts, "%511s %4095s %63s%*[^\n]", device, path, type) == 3)
    if (strcmp(type, "cgroup") == 0 || strcmp(type, "cgroup2") == 0) {
      cgroup_is_v2[cgroup_root_count] = strcmp(type, "cgroup2") == 0;
      cgroup_roots[cgroup_root_count++] = keep(path);
    }
  fclose(mounts);
}

// `cgroup.procs` of where this process is, in one hierarchy: v2, or a v1 one that is mounted under its controllers' names.
static int own_cgroup(char *path, size_t size) {
  FILE *file = fopen("/proc/self/cgroup", "re");
  if (!file) return -1;
  char line[4200];
  int found = -1;
  while (found != 0 && fgets(line, sizeof line, file)) {
    char *rest = line;
    strsep(&rest, ":");
    const char *names = strsep(&rest, ":");
    if (!names || !rest) continue;
    rest[strcspn(rest, "\n")] = 0;
    for (size_t i = 0; i < cgroup_root_count && found != 0; i++) {
      const char *mounted = strrchr(cgroup_roots[i], '/');
      if (*names ? cgroup_is_v2[i] || !mounted || strcmp(mounted + 1, names) != 0 : !cgroup_is_v2[i]) continue;
      snprintf(path, size, "%s%s/cgroup.procs", cgroup_roots[i], rest);
      found = access(path, W_OK);
    }
  }
  fclose(file);
  return found;
}

static void kill_listed(const char *directory) {
  char path[5200];
  snprintf(path, sizeof path, "%s/cgroup.procs", directory);
  FILE *procs = fopen(path, "re");
  if (!procs) return;
  int pid;
  while (fscanf(procs, "%d", &pid) == 1)
    if (pid > 1) kill(pid, SIGKILL);
  fclose(procs);
}

static void kill_cgroup(const char *directory) {
  char path[5200];
  snprintf(path, sizeof path, "%s/cgroup.kill", directory);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd >= 0) {
    (void)write_all(fd, "1", 1);
    close(fd);
    return;
  }
  kill_listed(directory);
}

// Removes a job's cgroup and its steps' (one level: jobs cannot make any). Returns 0 when it is gone.
static int remove_cgroup(const char *directory) {
  kill_cgroup(directory);
  DIR *entries = opendir(directory);
  if (!entries) return errno == ENOENT ? 0 : -1;
  struct dirent *entry;
  char path[5120];
  while ((entry = readdir(entries))) {
    if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
    kill_cgroup(path);
    rmdir(path);
  }
  closedir(entries);
  return rmdir(directory) == 0 || errno == ENOENT ? 0 : -1;
}

static int remove_matching(const char *root, const char *prefix) {
  char parent[4200], path[4800];
  snprintf(parent, sizeof parent, "%s/sallyport", root);
  DIR *entries = opendir(parent);
  if (!entries) return 0;
  int left = 0;
  struct dirent *entry;
  while ((entry = readdir(entries))) {
    if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0) continue;
    snprintf(path, sizeof path, "%s/%s", parent, entry->d_name);
    if (remove_cgroup(path) != 0) left++;
  }
  closedir(entries);
  return left;
}

// Every cgroup of this id range: this job's own, or what a killed keeper left. Bounded: dying processes take a moment.
static int remove_cgroups(void) {
  char prefix[32];
  snprintf(prefix, sizeof prefix, "slot%u-", slot);
  int left = 0;
  for (int attempt = 0; attempt < 2000; attempt++) {
    left = 0;
    for (size_t i = 0; i < cgroup_root_count; i++) left += remove_matching(cgroup_roots[i], prefix);
    if (left == 0) return 0;
    usleep(attempt < 50 ? 200 : 5000);
  }
  return left;
}

// Moving a process between cgroups waits for an RCU grace period (about 10 ms) unless another move has just paid for it.
// While the sandbox is built and its first steps start, a child of ours pays, by moving itself to where it is.
#define WARM_MS 400
#define WARM_EVERY_MS 4

static void keep_cgroups_warm(void) {
  pid_t child = fork();
  if (child != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  char path[4600];
  close(SUPERVISOR_FD);
  if (cgroup_root_count == 0 || own_cgroup(path, sizeof path) != 0) _exit(0);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  for (int i = 0; fd >= 0 && i < WARM_MS / WARM_EVERY_MS; i++) {
    if (write(fd, "0", 1) != 1) _exit(0);
    usleep(WARM_EVERY_MS * 1000);
  }
  _exit(0);
}

// ---- the end

// Whatever the OCI runtime started and left: orphans among our descendants become our children. Bounded: dying takes a moment.
static void kill_children(void) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
  for (int attempt = 0; attempt < 2000; attempt++) {
    FILE *children = fopen(path, "re");
    int pid;
    while (children && fscanf(children, "%d", &pid) == 1) kill(pid, SIGKILL);
    if (children) fclose(children);
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) continue;
    if (pid < 0) return;
    usleep(1000);
  }
}

static void tear_down(void) {
  if (init_socket >= 0) close(init_socket);
  init_socket = -1;
  if (init_pid > 0) {
    // The kernel kills and reaps the whole pid namespace before this wait returns.
    kill(init_pid, SIGKILL);
    waitpid(init_pid, NULL, 0);
    init_pid = -1;
  }
  kill_children();
  // Without the lock they would be another job's.
  if (slot_claimed && remove_cgroups() != 0) say("error\tcgroups of slot %u could not be removed", slot);
  // The mount namespace, the disk behind it and the slot's lock go with this process.
}

// ---- mounts

static void mount_or_fail(const char *source, const char *target, const char *type, unsigned long flags, const char *data) {
  if (mount(source, target, type, flags, data) != 0) {
    int error = errno;
    char what[512];
    snprintf(what, sizeof what, "mount %s on %s", type ? type : source, target);
    errno = error;
    fail(what);
  }
}

static void own_mount_namespace(void) {
  if (unshare(CLONE_NEWNS) != 0) fail("unshare mount namespace");
  mount_or_fail(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
  mount_or_fail("sallyport", BOX, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=64m,nr_inodes=4096");
  make_dir(ROOTFS, 0755);
  make_dir(DISK, 0755);
  make_dir(LOWER, 0755);
  make_dir(BOX "/runtime", 0700);
}

static void copy_self(void) {
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

static void mount_disk(const char *template, const char *spool) {
  char device[64];
  int file = make_disk_file(template, spool);
  int loop = attach_loop(file, device, sizeof device);
  mount_or_fail(device, DISK, "ext4", MS_NOSUID | MS_NODEV | MS_NOATIME, "noinit_itable,nobarrier,errors=continue");
  close(loop);
  close(file);
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

static void mount_all(const struct setup *setup) {
  int map = open_user_namespace();
  for (size_t i = 0; i < setup->layer_count; i++) mount_layer(setup, i, map);
  for (size_t i = 0; i < setup->dir_count; i++) mount_writable(&setup->dirs[i], i);
  for (size_t i = 0; i < setup->sub_count; i++) make_sub(&setup->subs[i]);
  close(map);
}

// ---- the OCI runtime

// More than any runtime takes on a loaded host; one that hangs must not hold a run for ever.
#define RUNTIME_LIMIT_MS 60000

// Whatever is waited for while the sandbox is made, the end of the supervisor ends the wait.
static void await_readable(int fd, const char *what) {
  struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = SUPERVISOR_FD, .events = POLLRDHUP}};
  for (;;) {
    int ready = poll(fds, 2, RUNTIME_LIMIT_MS);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) fail("poll");
    if (ready == 0) fail_message(what);
    if (fds[1].revents != 0) {
      tear_down();
      exit(0);
    }
    if (fds[0].revents != 0) return;
  }
}

static void runtime_child(const char *runtime, const char *verb, const char *id, int control) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Not /dev/null: a runtime gives its standard streams to the container's root (crun by fchown), and the host's device would be the job's.
  int null = memfd_create("nothing", MFD_CLOEXEC);
  int log = open(BOX "/stderr", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (null < 0 || log < 0) _exit(125);
  // PID 1 inherits the standard streams of `create`: they must lead nowhere.
  dup2(null, 0), dup2(null, 1), dup2(strcmp(verb, "create") == 0 ? null : log, 2);
  if (control >= 0) {
    if (dup2(control, SUPERVISOR_FD) < 0) _exit(125);
  } else {
    close(SUPERVISOR_FD);
  }
  if (strcmp(verb, "create") == 0)
    execl(runtime, runtime, "--root", BOX "/runtime", "--log", BOX "/log", "create", "--bundle", BOX, "--preserve-fds", "1", "--pid-file", BOX "/pid", id, (char *)NULL);
  else
    execl(runtime, runtime, "--root", BOX "/runtime", "--log", BOX "/log", verb, id, (char *)NULL);
  _exit(127);
}

// The runtime's own words, for the supervisor's error.
static void fail_runtime(const char *verb) {
  char text[1024] = "";
  int fd = open(BOX "/log", O_RDONLY | O_CLOEXEC);
  ssize_t size = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
  if (size <= 0) {
    fd = open(BOX "/stderr", O_RDONLY | O_CLOEXEC);
    size = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
  }
  if (size > 0) text[size] = 0;
  char what[1200];
  snprintf(what, sizeof what, "the OCI runtime failed at %s: %s", verb, text[0] ? text : "it said nothing");
  fail_message(what);
}

static void run_runtime(const struct setup *setup, const char *verb, int control) {
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) runtime_child(setup->runtime, verb, setup->id, control);
  int pidfd = (int)syscall(SYS_pidfd_open, child, 0), status;
  if (pidfd < 0) fail("pidfd_open");
  await_readable(pidfd, "the OCI runtime did not end within a minute");
  close(pidfd);
  if (waitpid(child, &status, 0) != child || status != 0) fail_runtime(verb);
}

static void create(const struct setup *setup) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) fail("socketpair");
  run_runtime(setup, "create", pair[1]);
  close(pair[1]);
  init_socket = pair[0];
  FILE *file = fopen(BOX "/pid", "re");
  if (!file || fscanf(file, "%d", &init_pid) != 1 || init_pid <= 1) fail_message("the OCI runtime wrote no pid");
  fclose(file);
  say("created\t%d", init_pid);
}

// runc and crun hold a created container at a FIFO in its state directory and let it go when somebody reads from it: that is all
// their `start` does. Reading it here saves a start of the runtime; where there is no such FIFO the runtime is asked.
static int open_start_gate(const struct setup *setup) {
  char path[512];
  snprintf(path, sizeof path, BOX "/runtime/%s/exec.fifo", setup->id);
  int gate = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (gate < 0) return -1;
  await_readable(gate, "the created container did not come to its start gate within a minute");
  char byte;
  ssize_t got = read(gate, &byte, 1);
  close(gate);
  unlink(path);
  return got == 1 ? 0 : -1;
}

// crun's PID 1 reads the FIFO, where runc's writes it: two readers would wait for each other for ever.
static bool_t has_start_gate(const struct setup *setup) {
  const char *name = strrchr(setup->runtime, '/');
  return strcmp(name ? name + 1 : setup->runtime, "runc") == 0;
}

static void start(const struct setup *setup) {
  if (!has_start_gate(setup) || open_start_gate(setup) != 0) run_runtime(setup, "start", -1);
  char byte;
  await_readable(init_socket, "PID 1 of the sandbox did not start within a minute");
  if (read_exact(init_socket, &byte, 1) != 1) fail_message("PID 1 of the sandbox did not start");
  say("started");
}

// ---- life

// Until the supervisor closes its end (or asks), or PID 1 is gone. PID 1 is not reaped before the tear-down, so its id
// stays taken and can be opened by number without a race.
static void watch(void) {
  int pidfd = (int)syscall(SYS_pidfd_open, init_pid, 0);
  if (pidfd < 0) fail("pidfd_open");
  struct pollfd fds[2] = {{.fd = SUPERVISOR_FD, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
  for (;;) {
    if (poll(fds, 2, -1) < 0 && errno != EINTR) break;
    if (fds[0].revents != 0) break;
    if (fds[1].revents != 0) {
      say("lost");
      fds[1].fd = -1;
    }
  }
  close(pidfd);
}

static void expect(const char *word) {
  char line[64];
  read_line(line, sizeof line);
  if (strcmp(line, word) != 0) fail_message("unexpected request");
}

int keeper_main(int argc, char **argv) {
  static struct setup setup;
  if (argc != 3) die_msg("usage: keeper DISK_TEMPLATE SPOOL_DIRECTORY");
  // Ctrl-C in a terminal reaches the whole process group; the keeper ends when the supervisor says so or dies.
  if (setsid() < 0 && errno != EPERM) fail("setsid");
  signal(SIGPIPE, SIG_IGN);
  if (prctl(PR_SET_DUMPABLE, 0) != 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) fail("prctl");
  if (fcntl(SUPERVISOR_FD, F_SETFD, FD_CLOEXEC) != 0) fail("no supervisor on fd 3");
  // For PID 1 of the sandbox, too, which inherits it.
  struct rlimit none = {0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) fail("RLIMIT_CORE");
  umask(0022);
  claim_slot();
  find_cgroup_roots();
  if (remove_cgroups() != 0) fail_message("cgroups of an earlier job could not be removed");
  say("slot\t%u\t%u", slot, id_base());
  keep_cgroups_warm();
  own_mount_namespace();
  copy_self();
  // The supervisor still works out the rest of the setup while the disk is made.
  mount_disk(argv[1], argv[2]);
  read_setup(&setup);
  if (!setup.id || !setup.runtime || !setup.config) fail_message("incomplete setup");
  write_file(BOX "/config.json", setup.config, setup.config_size, 0600);
  mount_all(&setup);
  create(&setup);
  expect("start");
  start(&setup);
  watch();
  tear_down();
  say("disposed");
  return 0;
}
