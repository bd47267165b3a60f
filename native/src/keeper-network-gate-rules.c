// SPDX-License-Identifier: Apache-2.0
// Connections are not tracked, here nor in the job's namespace: a job could fill the host's table of them. Addresses are rewritten packet by packet
// instead, from a small bounded set. The rules refuse by themselves, whether the gate's process lives or not.
#include <arpa/inet.h>

#include "keeper-network-refusals.h"
#include "keeper-network-rules.h"

// Who (step . port) asked a name server other than the gate, and which: the answer has to come from there.
static const struct set askers = {
    .name = "askers",
    .id = 2,
    .flags = NFT_SET_EVAL | NFT_SET_TIMEOUT,
    .key_type = TYPE_2(TYPE_ADDRESS, TYPE_PORT),
    .key_size = 8,
    .data_type = TYPE_ADDRESS,
    .data_size = 4,
    .limit = 8192,
    .timeout_ms = 30000,
};

// Address . port that a step sends to → the relay's socket, and back.
static const struct set relays = {
    .name = "relays",
    .id = 3,
    .key_type = TYPE_2(TYPE_ADDRESS, TYPE_PORT),
    .key_size = 8,
    .data_type = TYPE_2(TYPE_ADDRESS, TYPE_PORT),
    .data_size = 8,
};
static const struct set relay_answers = {
    .name = "relay_answers",
    .id = 4,
    .key_type = TYPE_PORT,
    .key_size = 2,
    .data_type = TYPE_2(TYPE_ADDRESS, TYPE_PORT),
    .data_size = 8,
};

// Nothing enters but by the job's link, from a step's address.
static void write_gate_door(struct batch *batch, const char *chain) {
  char link[16] = GATE_LINK;
  uint32_t bits = htonl(~0u << (32 - STEP_NETWORK_BITS)), network = htonl(STEP_NETWORK);
  struct rule rule = begin_rule(batch, GATE_TABLE, chain, "nftables meta");
  load_meta(batch, NFT_META_IIFNAME, R0);
  compare(batch, R0, NFT_CMP_NEQ, link, sizeof link);
  drop_packet(batch);
  end_rule(batch, rule);
  drop_options(batch, GATE_TABLE, chain);
  rule = begin_rule(batch, GATE_TABLE, chain, "nftables bitwise");
  load_network(batch, SOURCE, 4, R0);
  mask(batch, R0, &bits, sizeof bits);
  compare(batch, R0, NFT_CMP_NEQ, &network, sizeof network);
  drop_packet(batch);
  end_rule(batch, rule);
}

// Every connection, wherever to, is the listener's. When there is none any more the job is told so at once.
static void write_gate_tcp(struct batch *batch, const char *chain) {
  struct rule rule = begin_rule(batch, GATE_TABLE, chain, "nftables tproxy (CONFIG_NFT_TPROXY)");
  match_protocol(batch, IPPROTO_TCP);
  hand_to_listener(batch, TCP_PORT);
  accept_packet(batch);
  end_rule(batch, rule);
  rule = begin_rule(batch, GATE_TABLE, chain, "nftables reject (CONFIG_NFT_REJECT, CONFIG_NFT_REJECT_IPV4)");
  match_protocol(batch, IPPROTO_TCP);
  reset(batch);
  end_rule(batch, rule);
}

// Every question, whoever was asked, is the gate's.
static void write_gate_dns(struct batch *batch, const char *chain) {
  uint32_t gate = htonl(GATE_ADDRESS);
  // An earlier question from the same port may have been for another server; updating alone would keep that one.
  struct rule rule = begin_rule(batch, GATE_TABLE, chain, "nftables dynamic sets");
  match_port(batch, DESTINATION_PORT, DNS_PORT);
  load_network(batch, SOURCE, 4, R0);
  load_transport(batch, SOURCE_PORT, 2, R1);
  load_network(batch, DESTINATION, 4, R2);
  update_set(batch, NFT_DYNSET_OP_DELETE, askers.name, R0, R2);
  end_rule(batch, rule);
  rule = begin_rule(batch, GATE_TABLE, chain, "nftables payload");
  match_port(batch, DESTINATION_PORT, DNS_PORT);
  load_network(batch, DESTINATION, 4, R0);
  compare(batch, R0, NFT_CMP_EQ, &gate, sizeof gate);
  accept_packet(batch);
  end_rule(batch, rule);
  rule = begin_rule(batch, GATE_TABLE, chain, "nftables dynamic maps");
  match_port(batch, DESTINATION_PORT, DNS_PORT);
  load_network(batch, SOURCE, 4, R0);
  load_transport(batch, SOURCE_PORT, 2, R1);
  load_network(batch, DESTINATION, 4, R2);
  update_set(batch, NFT_DYNSET_OP_UPDATE, askers.name, R0, R2);
  load_address(batch, GATE_ADDRESS, R3);
  write_address(batch, DESTINATION, R3);
  accept_packet(batch);
  end_rule(batch, rule);
}

