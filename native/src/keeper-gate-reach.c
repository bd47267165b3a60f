// SPDX-License-Identifier: Apache-2.0
// Where a gate's sockets can lead, as programs of the kernel on its cgroup: a second wall, for a gate that has been taken over. The gate itself checks every address
// before it dials; the list (packages/gate/src/address/reach.ts) comes from the same tables. Only sockets that it makes itself count: those that it
// was given are the keeper's, and lead to the job.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "keeper.h"

#define WORDS_MAX 4
// Each reach: two instructions and a comparison for each word of the address, one comparison of the port, an answer in two.
#define INSTRUCTIONS_MAX (8 + REACHES_MAX * (3 * WORDS_MAX + 3))

enum { REFUSE = 0, ALLOW = 1 };
// R1 is what the kernel hands over (struct bpf_sock_addr).
enum { ANSWER = BPF_REG_0, CONTEXT = BPF_REG_1, WORD = BPF_REG_2, PORT = WORD + WORDS_MAX, MASKED };

static struct {
  struct bpf_insn code[INSTRUCTIONS_MAX];
  uint32_t size;
} program;

static void add(uint8_t code, uint8_t to, uint8_t from, int16_t offset, int32_t value) {
  program.code[program.size++] = (struct bpf_insn){.code = code, .dst_reg = to, .src_reg = from, .off = offset, .imm = value};
}

static void load(uint8_t to, size_t offset) { add(BPF_LDX | BPF_MEM | BPF_W, to, CONTEXT, (int16_t)offset, 0); }

static void answer(int32_t value) {
  add(BPF_ALU64 | BPF_MOV | BPF_K, ANSWER, 0, 0, value);
  add(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

// ---- one entry of the list: the first that matches decides

// `ADDRESS/BITS`
static bool_t parse_network(char *text, struct reach *reach) {
  char *bits = strchr(text, '/'), *end;
  if (!bits) return 0;
  *bits++ = 0;
  reach->words = inet_pton(AF_INET, text, reach->address) == 1 ? 1 : inet_pton(AF_INET6, text, reach->address) == 1 ? WORDS_MAX : 0;
  unsigned long number = strtoul(bits, &end, 10);
  reach->bits = (unsigned)number;
  return reach->words > 0 && end != bits && *end == 0 && number <= reach->words * 32;
}

bool_t parse_reach(char *text, struct reach *reach) {
  char *port = text;
  const char *word = strsep(&port, "\t");
  char *network = strsep(&port, "\t");
  reach->allowed = strcmp(word, "allow") == 0;
  if (!network || !port || (!reach->allowed && strcmp(word, "refuse") != 0) || !parse_network(network, reach)) return 0;
  reach->port = (uint16_t)strtoul(port, NULL, 10);
  return 1;
}

static uint32_t mask_of(const struct reach *reach, unsigned word) {
  unsigned begin = word * 32;
  if (reach->bits <= begin) return 0;
  return reach->bits - begin >= 32 ? ~0u : htonl(~0u << (32 - (reach->bits - begin)));
}

// Returns whether every destination matches.
static bool_t add_reach(const struct reach *reach) {
  uint32_t leaps[WORDS_MAX + 1];
  size_t count = 0;
  for (unsigned i = 0; i < reach->words; i++) {
    uint32_t bits = mask_of(reach, i);
    if (bits == 0) continue;
    add(BPF_ALU | BPF_MOV | BPF_X, MASKED, (uint8_t)(WORD + i), 0, 0);
    add(BPF_ALU | BPF_AND | BPF_K, MASKED, 0, 0, (int32_t)bits);
    leaps[count++] = program.size;
    add(BPF_JMP32 | BPF_JNE | BPF_K, MASKED, 0, 0, (int32_t)(reach->address[i] & bits));
  }
  if (reach->port != 0) {
    leaps[count++] = program.size;
    add(BPF_JMP32 | BPF_JNE | BPF_K, PORT, 0, 0, htons(reach->port));
  }
  answer(reach->allowed ? ALLOW : REFUSE);
  for (size_t i = 0; i < count; i++) program.code[leaps[i]].off = (int16_t)(program.size - leaps[i] - 1);
  return count == 0;
}

static void write_program(const struct reach_list *list, unsigned words) {
  program.size = 0;
  size_t address = words == 1 ? offsetof(struct bpf_sock_addr, user_ip4) : offsetof(struct bpf_sock_addr, user_ip6);
  for (unsigned i = 0; i < words; i++) load((uint8_t)(WORD + i), address + i * sizeof(uint32_t));
  load(PORT, offsetof(struct bpf_sock_addr, user_port));
  // The kernel takes no program with instructions that are never come to.
  for (size_t i = 0; i < list->count; i++)
    if (list->reaches[i].words == words && add_reach(&list->reaches[i])) return;
  answer(REFUSE);
}

// ---- the kernel's part

static int attach(int cgroup, enum bpf_attach_type where) {
  union bpf_attr load = {
      .prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
      .expected_attach_type = where,
      .insns = (uintptr_t)program.code,
      .insn_cnt = program.size,
      .license = (uintptr_t)"Apache-2.0",
  };
  int loaded = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
  if (loaded < 0) return -1;
  // Those of the cgroups above, which a host may have, decide as well.
  union bpf_attr attach = {.target_fd = (uint32_t)cgroup, .attach_bpf_fd = (uint32_t)loaded, .attach_type = where, .attach_flags = BPF_F_ALLOW_MULTI};
  int result = (int)syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach);
  close(loaded);
  return result;
}

static const enum bpf_attach_type attach_types[] = {BPF_CGROUP_INET4_CONNECT, BPF_CGROUP_UDP4_SENDMSG, BPF_CGROUP_INET6_CONNECT, BPF_CGROUP_UDP6_SENDMSG};

// Hosts attach few.
#define PROGRAMS_MAX 32

// Programs have numbers that are never given twice while the host is up.
int tell_gate_reach(int cgroup, char *text, size_t size) {
  size_t used = (size_t)snprintf(text, size, "programs");
  for (size_t i = 0; i < sizeof attach_types / sizeof *attach_types; i++) {
    uint32_t ids[PROGRAMS_MAX] = {0};
    union bpf_attr query = {.query = {.target_fd = (uint32_t)cgroup, .attach_type = attach_types[i], .prog_ids = (uintptr_t)ids, .prog_cnt = PROGRAMS_MAX}};
    if (syscall(SYS_bpf, BPF_PROG_QUERY, &query, sizeof query) != 0) return -1;
    for (uint32_t j = 0; j < query.query.prog_cnt && used < size; j++) used += (size_t)snprintf(text + used, size - used, " %u:%u", (unsigned)attach_types[i], ids[j]);
  }
  if (used < size) return 0;
  errno = EMSGSIZE;
  return -1;
}

int bound_gate_reach(const struct reach_list *list, int cgroup) {
  write_program(list, 1);
  if (attach(cgroup, BPF_CGROUP_INET4_CONNECT) != 0 || attach(cgroup, BPF_CGROUP_UDP4_SENDMSG) != 0) return -1;
  write_program(list, WORDS_MAX);
  return attach(cgroup, BPF_CGROUP_INET6_CONNECT) != 0 || attach(cgroup, BPF_CGROUP_UDP6_SENDMSG) != 0 ? -1 : 0;
}
