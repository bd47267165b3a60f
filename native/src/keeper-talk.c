// SPDX-License-Identifier: Apache-2.0
// What the keeper hears from the supervisor (trusted, validated) and says to it, over fd 3.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper.h"

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

static const char *failure = "error";

void fail_as(const char *word) { failure = word; }

// Long after a supervisor that lives has read why, and closed its end.
#define LAST_WORDS_MS 1000

// The supervisor may be writing: if this end were closed, that would fail, and what it has not read yet would be lost with its socket.
static void hear_out(void) {
  struct pollfd end = {.fd = SUPERVISOR_FD, .events = POLLIN};
  char bytes[4096];
  while (poll(&end, 1, LAST_WORDS_MS) > 0 && read(SUPERVISOR_FD, bytes, sizeof bytes) > 0) continue;
}

// Nothing is left behind by a failed start either.
void give_up(void) {
  tear_down();
  hear_out();
  exit(125);
}

void fail(const char *what) {
  int error = errno;
  say("%s\t%s: %s", failure, what, strerror(error));
  give_up();
}

void fail_message(const char *what) {
  say("error\t%s", what);
  give_up();
}

bool_t hear_line(char *line, size_t size) {
  size_t used = 0;
  for (;;) {
    char byte;
    if (read_exact(SUPERVISOR_FD, &byte, 1) != 1) return 0;
    if (byte == '\n') break;
    if (used + 1 >= size) fail_message("line too long");
    line[used++] = byte;
  }
  line[used] = 0;
  return 1;
}

static void read_line(char *line, size_t size) {
  if (hear_line(line, size)) return;
  tear_down();
  exit(0);
}

char *keep(const char *text) {
  char *copy = strdup(text ? text : "");
  if (!copy) fail("strdup");
  return copy;
}

// With a zero after them.
static void *read_bytes(const char *size_text, size_t *size) {
  *size = strtoul(size_text, NULL, 10);
  if (*size == 0 || *size > CONFIG_MAX_BYTES) fail_message("setup record of a wrong size");
  char *bytes = malloc(*size + 1);
  if (!bytes) fail("malloc");
  if (read_exact(SUPERVISOR_FD, bytes, *size) != 1) fail_message("setup record cut short");
  bytes[*size] = 0;
  return bytes;
}

// `reach SIZE` (lines follow); `reach 0` for nowhere. Comes behind the setup, so that it is found out while the runtime works.
void read_reach(struct reach_list *reaches) {
  char line[LINE_MAX_BYTES];
  read_line(line, sizeof line);
  char *size_text = line;
  if (strcmp(strsep(&size_text, "\t"), "reach") != 0 || !size_text) fail_message("no reach of the gate");
  if (strcmp(size_text, "0") == 0) return;
  size_t size;
  char *list = read_bytes(size_text, &size);
  for (char *entry; (entry = strsep(&list, "\n")) && *entry;)
    if (reaches->count == REACHES_MAX || !parse_reach(entry, &reaches->reaches[reaches->count++])) fail_message("no reach of a gate, or too many");
}

// First of all, so that the gate starts while the rest is made:
//   gate-arg TEXT | gate-env NAME=VALUE | gate-file PATH | gate-seccomp SIZE (bytes follow); the last line is `gate` or `no-gate`
bool_t read_gate(struct gate_launch *launch) {
  char line[LINE_MAX_BYTES];
  for (;;) {
    read_line(line, sizeof line);
    char *rest = line;
    const char *word = strsep(&rest, "\t");
    if (strcmp(word, "no-gate") == 0) return 0;
    if (strcmp(word, "gate") == 0) break;
    if (!rest) {
      fail_message("gate line without a value");
    } else if (strcmp(word, "gate-arg") == 0 && launch->argc < GATE_ARGS_MAX) {
      launch->argv[launch->argc++] = keep(rest);
    } else if (strcmp(word, "gate-env") == 0 && launch->envc < GATE_ARGS_MAX) {
      launch->env[launch->envc++] = keep(rest);
    } else if (strcmp(word, "gate-file") == 0 && launch->file_count < GATE_FILES_MAX) {
      launch->files[launch->file_count++] = keep(rest);
    } else if (strcmp(word, "gate-seccomp") == 0) {
      launch->seccomp = read_bytes(rest, &launch->seccomp_size);
    } else {
      fail_message("unknown gate line, or too many");
    }
  }
  if (launch->argc == 0 || !launch->seccomp) fail_message("incomplete gate");
  return 1;
}

// disk TEMPLATE SPOOL | memory-disk BYTES INODES
bool_t read_disk(char **first_of, char **second_of) {
  char line[LINE_MAX_BYTES];
  read_line(line, sizeof line);
  char *rest = line;
  const char *word = strsep(&rest, "\t");
  const char *first = strsep(&rest, "\t");
  bool_t is_memory = strcmp(word, "memory-disk") == 0;
  if ((!is_memory && strcmp(word, "disk") != 0) || !first || !rest) fail_message("no disk");
  *first_of = keep(first);
  *second_of = keep(rest);
  return is_memory;
}

// Lines of tab-separated fields, the last one `create`:
//   id ID | runtime PATH | sentry | flag TEXT | read-only | layer TARGET SOURCE [OVER] | dir TARGET MODE | sub PATH MODE | config SIZE (bytes follow) | processes COUNT
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
    } else if (strcmp(word, "sentry") == 0) {
      setup->has_sentry = 1;
    } else if (!first) {
      fail_message("setup line without a value");
    } else if (strcmp(word, "id") == 0) {
      setup->id = keep(first);
    } else if (strcmp(word, "runtime") == 0) {
      setup->runtime = keep(first);
    } else if (strcmp(word, "flag") == 0 && setup->flag_count < FLAGS_MAX) {
      setup->flags[setup->flag_count++] = keep(first);
    } else if (strcmp(word, "config") == 0) {
      setup->config = read_bytes(first, &setup->config_size);
    } else if (strcmp(word, "processes") == 0) {
      setup->processes = (unsigned)strtoul(first, NULL, 10);
    } else if (!second) {
      fail_message("setup line without a second value");
    } else if (strcmp(word, "layer") == 0 && setup->layer_count < LAYERS_MAX) {
      setup->layers[setup->layer_count++] = (struct layer){keep(first), keep(second), rest ? keep(rest) : NULL};
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
  struct pollfd fds[2] = {{.fd = SUPERVISOR_FD, .events = POLLIN}, {.fd = gate_end(), .events = POLLIN}};
  while (poll(fds, 2, -1) < 0 && errno == EINTR) continue;
  if (fds[1].revents != 0) fail_message(gate_end_reason());
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
