// SPDX-License-Identifier: Apache-2.0
// Makes a directory of the job's disk the read-only source: it becomes the lower layer of an overlay in its own place, and a watch of ours sees each change.
// Asked for when nothing of the job runs: nobody has it open, mapped or as a working directory.
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper.h"
#include "source.h"

#define PLACE BOX "/source"
#define LOWER_DIR PLACE "/lower"
#define MERGED PLACE "/merged"
#define LAYERS DISK "/source"
#ifndef MOVE_MOUNT_T_EMPTY_PATH
#define MOVE_MOUNT_T_EMPTY_PATH 0x40
#endif
// A walk through a million files on a loaded host.
#define WATCH_LIMIT_MS 300000

static int watch = -1;
static char why[512];

static int because(const char *what) {
  snprintf(why, sizeof why, "%.400s: %s", what, strerror(errno));
  return -1;
}

static int open_directory(int parent, const char *path, uint64_t resolve) {
  struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = resolve | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
  return (int)syscall(SYS_openat2, parent, path, &how, sizeof how);
}

// Where the path lies on the job's disk; `first` is how many of its bytes name what is mounted from there.
static int open_on_disk(const struct setup *setup, const char *path, size_t *first) {
  for (size_t i = 0; i < setup->dir_count; i++) {
    size_t size = strlen(setup->dirs[i].target);
    if (strncmp(path, setup->dirs[i].target, size) != 0 || path[size] != '/') continue;
    char place[64];
    snprintf(place, sizeof place, DISK "/dir%zu", i);
    int root = open_directory(AT_FDCWD, place, 0);
    if (root < 0) return -1;
    int fd = open_directory(root, path + size + 1, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
    close(root);
    *first = size;
    return fd;
  }
  errno = ENOENT;
  return -1;
}

static int make_dirs(const char *const *paths) {
  for (; *paths; paths++)
    if (mkdir(*paths, 0700) != 0 && errno != EEXIST) return because(*paths);
  return 0;
}

// The original is out of reach in here, too: a read-only mount, which is all that the overlay has of it. `layers`: a new directory of the disk.
static int mount_layers(int original, const char *layers) {
  char from[64], upper[64], work[64], options[512];
  snprintf(upper, sizeof upper, "%s/upper", layers);
  snprintf(work, sizeof work, "%s/work", layers);
  const char *const dirs[] = {PLACE, LOWER_DIR, MERGED, layers, upper, work, NULL};
  struct stat info;
  if (make_dirs(dirs) != 0) return -1;
  snprintf(from, sizeof from, "/proc/self/fd/%d", original);
  if (mount(from, LOWER_DIR, NULL, MS_BIND, NULL) != 0) return because("bind the source");
  if (mount(NULL, LOWER_DIR, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOATIME, NULL) != 0) return because("make the source read-only");
  if (fstat(original, &info) != 0 || chown(upper, info.st_uid, info.st_gid) != 0 || chmod(upper, info.st_mode & 07777) != 0) return because(upper);
  // nfs_export gives files the handles that fanotify needs; redirect_dir stays off, so a directory of the source keeps its place: renaming one fails with EXDEV.
  snprintf(options, sizeof options, "lowerdir=" LOWER_DIR ",upperdir=%s,workdir=%s,redirect_dir=off,metacopy=off,index=on,nfs_export=on,volatile", upper, work);
  if (mount("overlay", MERGED, "overlay", MS_NOSUID | MS_NODEV | MS_NOATIME, options) != 0) return because("overlay with file handles");
  return 0;
}

static void unmount_layers(void) {
  (void)umount2(MERGED, MNT_DETACH);
  (void)umount2(LOWER_DIR, MNT_DETACH);
}

// ---- the watch

static void run_watch(int events, int control, ino_t pid_namespace) {
  static struct source source;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  source.lower = open(LOWER_DIR, O_RDONLY | O_DIRECTORY);
  source.upper = open(LAYERS "/upper", O_RDONLY | O_DIRECTORY);
  source.merged = open(MERGED, O_RDONLY | O_DIRECTORY);
  int kept[] = {events, control, source.lower, source.upper, source.merged};
  // Nothing of the keeper's stays open: PID 1 of the sandbox ends when its socket closes. Moved up first, then down, so that none is overwritten.
  for (int i = 0; i < 5; i++)
    if ((kept[i] = fcntl(kept[i], F_DUPFD, 64)) < 0) _exit(125);
  for (int i = 0; i < 5; i++)
    if (dup2(kept[i], 3 + i) < 0) _exit(125);
  if (syscall(SYS_close_range, 8u, ~0u, 0) != 0) _exit(125);
  source.lower = 5, source.upper = 6, source.merged = 7;
  watch_source(&source, 3, 4, MERGED, pid_namespace);
}

static int start_watch(pid_t init) {
  int pair[2];
  char path[64];
  struct stat info;
  snprintf(path, sizeof path, "/proc/%d/ns/pid", init);
  if (stat(path, &info) != 0) return because("the sandbox");
  int merged = open(MERGED, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int events = merged < 0 ? -1 : mark_source(merged);
  if (merged >= 0) close(merged);
  if (events < 0) return because("a mark for changes (fanotify with names and pidfds, Linux 5.17 or newer)");
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return because("socketpair");
  pid_t child = fork();
  if (child == 0) run_watch(events, pair[1], info.st_ino);
  close(pair[1]);
  close(events);
  if (child < 0) return because("fork");
  watch = pair[0];
  return 0;
}

// One line of the watch. 0, or -1 when it is gone or does not answer.
static int hear_watch(char *line, size_t size) {
  size_t used = 0;
  for (;;) {
    struct pollfd ends[2] = {{.fd = watch, .events = POLLIN}, {.fd = SUPERVISOR_FD, .events = POLLRDHUP}};
    int ready = poll(ends, 2, WATCH_LIMIT_MS);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0 || ends[1].revents != 0 || used + 1 >= size || read_exact(watch, line + used, 1) != 1) break;
    if (line[used] == '\n') {
      line[used] = 0;
      return 0;
    }
    used++;
  }
  snprintf(why, sizeof why, "the watch of the source has ended, or does not answer");
  return -1;
}

// Its lines go to the supervisor as they are, up to the last one, which is the request's answer.
static int ask_watch(char question) {
  char line[2048];
  if (watch < 0) {
    snprintf(why, sizeof why, "there is no read-only source");
    return -1;
  }
  if (question != 0 && write_all(watch, &question, 1) != 0) return because("the watch of the source");
  for (;;) {
    if (hear_watch(line, sizeof line) != 0) return -1;
    if (strcmp(line, "ok") == 0) return 0;
    if (strncmp(line, "refused\t", 8) == 0) {
      snprintf(why, sizeof why, "%.500s", line + 8);
      return -1;
    }
    say("%s", line);
    if (strncmp(line, "ready\t", 6) == 0) return 0;
  }
}

// ---- inside the sandbox

static int attach(int tree, int target) {
  return (int)syscall(SYS_move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

// Each directory on the way becomes a mount of itself: the kernel refuses to rename a mount's place, so nobody puts another tree there.
static int pin_parents(const char *path, size_t first) {
  char parent[4096];
  for (const char *at = strchr(path + first + 1, '/'); at; at = strchr(at + 1, '/')) {
    snprintf(parent, sizeof parent, "%.*s", (int)(at - path), path);
    int fd = open_directory(AT_FDCWD, parent, 0);
    int tree = fd < 0 ? -1 : (int)syscall(SYS_open_tree, fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (tree < 0 || attach(tree, fd) != 0) return because(parent);
    close(tree);
    close(fd);
  }
  return 0;
}

// Proves it the way a step would meet it: the path leads to the overlay, and what changes there is seen.
static int try_overlay(const char *path, dev_t merged) {
  struct stat info;
  int fd = open_directory(AT_FDCWD, path, 0);
  if (fd < 0 || fstat(fd, &info) != 0) return because(path);
  if (info.st_dev != merged) {
    snprintf(why, sizeof why, "%.400s does not lead to the overlay", path);
    return -1;
  }
  int probe = openat(fd, SOURCE_PROBE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (probe < 0 || unlinkat(fd, SOURCE_PROBE, 0) != 0) return because("a probe in the source");
  return 0;
}

static int enter_and_attach(pid_t init, int tree, const struct stat *original, const char *path, size_t first) {
  struct stat merged, found;
  int pidfd = (int)syscall(SYS_pidfd_open, init, 0);
  if (stat(MERGED, &merged) != 0) return because(MERGED);
  if (pidfd < 0 || setns(pidfd, CLONE_NEWNS) != 0) return because("enter the sandbox's mount namespace");
  if (pin_parents(path, first) != 0) return -1;
  int target = open_directory(AT_FDCWD, path, 0);
  if (target < 0 || fstat(target, &found) != 0) return because(path);
  if (found.st_dev != original->st_dev || found.st_ino != original->st_ino) {
    snprintf(why, sizeof why, "%.400s is another directory than on the disk", path);
    return -1;
  }
  if (attach(tree, target) != 0) return because("put the overlay in its place");
  return try_overlay(path, merged.st_dev);
}

static int attach_inside(pid_t init, int original, const char *path, size_t first) {
  struct stat info;
  int report[2], status;
  int tree = (int)syscall(SYS_open_tree, AT_FDCWD, MERGED, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (tree < 0 || fstat(original, &info) != 0 || pipe2(report, O_CLOEXEC) != 0) return because("the overlay");
  pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (enter_and_attach(init, tree, &info, path, first) == 0) _exit(0);
    (void)write_all(report[1], why, sizeof why);
    _exit(1);
  }
  close(report[1]);
  close(tree);
  if (child < 0) return because("fork");
  if (read_exact(report[0], why, sizeof why) != 1) snprintf(why, sizeof why, "the overlay was not put in its place");
  close(report[0]);
  return waitpid(child, &status, 0) == child && status == 0 ? 0 : -1;
}

static int assert_lower_refuses(void) {
  int fd = open(LOWER_DIR, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0 && errno == EROFS) return 0;
  if (fd >= 0) close(fd);
  snprintf(why, sizeof why, "the lower layer takes a write");
  return -1;
}

static int freeze(const struct setup *setup, pid_t init, const char *path) {
  size_t first = 0;
  if (watch >= 0) {
    snprintf(why, sizeof why, "the source is read-only already");
    return -1;
  }
  int original = open_on_disk(setup, path, &first);
  if (original < 0) return because(path);
  int result = mount_layers(original, LAYERS) == 0 && start_watch(init) == 0 && ask_watch(0) == 0 && attach_inside(init, original, path, first) == 0 &&
                       assert_lower_refuses() == 0 && ask_watch('p') == 0
                   ? 0
                   : -1;
  close(original);
  // No second attempt: nothing of the job starts any more.
  if (result != 0 && watch >= 0) shutdown(watch, SHUT_RDWR);
  return result;
}

// The same mounts and the same mark, over an empty directory, before anything of the job is there.
static int probe(void) {
  static const char *const dirs[] = {DISK "/probe", DISK "/probe/empty", NULL};
  if (make_dirs(dirs) != 0) return -1;
  int empty = open_directory(AT_FDCWD, DISK "/probe/empty", 0);
  int merged = -1, events = -1;
  if (empty < 0) return because(DISK);
  int result = mount_layers(empty, DISK "/probe");
  if (result == 0) {
    merged = open(MERGED, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    events = merged < 0 ? -1 : mark_source(merged);
    if (events < 0) result = because("a mark for changes (fanotify with names and pidfds, Linux 5.17 or newer)");
  }
  if (events >= 0) close(events);
  if (merged >= 0) close(merged);
  close(empty);
  unmount_layers();
  return result;
}

// source-probe | source-freeze PATH | source-take
const char *source_request(const struct setup *setup, pid_t init, const char *word, const char *path) {
  int result = -1;
  snprintf(why, sizeof why, "unknown request");
  if (strcmp(word, "source-probe") == 0) result = probe();
  else if (strcmp(word, "source-take") == 0) result = ask_watch('t');
  else if (strcmp(word, "source-freeze") == 0 && path) result = freeze(setup, init, path);
  return result == 0 ? NULL : why;
}
