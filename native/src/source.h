// SPDX-License-Identifier: Apache-2.0
// The read-only source of a job: an overlay over what the checkout wrote, and a process that sees each change (see docs/isolation.md).
#ifndef SALLYPORT_SOURCE_H
#define SALLYPORT_SOURCE_H

#include <stddef.h>
#include <sys/types.h>

#include "map.h"

#define SOURCE_PATH_MAX 4096
#define SOURCE_ENTRIES_MAX 1000000u

struct source {
  int lower, upper, merged;  // directories: the source, what was written over it, both
  struct map inodes;         // of the source's files, by inode number: their path
  struct map directories;    // by file handle in the overlay: their path
  size_t files;
};

// source-tree.c. Walks the source and fills the maps. 0, or -1 with a reason in `why`: a file with a second name, which would be a way around the overlay; too many.
int read_source(struct source *source, char *why, size_t size);
int is_source(const struct source *source, const char *path);  // relative; nothing below a `.git` is

// Tells of each source file or directory that the upper layer stands for.
void compare_layers(const struct source *source, void (*tell)(const char *path, const char *kind));

// source-watch.c. Runs until `control` closes: first a line `ready FILES` or `refused WHY`; then, for each byte read, lines that end with `ok`:
//   t: what changed since the last time   p: `seen` when a probe's creation and removal were among the events
#define SOURCE_PROBE ".sallyport-source-probe"
int mark_source(int merged);  // a fanotify group that sees the overlay's file system, or -1 with errno
void watch_source(struct source *source, int events, int control, const char *prefix, ino_t pid_namespace) __attribute__((noreturn));

#endif
