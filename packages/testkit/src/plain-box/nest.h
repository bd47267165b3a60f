// SPDX-License-Identifier: Apache-2.0
// A box in which sandboxes can be built.
#ifndef NEST_H
#define NEST_H

#include <stdbool.h>
#include <sys/types.h>

enum { NEST_PATHS_MAX = 8 };

// Directories of the machine that stay where they are, read-only (`keep`) or writable.
struct nest_path {
  const char *path;
  int tree;
  bool is_writable;
};

struct nest {
  struct nest_path paths[NEST_PATHS_MAX];
  int path_count;
  const char *directory;
};

// Tells whoever runs in the box that it does.
#define NEST_MARK "/run/sallyport-disposable-box"

// The box ends with whoever started it: there is nobody else who would end it.
void nest_follow_parent(void);
// For a cgroup directory of the box that the caller has joined and made the root of its cgroup namespace.
void nest_hand_controllers_on(const char *directory);
// Takes hold of what the box's own mounts will cover; then puts it back, with the box's own cgroup hierarchies.
void nest_clone(struct nest *nest);
void nest_build(const struct nest *nest);
// As process 1: reaps everything until the command ends; its exit code.
int nest_wait(pid_t command);

#endif
