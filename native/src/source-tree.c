// SPDX-License-Identifier: Apache-2.0
// The two layers of a read-only source. Names are hostile; nothing is opened but directories, and no link is followed.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "source.h"

#define DEPTH_MAX 256

static const char *const GIT = ".git";

// What git writes there is its own bookkeeping: it refuses to track such a name.
static int is_git(const char *path) {
  for (const char *at = path; at; at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL) {
    size_t size = strcspn(at, "/");
    if (size == 4 && strncmp(at, GIT, 4) == 0) return 1;
  }
  return 0;
}

int is_source(const struct source *source, const char *path) {
  struct stat info;
  return !is_git(path) && fstatat(source->lower, path, &info, AT_SYMLINK_NOFOLLOW) == 0;
}

// `path` of `size` bytes with `/name` behind it. 0 when it does not fit.
static size_t join(char *path, size_t size, const char *name) {
  int added = snprintf(path + size, SOURCE_PATH_MAX - size, size ? "/%s" : "%s", name);
  return added > 0 && size + (size_t)added < SOURCE_PATH_MAX ? size + (size_t)added : 0;
}

static DIR *open_below(int parent, const char *name) {
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *directory = fd < 0 ? NULL : fdopendir(fd);
  if (fd >= 0 && !directory) close(fd);
  return directory;
}

static struct dirent *next_entry(DIR *directory) {
  struct dirent *entry;
  do entry = readdir(directory);
  while (entry && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
  return entry;
}

// ---- the source, once

static int add_directory(struct source *source, const char *path) {
  struct {
    struct file_handle head;
    unsigned char bytes[MAX_HANDLE_SZ];
  } handle = {.head.handle_bytes = MAX_HANDLE_SZ};
  int mount;
  if (name_to_handle_at(source->merged, path, &handle.head, &mount, 0) != 0) return -1;
  return map_add(&source->directories, handle.head.f_handle, handle.head.handle_bytes, path);
}

static char read_path[SOURCE_PATH_MAX];

static int read_level(struct source *source, DIR *directory, size_t size, int depth, char *why, size_t why_size);

static int read_entry(struct source *source, DIR *directory, const char *name, size_t size, int depth, char *why, size_t why_size) {
  struct stat info;
  if (fstatat(dirfd(directory), name, &info, AT_SYMLINK_NOFOLLOW) != 0) return snprintf(why, why_size, "a file cannot be read: %s", strerror(errno)), -1;
  if (!S_ISDIR(info.st_mode)) {
    if (info.st_nlink != 1) return snprintf(why, why_size, "a file of the source has a second name (hard link)"), -1;
    source->files++;
    if (map_add(&source->inodes, &info.st_ino, sizeof info.st_ino, read_path) != 0) return snprintf(why, why_size, "the source has too many files"), -1;
    return 0;
  }
  if (depth >= DEPTH_MAX) return snprintf(why, why_size, "the source is too deep"), -1;
  if (add_directory(source, read_path) != 0) return snprintf(why, why_size, "a directory has no file handle: %s", strerror(errno)), -1;
  DIR *inner = open_below(dirfd(directory), name);
  if (!inner) return snprintf(why, why_size, "a directory cannot be read: %s", strerror(errno)), -1;
  int result = read_level(source, inner, size, depth + 1, why, why_size);
  closedir(inner);
  return result;
}

static int read_level(struct source *source, DIR *directory, size_t size, int depth, char *why, size_t why_size) {
  for (struct dirent *entry; (entry = next_entry(directory));) {
    if (strcmp(entry->d_name, GIT) == 0) continue;
    size_t inner = join(read_path, size, entry->d_name);
    if (inner == 0) return snprintf(why, why_size, "a path of the source is too long"), -1;
    if (read_entry(source, directory, entry->d_name, inner, depth, why, why_size) != 0) return -1;
    read_path[size] = 0;
  }
  return 0;
}

int read_source(struct source *source, char *why, size_t size) {
  if (map_make(&source->inodes, SOURCE_ENTRIES_MAX) != 0 || map_make(&source->directories, SOURCE_ENTRIES_MAX) != 0 || add_directory(source, ".") != 0)
    return snprintf(why, size, "the source cannot be read: %s", strerror(errno)), -1;
  DIR *root = open_below(source->lower, ".");
  if (!root) return snprintf(why, size, "the source cannot be read: %s", strerror(errno)), -1;
  int result = read_level(source, root, 0, 0, why, size);
  closedir(root);
  return result;
}

// ---- the upper layer, at the end of each step

static char compare_path[SOURCE_PATH_MAX];

static int is_opaque(int directory) {
  char value[2];
  return fgetxattr(directory, "trusted.overlay.opaque", value, sizeof value) > 0 && value[0] == 'y';
}

static void compare_level(const struct source *source, DIR *directory, size_t size, int depth, void (*tell)(const char *, const char *));

static void compare_entry(const struct source *source, DIR *directory, const char *name, size_t size, int depth, void (*tell)(const char *, const char *)) {
  struct stat upper, lower;
  if (fstatat(source->lower, compare_path, &lower, AT_SYMLINK_NOFOLLOW) != 0) return;
  if (fstatat(dirfd(directory), name, &upper, AT_SYMLINK_NOFOLLOW) != 0) return;
  if (S_ISCHR(upper.st_mode) && upper.st_rdev == 0) return tell(compare_path, "removed");
  if (!S_ISDIR(upper.st_mode) || !S_ISDIR(lower.st_mode)) return tell(compare_path, "changed");
  DIR *inner = depth < DEPTH_MAX ? open_below(dirfd(directory), name) : NULL;
  if (!inner || is_opaque(dirfd(inner))) tell(compare_path, "replaced");
  else compare_level(source, inner, size, depth + 1, tell);
  if (inner) closedir(inner);
}

static void compare_level(const struct source *source, DIR *directory, size_t size, int depth, void (*tell)(const char *, const char *)) {
  for (struct dirent *entry; (entry = next_entry(directory));) {
    if (strcmp(entry->d_name, GIT) == 0) continue;
    size_t inner = join(compare_path, size, entry->d_name);
    if (inner != 0) compare_entry(source, directory, entry->d_name, inner, depth, tell);
    compare_path[size] = 0;
  }
}

void compare_layers(const struct source *source, void (*tell)(const char *path, const char *kind)) {
  DIR *root = open_below(source->upper, ".");
  if (!root) return tell(".", "unreadable");
  compare_level(source, root, 0, 0, tell);
  closedir(root);
}
