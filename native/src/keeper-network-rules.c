// SPDX-License-Identifier: Apache-2.0
// Neither namespace tracks connections: a job could fill the host's table of them. Addresses are rewritten packet by packet instead, from what the kernel
// knows of each packet's socket or from a small bounded set. Both refuse by themselves, whether the gate's process lives or not.
#include "keeper-network-rules.h"

#include <arpa/inet.h>
#include <string.h>

#include "nftables.h"

// In either namespace.
#define LOOPBACK_INDEX 1u
#define REFUSED "refused"

// Offsets in the headers of IPv4, TCP and UDP.
enum { SOURCE = 12, DESTINATION = 16, SOURCE_PORT = 0, DESTINATION_PORT = 2, TCP_FLAGS = 13 };
enum { TCP_SYN = 0x02, TCP_ACK = 0x10 };

// No options: a source route in them would be a second destination.
static const uint8_t plain_header = 0x45;

static const struct set refused_set = {
    .name = REFUSED,
    .id = 1,
    .flags = NFT_SET_EVAL,
    .key_type = TYPE_4(TYPE_ADDRESS, TYPE_ADDRESS, TYPE_PROTOCOL, TYPE_PORT),
    .key_size = sizeof(struct refused_key),
    .limit = REFUSED_MAX,
};

static void match_protocol(struct batch *batch, uint8_t protocol) {
  load_meta(batch, NFT_META_L4PROTO, R0);
  compare(batch, R0, NFT_CMP_EQ, &protocol, sizeof protocol);
}

static void match_port(struct batch *batch, uint32_t offset, uint16_t port) {
  uint16_t number = htons(port);
  match_protocol(batch, IPPROTO_UDP);
  load_transport(batch, offset, sizeof number, R0);
  compare(batch, R0, NFT_CMP_EQ, &number, sizeof number);
}

static void match_new_connection(struct batch *batch) {
  const uint8_t bits = TCP_SYN | TCP_ACK, first = TCP_SYN;
  match_protocol(batch, IPPROTO_TCP);
  load_transport(batch, TCP_FLAGS, sizeof bits, R0);
  mask(batch, R0, &bits, sizeof bits);
  compare(batch, R0, NFT_CMP_EQ, &first, sizeof first);
}

static void load_address(struct batch *batch, uint32_t address, uint32_t reg) {
  uint32_t value = htonl(address);
  load_value(batch, &value, sizeof value, reg);
}

static void drop_options(struct batch *batch, const char *table, const char *chain) {
  struct rule rule = begin_rule(batch, table, chain, "nftables payload");
  load_network(batch, 0, sizeof plain_header, R0);
  compare(batch, R0, NFT_CMP_NEQ, &plain_header, sizeof plain_header);
  drop_packet(batch);
  end_rule(batch, rule);
}

// ---- what was refused, told apart in a set of a fixed size; when it is full, packets are refused all the same

enum whose { NO_STEP, ITS_SOURCE };

static void load_refused(struct batch *batch, enum whose whose, bool_t has_port) {
  if (whose == ITS_SOURCE) load_network(batch, SOURCE, 4, R0);
  else load_address(batch, 0, R0);
  load_network(batch, DESTINATION, 4, R1);
  load_meta(batch, NFT_META_L4PROTO, R2);
  uint16_t none = 0;
  if (has_port) load_transport(batch, DESTINATION_PORT, 2, R3);
  else load_value(batch, &none, sizeof none, R3);
  update_set(batch, NFT_DYNSET_OP_UPDATE, REFUSED, R0, 0);
}

// Only the packet that would open a connection: what follows on one that a step's end has cut is no news.
static void refuse_tcp(struct batch *batch, const char *table, const char *chain, enum whose whose) {
  struct rule rule = begin_rule(batch, table, chain, "nftables dynamic sets");
  match_new_connection(batch);
  load_refused(batch, whose, 1);
  end_rule(batch, rule);
  rule = begin_rule(batch, table, chain, "nftables reject (CONFIG_NFT_REJECT, CONFIG_NFT_REJECT_IPV4)");
  match_protocol(batch, IPPROTO_TCP);
  reset(batch);
  end_rule(batch, rule);
}

