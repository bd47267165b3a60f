// SPDX-License-Identifier: Apache-2.0
// What starting a step from outside of its sandbox (enter.c) and from inside of one whose kernel is its own (inside.c) have in common: the request, the
// descriptors (0 the request, 1 where the step's output goes, 2 our own errors, 3 results, 4 the step's stdin), and the last moments before execve.
#ifndef SALLYPORT_ENTER_H
#define SALLYPORT_ENTER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel.h"
#include "sallyport.h"

#define RESULT_FD 3
#define STDIN_FD 4
#define LIST_MAX 65536
#define CGROUPS_MAX 32
#define FILES_MAX 64

struct file {
  char *name;
  mode_t mode;
  const char *data;
  size_t size;
};

struct request {
  pid_t init;
  uid_t uid;
  char *cwd, *step_dir;
  char *argv[LIST_MAX + 1], *env[LIST_MAX + 1];
  size_t argc, envc;
  char *cgroups[CGROUPS_MAX];
  size_t cgroup_count;
  struct file files[FILES_MAX];
  size_t file_count;
  struct { char *name; int fd; } descriptors[FILES_MAX];
  size_t descriptor_count;
  char *collect[FILES_MAX];
  size_t collect_count;
  uint64_t collect_max, capabilities, open_files, processes, tmpfs_bytes;
  const void *filter;
  size_t filter_size;
  bool_t has_stdin, own_stderr;
  // Only where the step is started from inside of the sandbox.
  bool_t no_network;
  uint64_t pids;
};

extern struct request request;
// Where an error before execve is said; the pipe's other end is read with read_report.
extern int report_fd;

void result(char type, const void *data, uint32_t size);
void failed(const char *what, int error);  // says `M` and ends
void refuse(const char *what);             // says `what` and errno to `report_fd` and ends

void read_request(void);
void fill(int directory);  // the step's files, into its private directory
void make_output_pipe(int pipe_fds[2]);
void become_step(int output);
size_t read_report(int fd, char *text, size_t size);  // empty when the program runs

// Moves the step's output until `end` is readable. `hang_up` is called once when `control` is (-1: never). Returns whether the pipe is still open then.
bool_t relay(int output, int end, int control, void (*hang_up)(void));
void report_exit(int status);  // of wait(2)
void report_files(int directory);

#endif
