// SPDX-License-Identifier: Apache-2.0
// What the keeper hears from the supervisor (trusted, validated) and says to it, over fd 3.
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper.h"

#define LINE_MAX_BYTES 8192
#define CONFIG_MAX_BYTES (4u << 20)

void say(const char *format, ...) {
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

// Nothing is left behind by a failed start either.
void fail(const char *what) {
  int error = errno;
  say("error\t%s: %s", what, strerror(error));
  tear_down();
  exit(125);
}

void fail_message(const char *what) {
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

char *keep(const char *text) {
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
void read_setup(struct setup *setup) {
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

void expect(const char *word) {
  char line[64];
  read_line(line, sizeof line);
  if (strcmp(line, word) != 0) fail_message("unexpected request");
}

void make_dir(const char *path, mode_t mode) {
  if (mkdir(path, mode) != 0 && errno != EEXIST) fail(path);
}

void write_file(const char *path, const void *data, size_t size, mode_t mode) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0 || write_all(fd, data, size) != 0) fail(path);
  close(fd);
}
