// SPDX-License-Identifier: Apache-2.0
// One program, so that a sandbox needs one file of ours: the mode is the first argument, or the name it was started by for `sudo`.
#include "sallyport.h"

#include <string.h>

struct mode {
  const char *name;
  int (*run)(int argc, char **argv);
};

static const struct mode modes[] = {
    {"keeper", keeper_main},   {"enter", enter_main},
    {"init", init_main},     {"canary", canary_main},
    {"canary-target", canary_target_main},
    {"put", put_main},       {"list", list_main},
    {"read", read_main},     {"outer", outer_main},
    {"step", step_main},     {"exec-in", exec_in_main},
};

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static const struct mode *find_mode(const char *name) {
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    if (strcmp(modes[i].name, name) == 0) return &modes[i];
  }
  return NULL;
}

// Each mode gets its own name as argv[0], its arguments after it.
int main(int argc, char **argv) {
  if (argc > 0 && strcmp(base_name(argv[0]), "sudo") == 0) return sudo_main(argc, argv);
  if (argc < 2) die_msg("usage: helper keeper|enter|init|canary|canary-target|put|list|read|outer|step|exec-in ARGUMENTS");
  const struct mode *mode = find_mode(argv[1]);
  if (!mode) die_msg("unknown mode \"%s\": one of keeper, enter, init, canary, canary-target, put, list, read, outer, step, exec-in", argv[1]);
  return mode->run(argc - 1, argv + 1);
}
