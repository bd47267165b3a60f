// SPDX-License-Identifier: Apache-2.0
// The start of a job's gate (packages/gate): a program of ours that parses what a job sends, so it gets as little as possible. A uid of its own, no capability, no
// new privileges, mount, IPC and UTS namespaces of its own with an almost empty root, its own cgroup with limits, a seccomp filter, a Landlock domain, RLIMIT_CORE 0;
// the network of the host, which is what it is for, as far as keeper-gate-reach.c lets it; descriptors 0 to 2 and those of GATE_DESCRIPTORS. Its files are taken away once it has read them.
#ifndef SALLYPORT_KEEPER_GATE_H
#define SALLYPORT_KEEPER_GATE_H

#include <sys/types.h>

#include "keeper-network.h"

#define GATE_ARGS_MAX 32
#define GATE_FILES_MAX 32
#define REACHES_MAX 4096

// A network that the gate's own sockets may lead to, or not; the first that contains a destination decides.
struct reach {
  uint32_t address[4];  // network byte order
  unsigned words, bits;  // one word: IPv4
  uint16_t port;  // 0: all
  bool_t allowed;
};

struct reach_list {
  struct reach reaches[REACHES_MAX];
  size_t count;
};

struct gate_launch {
  char *argv[GATE_ARGS_MAX + 1], *env[GATE_ARGS_MAX + 1], *files[GATE_FILES_MAX];
  size_t argc, envc, file_count;
  const void *seccomp;  // `struct sock_filter` array
  size_t seccomp_size;  // in bytes
};

// keeper-gate-reach.c. `allow|refuse TAB ADDRESS/BITS TAB PORT`, which is changed; 0 when it is none.
bool_t parse_reach(char *text, struct reach *reach);

// From now on sockets that are made in this cgroup (version 2) lead where the list says. 0, or -1 with errno.
int bound_gate_reach(const struct reach_list *list, int cgroup);

// Which programs bound it now, in text. 0, or -1 with errno.
int tell_gate_reach(int cgroup, char *text, size_t size);

// Starts it; its control socket is the keeper's descriptor 4, which is the keeper's no more afterwards. Returns its pid.
pid_t start_gate(const struct gate_launch *launch, const struct gate_sockets *sockets);

// Before anything of the job runs: from then on it has its limits, and its own sockets lead where the list says.
void bound_gate(const struct reach_list *reaches);

// It has loaded all that it needs: from here on it sees an empty, read-only root.
void take_gate_files(pid_t gate);

// It still has an empty root.
bool_t gate_sees_nothing(void);

// Readable once the gate has ended; -1 where there is none.
int gate_end(void);

// Readable when the gate says something on its standard error: `hear_gate` then keeps the end of it. -1 where there is none.
int gate_words(void);
void hear_gate(void);

// Why it ended, once it has.
const char *gate_end_reason(void);

#endif
