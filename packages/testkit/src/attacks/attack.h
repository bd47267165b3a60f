// SPDX-License-Identifier: Apache-2.0
// Harmless re-enactments of attack techniques. Each opens the way that an attack needs and stops there: nothing of
// the machine is changed, nothing is sent beyond loopback, and everything that grows has a bound.
#ifndef ATTACK_H
#define ATTACK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum outcome { GOT = 0, REFUSED = 1, STARTED = 2 };

struct verdict {
  enum outcome outcome;
  int error;  // errno of a refusal, 0 when the refusal is not the kernel's
  char detail[240];
};

typedef struct verdict (*attack_function)(void);

struct attack {
  const char *id;
  attack_function run;
};

// Tables of the themes; each ends with a null id.
extern const struct attack PROCESS_ATTACKS[], MOUNT_ATTACKS[], KERNEL_ATTACKS[], NETWORK_ATTACKS[], FILE_ATTACKS[], EXHAUSTION_ATTACKS[];

struct verdict got(const char *format, ...) __attribute__((format(printf, 1, 2)));
struct verdict refused(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct verdict started(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Parameters come from the environment; a number is clamped to [0, most].
const char *text_parameter(const char *name, const char *otherwise);
long number_parameter(const char *name, long otherwise, long most);
// A fresh path below ATTACK_DIR (default: the current directory).
void scratch_path(char *path, size_t size, const char *name);

// Calls `visit` for each process that is neither this one's ancestor (process 1 excepted) nor of its session, until it
// returns true. Returns whether one did.
bool each_foreign_process(bool (*visit)(pid_t pid, void *context), void *context);
void command_name(pid_t pid, char *name, size_t size);
// Null when this network namespace has no interface that leads out, so that sending is safe; else the interface.
const char *way_out(void);
ssize_t read_file(const char *path, char *buffer, size_t size);

#endif
