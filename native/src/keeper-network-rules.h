// SPDX-License-Identifier: Apache-2.0
// The nf_tables rules of a job's two network namespaces, written into batches (netlink.h) that nobody has sent yet.
#ifndef SALLYPORT_KEEPER_NETWORK_RULES_H
#define SALLYPORT_KEEPER_NETWORK_RULES_H

#include "netlink.h"
#include "nftables.h"

// packages/core/src/job-network.ts, in host byte order.
#define GATE_LINK "gw0"
#define JOB_LINK "eth0"
#define GATE_ADDRESS 0xC6120001u
#define JOB_ADDRESS 0xC6120002u
#define STEP_NETWORK 0xC6120000u
#define STEP_NETWORK_BITS 16
#define RELAY_ADDRESS(index) (0xC613FF01u + (index))
#define RELAY_PORT(index) ((uint16_t)(20000u + (index)))
#define TCP_PORT 7000u
#define DNS_PORT 53u

#define REFUSED_MAX 256u

void write_gate_rules(struct batch *batch);
void write_job_rules(struct batch *batch);

// In the gate's namespace, instead of the job's rules where the job has a network stack of its own: whose turn it is.
void write_sentry_rules(struct batch *batch);
void write_open_turn(struct batch *batch, uint32_t source);
void write_closed_turn(struct batch *batch, uint32_t source);

// What a step may send, wherever its rules stand: TCP, questions, and what has a relay (set `relays` of the job's table); all else is refused.
void add_step_chain(struct batch *batch);
#define STEP_CHAIN "step"
extern const struct set job_relays;

// In the job's namespace. Sockets of cgroups at this level are told apart from now on.
void write_level(struct batch *batch, uint32_t level);
void write_any(struct batch *batch);  // for ANY_CGROUP
void write_open_step(struct batch *batch, uint64_t cgroup_id, uint32_t source);
void write_closed_step(struct batch *batch, uint64_t cgroup_id, uint32_t source);

// From one port to another; 0: there was or is none.
void write_gate_relay(struct batch *batch, unsigned index, uint16_t from, uint16_t to);
void write_job_relay(struct batch *batch, unsigned index, uint16_t from, uint16_t to);

// What each namespace refused: the key of its set, all in network byte order.
struct refused_key {
  uint32_t source, destination;
  uint8_t protocol, padding[3];
  uint16_t port, more_padding;
};
enum wall { JOB_WALL, GATE_WALL };
void write_refused_list(struct batch *batch, enum wall wall);
void write_refused_removal(struct batch *batch, enum wall wall, const struct refused_key *keys, size_t count);

#endif