// Dropped on its way out, a datagram's sender is told at once (EPERM).
static void refuse_others(struct batch *batch, const char *table, const char *chain, enum whose whose) {
  struct rule rule = begin_rule(batch, table, chain, "nftables dynamic sets");
  match_protocol(batch, IPPROTO_UDP);
  load_refused(batch, whose, 1);
  drop_packet(batch);
  end_rule(batch, rule);
  const uint8_t udp = IPPROTO_UDP;
  rule = begin_rule(batch, table, chain, "nftables dynamic sets");
  load_meta(batch, NFT_META_L4PROTO, R0);
  compare(batch, R0, NFT_CMP_NEQ, &udp, sizeof udp);
  load_refused(batch, whose, 0);
  drop_packet(batch);
  end_rule(batch, rule);
  // The set was full.
  rule = begin_rule(batch, table, chain, "nftables");
  drop_packet(batch);
  end_rule(batch, rule);
}

// ---- the gate's namespace

#define GATE "gate"

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
  struct rule rule = begin_rule(batch, GATE, chain, "nftables meta");
  load_meta(batch, NFT_META_IIFNAME, R0);
  compare(batch, R0, NFT_CMP_NEQ, link, sizeof link);
  drop_packet(batch);
  end_rule(batch, rule);
  drop_options(batch, GATE, chain);
  rule = begin_rule(batch, GATE, chain, "nftables bitwise");
  load_network(batch, SOURCE, 4, R0);
  mask(batch, R0, &bits, sizeof bits);
  compare(batch, R0, NFT_CMP_NEQ, &network, sizeof network);
  drop_packet(batch);
  end_rule(batch, rule);
}

// Every connection, wherever to, is the listener's. When there is none any more the job is told so at once.
static void write_gate_tcp(struct batch *batch, const char *chain) {
  struct rule rule = begin_rule(batch, GATE, chain, "nftables tproxy (CONFIG_NFT_TPROXY)");
  match_protocol(batch, IPPROTO_TCP);
  hand_to_listener(batch, TCP_PORT);
  accept_packet(batch);
  end_rule(batch, rule);
  rule = begin_rule(batch, GATE, chain, "nftables reject (CONFIG_NFT_REJECT, CONFIG_NFT_REJECT_IPV4)");
  match_protocol(batch, IPPROTO_TCP);
  reset(batch);
  end_rule(batch, rule);
}

// Every question, whoever was asked, is the gate's.
static void write_gate_dns(struct batch *batch, const char *chain) {
  uint32_t gate = htonl(GATE_ADDRESS);
  // An earlier question from the same port may have been for another server; updating alone would keep that one.
  struct rule rule = begin_rule(batch, GATE, chain, "nftables dynamic sets");
  match_port(batch, DESTINATION_PORT, DNS_PORT);
  load_network(batch, SOURCE, 4, R0);
  load_transport(batch, SOURCE_PORT, 2, R1);
  load_network(batch, DESTINATION, 4, R2);
  update_set(batch, NFT_DYNSET_OP_DELETE, askers.name, R0, R2);
  end_rule(batch, rule);
  rule = begin_rule(batch, GATE, chain, "nftables payload");
  match_port(batch, DESTINATION_PORT, DNS_PORT);
  load_network(batch, DESTINATION, 4, R0);
  compare(batch, R0, NFT_CMP_EQ, &gate, sizeof gate);
  accept_packet(batch);
  end_rule(batch, rule);
  rule = begin_rule(batch, GATE, chain, "nftables dynamic maps");
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
  struct rule rule = begin_rule(batch, GATE, chain, "nftables maps");
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
  struct rule rule = begin_rule(batch, GATE, chain, "nftables bitwise");
  match_new_connection(batch);
  drop_packet(batch);
  end_rule(batch, rule);
  rule = begin_rule(batch, GATE, chain, "nftables meta");
  match_protocol(batch, IPPROTO_TCP);
  accept_packet(batch);
  end_rule(batch, rule);
}

static void write_gate_udp_answers(struct batch *batch, const char *chain) {
  struct rule rule = begin_rule(batch, GATE, chain, "nftables maps");
  match_port(batch, SOURCE_PORT, DNS_PORT);
  load_network(batch, DESTINATION, 4, R0);
  load_transport(batch, DESTINATION_PORT, 2, R1);
  look_up(batch, askers.name, R0, R2);
  write_address(batch, SOURCE, R2);
  accept_packet(batch);
  end_rule(batch, rule);
  rule = begin_rule(batch, GATE, chain, "nftables payload");
  match_port(batch, SOURCE_PORT, DNS_PORT);
  accept_packet(batch);
  end_rule(batch, rule);
  rule = begin_rule(batch, GATE, chain, "nftables maps");
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
  add_table(batch, GATE);
  add_set(batch, GATE, &refused_set);
  add_set(batch, GATE, &askers);
  add_set(batch, GATE, &relays);
  add_set(batch, GATE, &relay_answers);
  add_base_chain(batch, GATE, &arriving);
  write_gate_door(batch, arriving.name);
  write_gate_tcp(batch, arriving.name);
  write_gate_dns(batch, arriving.name);
  write_gate_relays(batch, arriving.name);
  refuse_others(batch, GATE, arriving.name, ITS_SOURCE);
  add_base_chain(batch, GATE, &answering);
  write_gate_tcp_answers(batch, answering.name);
  write_gate_udp_answers(batch, answering.name);
  end_change(batch);
}

