// SPDX-License-Identifier: Apache-2.0
// For a job whose network stack is its own kernel's (gVisor): its packets come from a packet socket on the job's end of the link, belong to no socket and no cgroup of
// this kernel, and meet no rule before they are here. Whose they are is told by time: one step has the network at a time, and nothing of a step outlives it.
// The source of whatever arrives is overwritten with the step's: also of a kernel that a job has taken over.
#include <arpa/inet.h>

#include "keeper-network-refusals.h"
#include "keeper-network-rules.h"

// meta iifname → source. With one element at most: the kernel refuses a second step.
#define LINK_NAME_SIZE 16
#define TYPE_LINK_NAME 41
static const char link_name[LINK_NAME_SIZE] = GATE_LINK;

static const struct set turn = {
    .name = "turn",
    .id = 2,
    .key_type = TYPE_LINK_NAME,
    .key_size = LINK_NAME_SIZE,
    .data_type = TYPE_ADDRESS,
    .data_size = 4,
};
static const struct set turns_source = {.name = "sources", .id = 3, .key_type = TYPE_ADDRESS, .key_size = 4};

static void pass_other_links(struct batch *batch, const char *chain, uint32_t which) {
  struct rule rule = begin_rule(batch, JOB_TABLE, chain, "nftables meta");
  load_meta(batch, which, R0);
  compare(batch, R0, NFT_CMP_NEQ, link_name, sizeof link_name);
  accept_packet(batch);
  end_rule(batch, rule);
}

static void write_arrivals(struct batch *batch, const char *chain) {
  pass_other_links(batch, chain, NFT_META_IIFNAME);
  drop_options(batch, JOB_TABLE, chain);
  struct rule rule = begin_rule(batch, JOB_TABLE, chain, "nftables maps");
  load_meta(batch, NFT_META_IIFNAME, R0);
  look_up(batch, turn.name, R0, R4);  // a name takes four registers
  write_address(batch, SOURCE, R4);
  go_to(batch, STEP_CHAIN);
  end_rule(batch, rule);
  refuse_tcp(batch, JOB_TABLE, chain, NO_STEP);
  refuse_others(batch, JOB_TABLE, chain, NO_STEP);
}

// To the address that the job's stack has; what is for another than the running step goes nowhere. What refuses a packet without a step is for the job itself.
static void write_answers(struct batch *batch, const char *chain) {
  pass_other_links(batch, chain, NFT_META_OIFNAME);
  struct rule rule = begin_rule(batch, JOB_TABLE, chain, "nftables sets");
  load_network(batch, DESTINATION, 4, R0);
  look_up(batch, turns_source.name, R0, 0);
  load_address(batch, JOB_ADDRESS, R1);
  write_address(batch, DESTINATION, R1);
  accept_packet(batch);
  end_rule(batch, rule);
  const uint32_t job = htonl(JOB_ADDRESS);
  rule = begin_rule(batch, JOB_TABLE, chain, "nftables payload");
  load_network(batch, DESTINATION, 4, R0);
  compare(batch, R0, NFT_CMP_EQ, &job, sizeof job);
  accept_packet(batch);
  end_rule(batch, rule);
}

// Before the gate's own rules at the arrival, and after them on the way back.
void write_sentry_rules(struct batch *batch) {
  const struct base_chain arriving = {"leaving", NF_INET_PRE_ROUTING, -300}, answering = {"arriving", NF_INET_LOCAL_OUT, -50};
  begin_change(batch);
  add_table(batch, JOB_TABLE);
  add_set(batch, JOB_TABLE, &refused_set);
  add_set(batch, JOB_TABLE, &turn);
  add_set(batch, JOB_TABLE, &turns_source);
  add_set(batch, JOB_TABLE, &job_relays);
  add_step_chain(batch);
  add_base_chain(batch, JOB_TABLE, &arriving);
  write_arrivals(batch, arriving.name);
  add_base_chain(batch, JOB_TABLE, &answering);
  write_answers(batch, answering.name);
  end_change(batch);
}

void write_open_turn(struct batch *batch, uint32_t source) {
  const struct element step = {link_name, &source, sizeof link_name, sizeof source}, known = {&source, NULL, sizeof source, 0};
  add_element(batch, JOB_TABLE, turn.name, &step);
  add_element(batch, JOB_TABLE, turns_source.name, &known);
}

void write_closed_turn(struct batch *batch, uint32_t source) {
  const struct element step = {link_name, NULL, sizeof link_name, 0}, known = {&source, NULL, sizeof source, 0};
  remove_elements(batch, JOB_TABLE, turn.name, &step, 1);
  remove_elements(batch, JOB_TABLE, turns_source.name, &known, 1);
}
