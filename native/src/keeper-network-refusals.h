// SPDX-License-Identifier: Apache-2.0
// What the rules of both namespaces have in common: what a packet is matched by, and how it is refused.
#ifndef SALLYPORT_KEEPER_NETWORK_REFUSALS_H
#define SALLYPORT_KEEPER_NETWORK_REFUSALS_H

#include "nftables.h"

#define GATE_TABLE "gate"
#define JOB_TABLE "job"

// Offsets in the headers of IPv4, TCP and UDP.
enum { SOURCE = 12, DESTINATION = 16, SOURCE_PORT = 0, DESTINATION_PORT = 2 };

// A key or value of type TYPE_2(TYPE_ADDRESS, TYPE_PORT).
struct endpoint {
  uint32_t address;
  uint16_t port, padding;
};
struct endpoint endpoint(uint32_t address, uint16_t port);  // from host byte order

// Each goes on with the rule for packets that match.
void match_protocol(struct batch *batch, uint8_t protocol);
void match_port(struct batch *batch, uint32_t offset, uint16_t port);  // UDP
void match_new_connection(struct batch *batch);

void load_address(struct batch *batch, uint32_t address, uint32_t reg);

// Told apart in a set of a fixed size; when it is full, packets are refused all the same.
extern const struct set refused_set;
enum whose { NO_STEP, ITS_SOURCE };

// Whole rules.
void drop_options(struct batch *batch, const char *table, const char *chain);
void refuse_tcp(struct batch *batch, const char *table, const char *chain, enum whose whose);
void refuse_others(struct batch *batch, const char *table, const char *chain, enum whose whose);

#endif
