// SPDX-License-Identifier: Apache-2.0
#include "keeper-network-refusals.h"

#include <arpa/inet.h>

#include "keeper-network-rules.h"

enum { TCP_FLAGS = 13 };
enum { TCP_SYN = 0x02, TCP_ACK = 0x10 };

// No options: a source route in them would be a second destination.
static const uint8_t plain_header = 0x45;

const struct set refused_set = {
    .name = "refused",
    .id = 1,
    .flags = NFT_SET_EVAL,
    .key_type = TYPE_4(TYPE_ADDRESS, TYPE_ADDRESS, TYPE_PROTOCOL, TYPE_PORT),
    .key_size = sizeof(struct refused_key),
    .limit = REFUSED_MAX,
};

void match_protocol(struct batch *batch, uint8_t protocol) {
  load_meta(batch, NFT_META_L4PROTO, R0);
  compare(batch, R0, NFT_CMP_EQ, &protocol, sizeof protocol);
}

void match_port(struct batch *batch, uint32_t offset, uint16_t port) {
  uint16_t number = htons(port);
  match_protocol(batch, IPPROTO_UDP);
  load_transport(batch, offset, sizeof number, R0);
  compare(batch, R0, NFT_CMP_EQ, &number, sizeof number);
}

void match_new_connection(struct batch *batch) {
  const uint8_t bits = TCP_SYN | TCP_ACK, first = TCP_SYN;
  match_protocol(batch, IPPROTO_TCP);
  load_transport(batch, TCP_FLAGS, sizeof bits, R0);
  mask(batch, R0, &bits, sizeof bits);
  compare(batch, R0, NFT_CMP_EQ, &first, sizeof first);
}

void load_address(struct batch *batch, uint32_t address, uint32_t reg) {
  uint32_t value = htonl(address);
  load_value(batch, &value, sizeof value, reg);
}

void drop_options(struct batch *batch, const char *table, const char *chain) {
  struct rule rule = begin_rule(batch, table, chain, "nftables payload");
  load_network(batch, 0, sizeof plain_header, R0);
  compare(batch, R0, NFT_CMP_NEQ, &plain_header, sizeof plain_header);
  drop_packet(batch);
  end_rule(batch, rule);
}

// ---- what was refused, told apart in a set of a fixed size; when it is full, packets are refused all the same

static void load_refused(struct batch *batch, enum whose whose, bool_t has_port) {
  if (whose == ITS_SOURCE) load_network(batch, SOURCE, 4, R0);
  else load_address(batch, 0, R0);
  load_network(batch, DESTINATION, 4, R1);
  load_meta(batch, NFT_META_L4PROTO, R2);
  uint16_t none = 0;
  if (has_port) load_transport(batch, DESTINATION_PORT, 2, R3);
  else load_value(batch, &none, sizeof none, R3);
  update_set(batch, NFT_DYNSET_OP_UPDATE, refused_set.name, R0, 0);
}

// Only the packet that would open a connection: what follows on one that a step's end has cut is no news.
void refuse_tcp(struct batch *batch, const char *table, const char *chain, enum whose whose) {
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
void refuse_others(struct batch *batch, const char *table, const char *chain, enum whose whose) {
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

struct endpoint endpoint(uint32_t address, uint16_t port) { return (struct endpoint){htonl(address), htons(port), 0}; }

static const char *table_of(enum wall wall) { return wall == JOB_WALL ? JOB_TABLE : GATE_TABLE; }

void write_refused_list(struct batch *batch, enum wall wall) { list_elements(batch, table_of(wall), refused_set.name); }

void write_refused_removal(struct batch *batch, enum wall wall, const struct refused_key *keys, size_t count) {
  struct element elements[REFUSED_MAX];
  for (size_t i = 0; i < count; i++) elements[i] = (struct element){&keys[i], NULL, sizeof keys[i], 0};
  begin_change(batch);
  remove_elements(batch, table_of(wall), refused_set.name, elements, count);
  end_change(batch);
}
