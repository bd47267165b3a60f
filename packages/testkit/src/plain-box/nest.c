// SPDX-License-Identifier: Apache-2.0
// What a sandbox driver needs, and a plain box lacks: loop devices (the machine's /dev stays, its entries cannot be changed), a
// writable place on a disk, and cgroups. The hierarchies are mounted anew in a cgroup namespace, so that their roots are the box's own
// cgroups: whatever limits a sandbox in here loses, the box's still hold.
#define _GNU_SOURCE
#include "nest.h"
#include "plants.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HIERARCHIES_MAX = 24 };

static struct hierarchy {
  char names[128], place[256];
} hierarchies[HIERARCHIES_MAX];
static int hierarchy_count;

void nest_follow_parent(void) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail("PR_SET_PDEATHSIG");
}

static void clone_paths(struct nest *nest) {
  for (int i = 0; i < nest->path_count; i++) {
    struct nest_path *path = &nest->paths[i];
    path->tree = (int)syscall(SYS_open_tree, AT_FDCWD, path->path, OPEN_TREE_CLONE | O_CLOEXEC | AT_RECURSIVE);
    if (path->tree < 0) fail(path->path);
  }
}

static void make_parents(const char *path) {
  char part[4096];
  for (size_t i = 1; i <= strlen(path) && i < sizeof part; i++) {
    if (path[i] != '/' && path[i] != '\0') continue;
    snprintf(part, sizeof part, "%.*s", (int)i, path);
    if (mkdir(part, 0755) != 0 && errno != EEXIST && errno != EROFS) fail(part);
  }
}

static void place_paths(const struct nest *nest) {
  struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
  for (int i = 0; i < nest->path_count; i++) {
    const struct nest_path *path = &nest->paths[i];
    make_parents(path->path);
    if (syscall(SYS_move_mount, path->tree, "", AT_FDCWD, path->path, MOVE_MOUNT_F_EMPTY_PATH) != 0) fail(path->path);
    if (!path->is_writable && syscall(SYS_mount_setattr, AT_FDCWD, path->path, AT_RECURSIVE, &read_only, sizeof read_only) != 0) fail(path->path);
  }
}

static bool is_among(const char *list, const char *name, size_t size) {
  for (const char *at = list; at != NULL; at = strchr(at, ',') == NULL ? NULL : strchr(at, ',') + 1) {
    if (strcspn(at, ",") == size && strncmp(at, name, size) == 0) return true;
  }
  return false;
}

// Where the machine has the hierarchy of these controllers (none: version 2).
static bool find_place(struct hierarchy *hierarchy) {
  FILE *mounts = fopen("/proc/self/mounts", "re");
  char device[256], place[256], type[64], options[512];
  bool found = false;
  if (mounts == NULL) fail("/proc/self/mounts");
  while (!found && fscanf(mounts, "%255s %255s %63s %511s%*[^\n]", device, place, type, options) == 4) {
    found = hierarchy->names[0] == '\0' ? strcmp(type, "cgroup2") == 0
                                        : strcmp(type, "cgroup") == 0 && is_among(options, hierarchy->names, strcspn(hierarchy->names, ","));
  }
  fclose(mounts);
  snprintf(hierarchy->place, sizeof hierarchy->place, "%s", place);
  return found;
}

// `ID:NAMES:PATH`, one line a hierarchy.
static void find_hierarchies(void) {
  FILE *own = fopen("/proc/self/cgroup", "re");
  char line[512];
  if (own == NULL) fail("/proc/self/cgroup");
  while (hierarchy_count < HIERARCHIES_MAX && fgets(line, sizeof line, own) != NULL) {
    struct hierarchy *hierarchy = &hierarchies[hierarchy_count];
    char *names = strchr(line, ':'), *path = names == NULL ? NULL : strchr(names + 1, ':');
    if (path == NULL) continue;
    snprintf(hierarchy->names, sizeof hierarchy->names, "%.*s", (int)(path - names - 1), names + 1);
    if (find_place(hierarchy)) hierarchy_count++;
  }
  fclose(own);
}

static bool write_to(const char *directory, const char *name, const char *text) {
  char path[4300];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  if (fd >= 0) close(fd);
  return written;
}

// In version 2 a cgroup that hands controllers on may hold no process itself: ours move into a leaf.
void nest_hand_controllers_on(const char *place) {
  char path[4200], list[512], name[80], request[96];
  snprintf(path, sizeof path, "%s/cgroup.controllers", place);
  FILE *file = fopen(path, "re");
  bool any = file != NULL && fgets(list, sizeof list, file) != NULL && list[0] != '\n';
  if (file != NULL) fclose(file);
  if (!any) return;
  snprintf(path, sizeof path, "%s/box", place);
  if (mkdir(path, 0755) != 0 || !write_to(path, "cgroup.procs", "0")) fail(path);
  int used = 0;
  for (const char *at = list; sscanf(at, "%79s%n", name, &used) == 1; at += used) {
    snprintf(request, sizeof request, "+%s", name);
    if (!write_to(place, "cgroup.subtree_control", request)) fail(request);
  }
}

static void mount_hierarchies(void) {
  if (mount("tmpfs", "/sys/fs/cgroup", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64k,mode=755") != 0) fail("/sys/fs/cgroup");
  for (int i = 0; i < hierarchy_count; i++) {
    const struct hierarchy *hierarchy = &hierarchies[i];
    bool legacy = hierarchy->names[0] != '\0';
    if (strcmp(hierarchy->place, "/sys/fs/cgroup") != 0) make_parents(hierarchy->place);
    if (mount("cgroup", hierarchy->place, legacy ? "cgroup" : "cgroup2", 0, legacy ? hierarchy->names : NULL) != 0) fail(hierarchy->place);
  }
}

void nest_clone(struct nest *nest) {
  find_hierarchies();
  clone_paths(nest);
}

// What a sandbox is given when its walls around files and devices are taken out.
static void plant_more(void) {
  put_file("/var/lib/planted-shadow", "root:$y$j9T$planted$planted:19000:0:99999:7:::\n", 0600);
  // Not a tmpfs: sandboxes have writable ones of their own.
  if (mkdir("/var/lib/writable", 0777) != 0 || mount("ramfs", "/var/lib/writable", "ramfs", 0, "mode=0777") != 0) fail("/var/lib/writable");
  if (mkdir("/var/lib/devices", 0755) != 0 || mknod("/var/lib/devices/loop-control", S_IFCHR, makedev(10, 237)) != 0) fail("/var/lib/devices");
  if (chmod("/var/lib/devices/loop-control", 0666) != 0) fail("/var/lib/devices");
}

void nest_build(const struct nest *nest) {
  place_paths(nest);
  mount_hierarchies();
  plant_more();
  put_file(NEST_MARK, "", 0644);
}

int nest_wait(pid_t command) {
  for (;;) {
    int status = 0;
    pid_t ended = waitpid(-1, &status, 0);
    if (ended < 0 && errno != EINTR) fail("waitpid");
    if (ended == command) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
}
