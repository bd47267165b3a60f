// SPDX-License-Identifier: Apache-2.0
// Whose packet it is, the kernel knows from its socket's cgroup: a job can neither choose nor change that.
#include "keeper-network-refusals.h"
#include "keeper-network-rules.h"
#include "keeper-network.h"

// In every namespace.
#define LOOPBACK_INDEX 1u

#define BY_CGROUP "by_cgroup"

static const struct set steps = {
    .name = "steps",
    .id = 2,
    .key_type = TYPE_CGROUP,
    .key_size = 8,
    .data_type = TYPE_ADDRESS,
    .data_size = 4,
};
static const struct set sources = {.name = "sources", .id = 3, .key_type = TYPE_ADDRESS, .key_size = 4};
const struct set job_relays = {.name = "relays", .id = 4, .key_type = TYPE_2(TYPE_ADDRESS, TYPE_PORT), .key_size = 8};

static void accept_loopback(struct batch *batch, const char *chain, uint32_t which) {
  uint32_t loopback = LOOPBACK_INDEX;
  struct rule rule = begin_rule(batch, JOB_TABLE, chain, "nftables meta");
  load_meta(batch, which, R0);
  compare(batch, R0, NFT_CMP_EQ, &loopback, sizeof loopback);
  accept_packet(batch);
  end_rule(batch, rule);
}

// What the kernel itself answers (a reset, the last acknowledgement of a closed connection) belongs to no cgroup. It carries the mark of what it
// answers (fwmark_reflect), which is the step's address; a job cannot set marks.
static void write_kernel_answers(struct batch *batch, const char *chain) {
  const uint32_t none = 0;
  struct rule rule = begin_rule(batch, JOB_TABLE, chain, "nftables sets");
  match_protocol(batch, IPPROTO_TCP);
  load_meta(batch, NFT_META_MARK, R0);
  look_up(batch, sources.name, R0, 0);
  write_address(batch, SOURCE, R0);
  accept_packet(batch);
  end_rule(batch, rule);
  rule = begin_rule(batch, JOB_TABLE, chain, "nftables meta");
  load_meta(batch, NFT_META_MARK, R0);
  compare(batch, R0, NFT_CMP_NEQ, &none, sizeof none);
  drop_packet(batch);
  end_rule(batch, rule);
}

void add_step_chain(struct batch *batch) {
  add_chain(batch, JOB_TABLE, STEP_CHAIN);
  struct rule rule = begin_rule(batch, JOB_TABLE, STEP_CHAIN, "nftables meta");
  match_protocol(batch, IPPROTO_TCP);
  accept_packet(batch);
  end_rule(batch, rule);
  rule = begin_rule(batch, JOB_TABLE, STEP_CHAIN, "nftables payload");
  match_port(batch, DESTINATION_PORT, DNS_PORT);
  accept_packet(batch);
  end_rule(batch, rule);
  rule = begin_rule(batch, JOB_TABLE, STEP_CHAIN, "nftables sets");
  match_protocol(batch, IPPROTO_UDP);
  load_network(batch, DESTINATION, 4, R0);
  load_transport(batch, DESTINATION_PORT, 2, R1);
  look_up(batch, job_relays.name, R0, 0);
  accept_packet(batch);
  end_rule(batch, rule);
  refuse_others(batch, JOB_TABLE, STEP_CHAIN, ITS_SOURCE);
}

// The answers' destination: the address that the job's sockets have, and a mark for write_kernel_answers.
static void write_arrivals(struct batch *batch, const char *chain) {
  accept_loopback(batch, chain, NFT_META_IIF);
  struct rule rule = begin_rule(batch, JOB_TABLE, chain, "nftables payload");
  load_network(batch, DESTINATION, 4, R0);
  set_mark(batch, R0);
  load_address(batch, JOB_ADDRESS, R1);
  write_address(batch, DESTINATION, R1);
  accept_packet(batch);
  end_rule(batch, rule);
}

// Before anything else of the kernel has seen the packet (priority raw).
void write_job_rules(struct batch *batch) {
  const struct base_chain leaving = {"leaving", NF_INET_LOCAL_OUT, -300}, arriving = {"arriving", NF_INET_PRE_ROUTING, -300};
  begin_change(batch);
  add_table(batch, JOB_TABLE);
  add_set(batch, JOB_TABLE, &refused_set);
  add_set(batch, JOB_TABLE, &steps);
  add_set(batch, JOB_TABLE, &sources);
  add_set(batch, JOB_TABLE, &job_relays);
  add_step_chain(batch);
  add_chain(batch, JOB_TABLE, BY_CGROUP);
  add_base_chain(batch, JOB_TABLE, &leaving);
  accept_loopback(batch, leaving.name, NFT_META_OIF);
  drop_options(batch, JOB_TABLE, leaving.name);
  struct rule rule = begin_rule(batch, JOB_TABLE, leaving.name, "nftables jump");
  jump_to(batch, BY_CGROUP);
  end_rule(batch, rule);
  write_kernel_answers(batch, leaving.name);
  refuse_tcp(batch, JOB_TABLE, leaving.name, NO_STEP);
  refuse_others(batch, JOB_TABLE, leaving.name, NO_STEP);
  add_base_chain(batch, JOB_TABLE, &arriving);
  write_arrivals(batch, arriving.name);
  end_change(batch);
}

// Whatever source a socket was bound to is overwritten: no step can speak as another one.
void write_level(struct batch *batch, uint32_t level) {
  struct rule rule = begin_rule(batch, JOB_TABLE, BY_CGROUP, "nftables socket cgroupv2 (CONFIG_NFT_SOCKET, CONFIG_SOCK_CGROUP_DATA)");
  load_cgroup(batch, level, R0);
  look_up(batch, steps.name, R0, R2);
  write_address(batch, SOURCE, R2);
  go_to(batch, STEP_CHAIN);
  end_rule(batch, rule);
}

void write_any(struct batch *batch) {
  const uint64_t any = ANY_CGROUP;
  struct rule rule = begin_rule(batch, JOB_TABLE, BY_CGROUP, "nftables sets");
  load_value(batch, &any, sizeof any, R0);
  look_up(batch, steps.name, R0, R2);
  write_address(batch, SOURCE, R2);
  go_to(batch, STEP_CHAIN);
  end_rule(batch, rule);
}

void write_open_step(struct batch *batch, uint64_t cgroup_id, uint32_t source) {
  const struct element step = {&cgroup_id, &source, sizeof cgroup_id, sizeof source}, known = {&source, NULL, sizeof source, 0};
  add_element(batch, JOB_TABLE, steps.name, &step);
  add_element(batch, JOB_TABLE, sources.name, &known);
}

void write_closed_step(struct batch *batch, uint64_t cgroup_id, uint32_t source) {
  const struct element step = {&cgroup_id, NULL, sizeof cgroup_id, 0}, known = {&source, NULL, sizeof source, 0};
  remove_elements(batch, JOB_TABLE, steps.name, &step, 1);
  remove_elements(batch, JOB_TABLE, sources.name, &known, 1);
}

void write_job_relay(struct batch *batch, unsigned index, uint16_t from, uint16_t to) {
  const struct endpoint old = endpoint(RELAY_ADDRESS(index), from), new = endpoint(RELAY_ADDRESS(index), to);
  const struct element gone = {&old, NULL, sizeof old, 0}, added = {&new, NULL, sizeof new, 0};
  begin_change(batch);
  if (from != 0) remove_elements(batch, JOB_TABLE, job_relays.name, &gone, 1);
  if (to != 0) add_element(batch, JOB_TABLE, job_relays.name, &added);
  end_change(batch);
}