// ---- the job's namespace

#define JOB "job"
#define BY_CGROUP "by_cgroup"
#define STEP "step"

static const struct set steps = {
    .name = "steps",
    .id = 2,
    .key_type = TYPE_CGROUP,
    .key_size = 8,
    .data_type = TYPE_ADDRESS,
    .data_size = 4,
};
static const struct set sources = {.name = "sources", .id = 3, .key_type = TYPE_ADDRESS, .key_size = 4};
static const struct set job_relays = {.name = "relays", .id = 4, .key_type = TYPE_2(TYPE_ADDRESS, TYPE_PORT), .key_size = 8};

static void accept_loopback(struct batch *batch, const char *chain, uint32_t which) {
  uint32_t loopback = LOOPBACK_INDEX;
  struct rule rule = begin_rule(batch, JOB, chain, "nftables meta");
  load_meta(batch, which, R0);
  compare(batch, R0, NFT_CMP_EQ, &loopback, sizeof loopback);
  accept_packet(batch);
  end_rule(batch, rule);
}

// What the kernel itself answers (a reset, the last acknowledgement of a closed connection) belongs to no cgroup. It carries the mark of what it
// answers (fwmark_reflect), which is the step's address; a job cannot set marks.
static void write_kernel_answers(struct batch *batch, const char *chain) {
  const uint32_t none = 0;
  struct rule rule = begin_rule(batch, JOB, chain, "nftables sets");
  match_protocol(batch, IPPROTO_TCP);
  load_meta(batch, NFT_META_MARK, R0);
  look_up(batch, sources.name, R0, 0);
  write_address(batch, SOURCE, R0);
  accept_packet(batch);
  end_rule(batch, rule);
  rule = begin_rule(batch, JOB, chain, "nftables meta");
  load_meta(batch, NFT_META_MARK, R0);
  compare(batch, R0, NFT_CMP_NEQ, &none, sizeof none);
  drop_packet(batch);
  end_rule(batch, rule);
}

static void write_step_rules(struct batch *batch) {
  struct rule rule = begin_rule(batch, JOB, STEP, "nftables meta");
  match_protocol(batch, IPPROTO_TCP);
  accept_packet(batch);
  end_rule(batch, rule);
  rule = begin_rule(batch, JOB, STEP, "nftables payload");
  match_port(batch, DESTINATION_PORT, DNS_PORT);
  accept_packet(batch);
  end_rule(batch, rule);
  rule = begin_rule(batch, JOB, STEP, "nftables sets");
  match_protocol(batch, IPPROTO_UDP);
  load_network(batch, DESTINATION, 4, R0);
  load_transport(batch, DESTINATION_PORT, 2, R1);
  look_up(batch, job_relays.name, R0, 0);
  accept_packet(batch);
  end_rule(batch, rule);
  refuse_others(batch, JOB, STEP, ITS_SOURCE);
}

// The answers' destination: the address that the job's sockets have, and a mark for write_kernel_answers.
static void write_arrivals(struct batch *batch, const char *chain) {
  accept_loopback(batch, chain, NFT_META_IIF);
  struct rule rule = begin_rule(batch, JOB, chain, "nftables payload");
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
  add_table(batch, JOB);
  add_set(batch, JOB, &refused_set);
  add_set(batch, JOB, &steps);
  add_set(batch, JOB, &sources);
  add_set(batch, JOB, &job_relays);
  add_chain(batch, JOB, STEP);
  write_step_rules(batch);
  add_chain(batch, JOB, BY_CGROUP);
  add_base_chain(batch, JOB, &leaving);
  accept_loopback(batch, leaving.name, NFT_META_OIF);
  drop_options(batch, JOB, leaving.name);
  struct rule rule = begin_rule(batch, JOB, leaving.name, "nftables jump");
  jump_to(batch, BY_CGROUP);
  end_rule(batch, rule);
  write_kernel_answers(batch, leaving.name);
  refuse_tcp(batch, JOB, leaving.name, NO_STEP);
  refuse_others(batch, JOB, leaving.name, NO_STEP);
  add_base_chain(batch, JOB, &arriving);
  write_arrivals(batch, arriving.name);
  end_change(batch);
}