static void write_gate_relays(struct batch *batch, const char *chain) {
  struct rule rule = begin_rule(batch, GATE_TABLE, chain, "nftables maps");
  match_protocol(batch, IPPROTO_UDP);
  load_network(batch, DESTINATION, 4, R0);
  load_transport(batch, DESTINATION_PORT, 2, R1);
  look_up(batch, relays.name, R0, R2);
  write_address(batch, DESTINATION, R2);
  write_udp_port(batch, DESTINATION_PORT, R3);
  accept_packet(batch);
  end_rule(batch, rule);
}

// Answers only. A gate that an attacker has taken over cannot connect to what listens in the job.
static void write_gate_tcp_answers(struct batch *batch, const char *chain) {
  struct rule rule = begin_rule(batch, GATE_TABLE, chain, "nftables bitwise");
  match_new_connection(batch);
  drop_packet(batch);
  end_rule(batch, rule);
  rule = begin_rule(batch, GATE_TABLE, chain, "nftables meta");
  match_protocol(batch, IPPROTO_TCP);
  accept_packet(batch);
  end_rule(batch, rule);
}

static void write_gate_udp_answers(struct batch *batch, const char *chain) {
  struct rule rule = begin_rule(batch, GATE_TABLE, chain, "nftables maps");
  match_port(batch, SOURCE_PORT, DNS_PORT);
  load_network(batch, DESTINATION, 4, R0);
  load_transport(batch, DESTINATION_PORT, 2, R1);
  look_up(batch, askers.name, R0, R2);
  write_address(batch, SOURCE, R2);
  accept_packet(batch);
  end_rule(batch, rule);
  rule = begin_rule(batch, GATE_TABLE, chain, "nftables payload");
  match_port(batch, SOURCE_PORT, DNS_PORT);
  accept_packet(batch);
  end_rule(batch, rule);
  rule = begin_rule(batch, GATE_TABLE, chain, "nftables maps");
  match_protocol(batch, IPPROTO_UDP);
  load_transport(batch, SOURCE_PORT, 2, R0);
  look_up(batch, relay_answers.name, R0, R2);
  write_address(batch, SOURCE, R2);
  write_udp_port(batch, SOURCE_PORT, R3);
  accept_packet(batch);
  end_rule(batch, rule);
}

void write_gate_rules(struct batch *batch) {
  const struct base_chain arriving = {"arriving", NF_INET_PRE_ROUTING, -150}, answering = {"answering", NF_INET_LOCAL_OUT, -150};
  begin_change(batch);
  add_table(batch, GATE_TABLE);
  add_set(batch, GATE_TABLE, &refused_set);
  add_set(batch, GATE_TABLE, &askers);
  add_set(batch, GATE_TABLE, &relays);
  add_set(batch, GATE_TABLE, &relay_answers);
  add_base_chain(batch, GATE_TABLE, &arriving);
  write_gate_door(batch, arriving.name);
  write_gate_tcp(batch, arriving.name);
  write_gate_dns(batch, arriving.name);
  write_gate_relays(batch, arriving.name);
  refuse_others(batch, GATE_TABLE, arriving.name, ITS_SOURCE);
  add_base_chain(batch, GATE_TABLE, &answering);
  write_gate_tcp_answers(batch, answering.name);
  write_gate_udp_answers(batch, answering.name);
  end_change(batch);
}

static void add_gate_relay(struct batch *batch, unsigned index, uint16_t port) {
  const struct endpoint outside = endpoint(RELAY_ADDRESS(index), port), socket = endpoint(GATE_ADDRESS, RELAY_PORT(index));
  const struct element to = {&outside, &socket, sizeof outside, sizeof socket}, back = {&socket.port, &outside, sizeof socket.port, sizeof outside};
  add_element(batch, GATE_TABLE, relays.name, &to);
  add_element(batch, GATE_TABLE, relay_answers.name, &back);
}

static void remove_gate_relay(struct batch *batch, unsigned index, uint16_t port) {
  const struct endpoint outside = endpoint(RELAY_ADDRESS(index), port), socket = endpoint(GATE_ADDRESS, RELAY_PORT(index));
  const struct element to = {&outside, NULL, sizeof outside, 0}, back = {&socket.port, NULL, sizeof socket.port, 0};
  remove_elements(batch, GATE_TABLE, relays.name, &to, 1);
  remove_elements(batch, GATE_TABLE, relay_answers.name, &back, 1);
}

void write_gate_relay(struct batch *batch, unsigned index, uint16_t from, uint16_t to) {
  begin_change(batch);
  if (from != 0) remove_gate_relay(batch, index, from);
  if (to != 0) add_gate_relay(batch, index, to);
  end_change(batch);
}
