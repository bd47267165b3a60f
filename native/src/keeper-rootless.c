// SPDX-License-Identifier: Apache-2.0
// What differs where the keeper is not the host's root but that of a user namespace which an ordinary user made (outer.c). The walls are the same; what holds up
// some of them is not: the disk is memory, the layers keep their host's owners, and there may be no cgroup to make.
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper.h"

static struct {
  bool_t on;
  char *locks, *cgroups;
  unsigned slots, ids;
} rootless;

// keeper | keeper rootless LOCKS SLOTS IDS CGROUPS: the directory of the user's slots, how many they are, ids of each; and a directory of the cgroup2 hierarchy that is
// the user's, or `-`.
void read_keeper_arguments(int argc, char **argv) {
  if (argc == 1) return;
  if (argc != 6 || strcmp(argv[1], "rootless") != 0) die_msg("usage: keeper [rootless LOCKS SLOTS IDS CGROUPS]");
  rootless.on = 1;
  rootless.locks = argv[2];
  rootless.slots = (unsigned)strtoul(argv[3], NULL, 10);
  rootless.ids = (unsigned)strtoul(argv[4], NULL, 10);
  rootless.cgroups = strcmp(argv[5], "-") == 0 ? NULL : argv[5];
  if (rootless.slots == 0 || rootless.ids == 0 || rootless.ids > ID_COUNT) die_msg("keeper: no ids");
}

bool_t is_rootless(void) { return rootless.on; }

unsigned id_count(void) { return rootless.on ? rootless.ids : ID_COUNT; }

unsigned slot_count(void) { return rootless.on && rootless.slots < SLOTS ? rootless.slots : SLOTS; }

const char *slot_directory(void) { return rootless.on ? rootless.locks : SLOT_DIR; }

const char *own_cgroups(void) { return rootless.cgroups; }

// /run is the host root's: in a mount namespace of ours another one takes its place, whose every file is the box's. What the user has in the host's (agents, the session's
// bus) is not there any more either.
int cover_run(void) {
  if (!rootless.on) return 0;
  if (mount("run", "/run", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,size=64k,nr_inodes=64") != 0) return -1;
  return mkdir(RUN_DIR, 0755) != 0 || mkdir(BOX, 0755) != 0 ? -1 : 0;
}

void mount_memory_disk(const char *bytes, const char *inodes) {
  char options[128];
  snprintf(options, sizeof options, "mode=0755,size=%s,nr_inodes=%s", bytes, inodes);
  mount_or_fail("disk", DISK, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOATIME, options);
}

// ---- a layer's copy, which the job owns. Small: only what we have written ourselves (the skeleton) is copied.

static size_t source_size;
static const char *copy_target;

static void copy_file(const char *from, const char *to, mode_t mode) {
  int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
  if (in < 0 || out < 0) fail(from);
  ssize_t copied;
  while ((copied = sendfile(out, in, NULL, 1 << 20)) > 0) continue;
  if (copied < 0 || fchmod(out, mode) != 0) fail(from);
  close(in);
  close(out);
}

static int copy_entry(const char *from, const struct stat *info, int type, struct FTW *place) {
  (void)place;
  char to[4096], link[4096];
  if (snprintf(to, sizeof to, "%s%s", copy_target, from + source_size) >= (int)sizeof to) fail_message("a path of the image is too long");
  mode_t mode = info->st_mode & 07777 & ~(mode_t)(S_ISUID | S_ISGID);
  if (type == FTW_D) {
    if (mkdir(to, 0700) != 0 && errno != EEXIST) fail(to);
    if (chmod(to, mode) != 0) fail(to);
  } else if (type == FTW_SL) {
    ssize_t size = readlink(from, link, sizeof link - 1);
    if (size < 0) fail(from);
    link[size] = 0;
    if (symlink(link, to) != 0) fail(to);
  } else if (type == FTW_F && S_ISREG(info->st_mode)) {
    copy_file(from, to, mode);
  } else {
    fail_message("the image holds what cannot be copied");
  }
  if (lchown(to, id_base(), id_base()) != 0) fail(to);
  return 0;
}

void copy_layer(const char *source, const char *target) {
  source_size = strlen(source);
  copy_target = target;
  if (nftw(source, copy_entry, 32, FTW_PHYS) != 0) fail(source);
}
