// SPDX-License-Identifier: Apache-2.0
// The part of nf_tables that a job's two network namespaces need, written by hand into netlink messages: no program and no library takes part. What
// each expression is called in `nft --debug=netlink` stands beside it.
#ifndef SALLYPORT_NFTABLES_H
#define SALLYPORT_NFTABLES_H

#include <netinet/in.h>  // before the kernel's headers, which give way to it

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "netlink.h"

// 32-bit registers. A key of several fields takes one each, in order.
enum { R0 = NFT_REG32_00, R1, R2, R3, R4, R5, R6, R7 };

// Types of key and data, only for who lists the rules with `nft`.
enum { TYPE_ADDRESS = 7, TYPE_PROTOCOL = 12, TYPE_PORT = 13, TYPE_CGROUP = 46 };
#define TYPE_2(a, b) ((a) << 6 | (b))
#define TYPE_4(a, b, c, d) ((a) << 18 | (b) << 12 | (c) << 6 | (d))

struct set {
  const char *name;
  uint32_t id, flags, key_type, key_size, data_type, data_size, limit;
  uint64_t timeout_ms;
};

struct base_chain {
  const char *name;
  uint32_t hook;
  int32_t priority;
};

// A change of rules is one batch: all of it, or nothing. Everything in it is about one table of family `ip`.
void begin_change(struct batch *batch);
void end_change(struct batch *batch);

void add_table(struct batch *batch, const char *table);
void add_base_chain(struct batch *batch, const char *table, const struct base_chain *chain);  // filter, policy drop
void add_chain(struct batch *batch, const char *table, const char *name);
void add_set(struct batch *batch, const char *table, const struct set *set);

struct element {
  const void *key, *data;
  size_t key_size, data_size;  // data_size 0: a set, not a map
};
void add_element(struct batch *batch, const char *table, const char *set, const struct element *element);
void remove_elements(struct batch *batch, const char *table, const char *set, const struct element *elements, size_t count);
void list_elements(struct batch *batch, const char *table, const char *set);
// Calls `each` with the key of every element in one message of the answer to list_elements.
void each_key(const struct nlmsghdr *message, size_t key_size, void (*each)(const void *key, void *context), void *context);

// Asks which generation of rules the namespace has: every batch that changes something makes another (NFT_MSG_GETGEN).
void write_generation_question(struct batch *batch);
bool_t read_generation(const struct nlmsghdr *message, uint32_t *generation);

// `what` names what the kernel must have for this rule.
struct rule {
  size_t expressions;
};
struct rule begin_rule(struct batch *batch, const char *table, const char *chain, const char *what);
void end_rule(struct batch *batch, struct rule rule);

void load_meta(struct batch *batch, uint32_t key, uint32_t reg);                                       // meta load
void set_mark(struct batch *batch, uint32_t reg);                                                      // meta set mark
void load_network(struct batch *batch, uint32_t offset, uint32_t size, uint32_t reg);                  // payload load, network header
void load_transport(struct batch *batch, uint32_t offset, uint32_t size, uint32_t reg);                // payload load, transport header
void write_address(struct batch *batch, uint32_t offset, uint32_t reg);                                // payload write, all checksums kept right
void write_udp_port(struct batch *batch, uint32_t offset, uint32_t reg);
void load_value(struct batch *batch, const void *value, size_t size, uint32_t reg);                    // immediate
void mask(struct batch *batch, uint32_t reg, const void *bits, size_t size);                           // bitwise
void compare(struct batch *batch, uint32_t reg, uint32_t operator, const void *value, size_t size);    // cmp
void look_up(struct batch *batch, const char *set, uint32_t key, uint32_t result);                     // lookup; result 0: only whether it is there
void update_set(struct batch *batch, uint32_t operator, const char *set, uint32_t key, uint32_t data); // dynset; data 0: a set. A full set ends the rule
void load_cgroup(struct batch *batch, uint32_t level, uint32_t reg);                                   // socket cgroupv2
void hand_to_listener(struct batch *batch, uint16_t port);                                             // tproxy
void reset(struct batch *batch);                                                                       // reject with tcp reset
void accept_packet(struct batch *batch);
void drop_packet(struct batch *batch);
void go_to(struct batch *batch, const char *chain);
void jump_to(struct batch *batch, const char *chain);

#endif