// Whatever source a socket was bound to is overwritten: no step can speak as another one.
void write_level(struct batch *batch, uint32_t level) {
  struct rule rule = begin_rule(batch, JOB, BY_CGROUP, "nftables socket cgroupv2 (CONFIG_NFT_SOCKET, CONFIG_SOCK_CGROUP_DATA)");
  load_cgroup(batch, level, R0);
  look_up(batch, steps.name, R0, R2);
  write_address(batch, SOURCE, R2);
  go_to(batch, STEP);
  end_rule(batch, rule);
}

void write_open_step(struct batch *batch, uint64_t cgroup_id, uint32_t source) {
  const struct element step = {&cgroup_id, &source, sizeof cgroup_id, sizeof source}, known = {&source, NULL, sizeof source, 0};
  add_element(batch, JOB, steps.name, &step);
  add_element(batch, JOB, sources.name, &known);
}

void write_closed_step(struct batch *batch, uint64_t cgroup_id, uint32_t source) {
  const struct element step = {&cgroup_id, NULL, sizeof cgroup_id, 0}, known = {&source, NULL, sizeof source, 0};
  remove_elements(batch, JOB, steps.name, &step, 1);
  remove_elements(batch, JOB, sources.name, &known, 1);
}

// ---- relays

struct endpoint {
  uint32_t address;
  uint16_t port, padding;
};

static struct endpoint endpoint(uint32_t address, uint16_t port) { return (struct endpoint){htonl(address), htons(port), 0}; }

static void add_gate_relay(struct batch *batch, unsigned index, uint16_t port) {
  const struct endpoint outside = endpoint(RELAY_ADDRESS(index), port), socket = endpoint(GATE_ADDRESS, RELAY_PORT(index));
  const struct element to = {&outside, &socket, sizeof outside, sizeof socket}, back = {&socket.port, &outside, sizeof socket.port, sizeof outside};
  add_element(batch, GATE, relays.name, &to);
  add_element(batch, GATE, relay_answers.name, &back);
}

static void remove_gate_relay(struct batch *batch, unsigned index, uint16_t port) {
  const struct endpoint outside = endpoint(RELAY_ADDRESS(index), port), socket = endpoint(GATE_ADDRESS, RELAY_PORT(index));
  const struct element to = {&outside, NULL, sizeof outside, 0}, back = {&socket.port, NULL, sizeof socket.port, 0};
  remove_elements(batch, GATE, relays.name, &to, 1);
  remove_elements(batch, GATE, relay_answers.name, &back, 1);
}

void write_gate_relay(struct batch *batch, unsigned index, uint16_t from, uint16_t to) {
  begin_change(batch);
  if (from != 0) remove_gate_relay(batch, index, from);
  if (to != 0) add_gate_relay(batch, index, to);
  end_change(batch);
}

void write_job_relay(struct batch *batch, unsigned index, uint16_t from, uint16_t to) {
  const struct endpoint old = endpoint(RELAY_ADDRESS(index), from), new = endpoint(RELAY_ADDRESS(index), to);
  const struct element gone = {&old, NULL, sizeof old, 0}, added = {&new, NULL, sizeof new, 0};
  begin_change(batch);
  if (from != 0) remove_elements(batch, JOB, job_relays.name, &gone, 1);
  if (to != 0) add_element(batch, JOB, job_relays.name, &added);
  end_change(batch);
}

// ---- what was refused

static const char *table_of(enum wall wall) { return wall == JOB_WALL ? JOB : GATE; }

void write_refused_list(struct batch *batch, enum wall wall) { list_elements(batch, table_of(wall), REFUSED); }

void write_refused_removal(struct batch *batch, enum wall wall, const struct refused_key *keys, size_t count) {
  struct element elements[REFUSED_MAX];
  for (size_t i = 0; i < count; i++) elements[i] = (struct element){&keys[i], NULL, sizeof keys[i], 0};
  begin_change(batch);
  remove_elements(batch, table_of(wall), REFUSED, elements, count);
  end_change(batch);
}
