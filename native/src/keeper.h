// SPDX-License-Identifier: Apache-2.0
// Parts of the keeper (keeper.c), one concept a file. All of it runs on the host, as root, and reads nothing of a job.
#ifndef SALLYPORT_KEEPER_H
#define SALLYPORT_KEEPER_H

#include <stddef.h>
#include <sys/types.h>

#include "keeper-gate.h"
#include "kernel.h"
#include "sallyport.h"

#define SUPERVISOR_FD 3
#define GATE_FD 4  // the gate's end of its control socket, until it is started; only with a gate
#define RUN_DIR "/run/sallyport"
#define BOX RUN_DIR "/box"
#define ROOTFS BOX "/rootfs"
#define DISK BOX "/disk"
#define LOWER BOX "/lower"
#define USER_NAMESPACE BOX "/user"

#define LAYERS_MAX 16
#define DIRS_MAX 32
#define FLAGS_MAX 16

struct layer {
  char *target, *source;
  char *over;  // a directory that lies over `source`, or NULL
};

struct writable {
  char *target;
  mode_t mode;
};

struct setup {
  char *id, *runtime;
  // The runtime brings a kernel of its own (gVisor): it is told so by these flags, and takes over the link to the gate.
  bool_t has_sentry;
  char *flags[FLAGS_MAX];
  size_t flag_count;
  bool_t read_only;
  struct layer layers[LAYERS_MAX];
  size_t layer_count;
  struct writable dirs[DIRS_MAX], subs[DIRS_MAX];
  size_t dir_count, sub_count;
  unsigned processes;  // that the job's user namespace may ever hold at once; 0: not counted there
  void *config;
  size_t config_size;
};

// keeper.c
void tear_down(void);

// keeper-rootless.c: for an ordinary user (outer.c), where not said otherwise.
void read_keeper_arguments(int argc, char **argv);
bool_t is_rootless(void);
unsigned id_count(void);  // of each job, for root, too; and the next two
unsigned slot_count(void);
const char *slot_directory(void);
const char *own_cgroups(void);  // a directory of the cgroup2 hierarchy, or NULL: there are no cgroups for jobs
int cover_run(void);            // in a mount namespace of its own; nothing for root. 0, or -1 with errno
void mount_memory_disk(const char *bytes, const char *inodes);
void copy_layer(const char *source, const char *target);

// keeper-talk.c: lines to and from the supervisor. Both `fail`s tear down, say why, and do not return.
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define LINE_MAX_BYTES 8192
void fail_as(const char *word);  // what a call that fails from here on is reported as: `error`, or `unsupported` where it is the kernel that cannot
void fail(const char *what) __attribute__((noreturn));
void fail_message(const char *what) __attribute__((noreturn));
void give_up(void) __attribute__((noreturn));  // as they do, when why was said already
char *keep(const char *text);
bool_t hear_line(char *line, size_t size);  // 0 when the supervisor has closed its end
bool_t read_gate(struct gate_launch *launch);  // 0 when there is to be none
bool_t read_disk(char **first, char **second);  // template and spool; or 1: bytes and inodes of a disk that is memory
void read_setup(struct setup *setup);
void read_reach(struct reach_list *reaches);
void expect(const char *word);
void make_dir(const char *path, mode_t mode);
void write_file(const char *path, const void *data, size_t size, mode_t mode);

// keeper-standing.c: a line for each wall outside of the sandbox. 0, or -1 with errno.
int say_standing(bool_t has_gate);

// keeper-steps.c: answers one request about the network of a step, what steps left, or the source. 0 when the supervisor has closed its end.
bool_t answer_request(const struct setup *setup, pid_t init, bool_t has_gate);

// keeper-source.c: answers a request about the read-only source. NULL, or why not.
const char *source_request(const struct setup *setup, pid_t init, const char *word, const char *path);

// keeper-slot.c: the job's id range, held by a lock until this process ends.
#define SLOT_DIR RUN_DIR "/slots"
#define ID_COUNT 65536u
#define SLOTS 4095u
void claim_slot(void);
bool_t has_slot(void);
unsigned slot_number(void);
unsigned id_base(void);
unsigned gate_id(void);  // uid and gid of the slot's gate

// keeper-cgroups.c
void find_cgroup_roots(void);
void keep_cgroups_warm(unsigned ms);  // again: until then, whatever was said before
bool_t has_cgroups(void);
int remove_cgroups(void);  // how many are left, of this slot's jobs and gates
int move_to_gate_cgroups(pid_t pid);  // it becomes the one member of the slot's gate cgroups, with their limits; 0, or -1 with errno
void make_job_cgroup(const struct setup *setup);  // rootless: where there are any; the supervisor sets its limits
int join_job_cgroup(const struct setup *setup);   // the caller; 0, or -1 with errno
int tell_gate_limits(char *text, size_t size);  // as the kernel has them now, and who is in there. 0, or -1 with errno
int open_gate_cgroup(void);  // the directory of version 2, or -1 with errno
bool_t gate_ran_out_of_memory(void);  // the kernel has ended it at its limit

// keeper-disk.c: the job's disk, at DISK.
void mount_disk(const char *template, const char *spool);

// keeper-mounts.c
void mount_or_fail(const char *source, const char *target, const char *type, unsigned long flags, const char *data);
void own_mount_namespace(void);
void copy_self(void);
void mount_all(const struct setup *setup);

// keeper-sweep.c: kills every process of the sandbox but its PID 1, at once. 0, or -1 with errno.
int sweep_sandbox(pid_t init);

// keeper-runtime.c: `create` gives the host pid of PID 1 and our end of its socket.
struct init {
  pid_t pid;
  int socket;
};
void create(const struct setup *setup, struct init *init);
void start(const struct setup *setup, const struct init *init);

// Waits, at most a minute, for what is to come of `fd`; the end of the supervisor or of the gate ends the wait. `what` it is when it does not come.
void await_readable(int fd, const char *what);

#endif
