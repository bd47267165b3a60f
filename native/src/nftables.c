// SPDX-License-Identifier: Apache-2.0
#include "nftables.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

static void begin_request(struct batch *batch, uint16_t type, uint16_t flags, const char *what) {
  struct nfgenmsg header = {.nfgen_family = NFPROTO_IPV4, .version = NFNETLINK_V0};
  begin_message(batch, NFNL_SUBSYS_NFTABLES << 8 | type, flags, &header, sizeof header, what);
}

static void mark_batch(struct batch *batch, uint16_t type, const char *what) {
  struct nfgenmsg header = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES)};
  begin_message(batch, type, 0, &header, sizeof header, what);
}

void begin_change(struct batch *batch) {
  begin_batch(batch);
  mark_batch(batch, NFNL_MSG_BATCH_BEGIN, "nftables (CONFIG_NF_TABLES)");
}

void end_change(struct batch *batch) { mark_batch(batch, NFNL_MSG_BATCH_END, NULL); }

void write_generation_question(struct batch *batch) {
  begin_batch(batch);
  begin_request(batch, NFT_MSG_GETGEN, NLM_F_ACK, "nftables generation");
}

bool_t read_generation(const struct nlmsghdr *message, uint32_t *generation) {
  if (message->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN) || message->nlmsg_len < NLMSG_SPACE(sizeof(struct nfgenmsg))) return 0;
  size_t header = NLMSG_SPACE(sizeof(struct nfgenmsg));
  const struct nlattr *id = find_attribute((const char *)message + header, message->nlmsg_len - header, NFTA_GEN_ID);
  if (!id || attribute_size(id) != sizeof *generation) return 0;
  memcpy(generation, attribute_data(id), sizeof *generation);
  *generation = ntohl(*generation);
  return 1;
}

void add_table(struct batch *batch, const char *table) {
  begin_request(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, "nftables for IPv4 (CONFIG_NF_TABLES_IPV4)");
  put_text(batch, NFTA_TABLE_NAME, table);
}

static void begin_chain(struct batch *batch, const char *table, const char *name) {
  begin_request(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, "nftables chain");
  put_text(batch, NFTA_CHAIN_TABLE, table);
  put_text(batch, NFTA_CHAIN_NAME, name);
}

void add_base_chain(struct batch *batch, const char *table, const struct base_chain *chain) {
  begin_chain(batch, table, chain->name);
  put_text(batch, NFTA_CHAIN_TYPE, "filter");
  put_be32(batch, NFTA_CHAIN_POLICY, NF_DROP);
  size_t hook = open_nest(batch, NFTA_CHAIN_HOOK);
  put_be32(batch, NFTA_HOOK_HOOKNUM, chain->hook);
  put_be32(batch, NFTA_HOOK_PRIORITY, (uint32_t)chain->priority);
  close_nest(batch, hook);
}

void add_chain(struct batch *batch, const char *table, const char *name) { begin_chain(batch, table, name); }

void add_set(struct batch *batch, const char *table, const struct set *set) {
  begin_request(batch, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL, "nftables set");
  put_text(batch, NFTA_SET_TABLE, table);
  put_text(batch, NFTA_SET_NAME, set->name);
  put_be32(batch, NFTA_SET_ID, set->id);
  put_be32(batch, NFTA_SET_FLAGS, set->flags | (set->data_size > 0 ? NFT_SET_MAP : 0));
  put_be32(batch, NFTA_SET_KEY_TYPE, set->key_type);
  put_be32(batch, NFTA_SET_KEY_LEN, set->key_size);
  if (set->data_size > 0) {
    put_be32(batch, NFTA_SET_DATA_TYPE, set->data_type);
    put_be32(batch, NFTA_SET_DATA_LEN, set->data_size);
  }
  if (set->limit > 0) {
    size_t description = open_nest(batch, NFTA_SET_DESC);
    put_be32(batch, NFTA_SET_DESC_SIZE, set->limit);
    close_nest(batch, description);
  }
  if (set->timeout_ms > 0) {
    uint64_t timeout = htobe64(set->timeout_ms);
    put_bytes(batch, NFTA_SET_TIMEOUT, &timeout, sizeof timeout);
  }
}

static void put_value(struct batch *batch, uint16_t type, const void *value, size_t size) {
  size_t nest = open_nest(batch, type);
  put_bytes(batch, NFTA_DATA_VALUE, value, size);
  close_nest(batch, nest);
}

static void change_elements(struct batch *batch, uint16_t request, uint16_t flags, const char *table, const char *set, const struct element *elements, size_t count) {
  begin_request(batch, request, flags, "nftables set element");
  put_text(batch, NFTA_SET_ELEM_LIST_TABLE, table);
  put_text(batch, NFTA_SET_ELEM_LIST_SET, set);
  size_t list = open_nest(batch, NFTA_SET_ELEM_LIST_ELEMENTS);
  for (size_t i = 0; i < count; i++) {
    size_t item = open_nest(batch, NFTA_LIST_ELEM);
    put_value(batch, NFTA_SET_ELEM_KEY, elements[i].key, elements[i].key_size);
    if (elements[i].data_size > 0) put_value(batch, NFTA_SET_ELEM_DATA, elements[i].data, elements[i].data_size);
    close_nest(batch, item);
  }
  close_nest(batch, list);
}

void add_element(struct batch *batch, const char *table, const char *set, const struct element *element) {
  change_elements(batch, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, table, set, element, 1);
}

void remove_elements(struct batch *batch, const char *table, const char *set, const struct element *elements, size_t count) {
  change_elements(batch, NFT_MSG_DELSETELEM, 0, table, set, elements, count);
}

void list_elements(struct batch *batch, const char *table, const char *set) {
  begin_batch(batch);
  begin_request(batch, NFT_MSG_GETSETELEM, NLM_F_DUMP, "nftables set");
  put_text(batch, NFTA_SET_ELEM_LIST_TABLE, table);
  put_text(batch, NFTA_SET_ELEM_LIST_SET, set);
}

static const struct nlattr *inner(const struct nlattr *outer, uint16_t type) {
  return outer ? find_attribute(attribute_data(outer), attribute_size(outer), type) : NULL;
}

void each_key(const struct nlmsghdr *message, size_t key_size, void (*each)(const void *, void *), void *context) {
  size_t header = NLMSG_LENGTH(NLMSG_ALIGN(sizeof(struct nfgenmsg)));
  if (message->nlmsg_len < header) return;
  const struct nlattr *list = find_attribute((const char *)message + header, message->nlmsg_len - header, NFTA_SET_ELEM_LIST_ELEMENTS);
  if (!list) return;
  const char *at = attribute_data(list);
  for (size_t left = attribute_size(list); left >= NLA_HDRLEN;) {
    const struct nlattr *item = (const struct nlattr *)at;
    if (item->nla_len < NLA_HDRLEN || item->nla_len > left) return;
    const struct nlattr *key = inner(inner(item, NFTA_SET_ELEM_KEY), NFTA_DATA_VALUE);
    if (key && attribute_size(key) == key_size) each(attribute_data(key), context);
    size_t step = NLA_ALIGN(item->nla_len);
    if (step >= left) return;
    at += step;
    left -= step;
  }
}

struct rule begin_rule(struct batch *batch, const char *table, const char *chain, const char *what) {
  begin_request(batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, what);
  put_text(batch, NFTA_RULE_TABLE, table);
  put_text(batch, NFTA_RULE_CHAIN, chain);
  return (struct rule){open_nest(batch, NFTA_RULE_EXPRESSIONS)};
}

void end_rule(struct batch *batch, struct rule rule) { close_nest(batch, rule.expressions); }

struct expression {
  size_t item, data;
};

static struct expression begin_expression(struct batch *batch, const char *name) {
  size_t item = open_nest(batch, NFTA_LIST_ELEM);
  put_text(batch, NFTA_EXPR_NAME, name);
  return (struct expression){item, open_nest(batch, NFTA_EXPR_DATA)};
}

static void end_expression(struct batch *batch, struct expression expression) {
  close_nest(batch, expression.data);
  close_nest(batch, expression.item);
}

void load_meta(struct batch *batch, uint32_t key, uint32_t reg) {
  struct expression meta = begin_expression(batch, "meta");
  put_be32(batch, NFTA_META_KEY, key);
  put_be32(batch, NFTA_META_DREG, reg);
  end_expression(batch, meta);
}

void set_mark(struct batch *batch, uint32_t reg) {
  struct expression meta = begin_expression(batch, "meta");
  put_be32(batch, NFTA_META_KEY, NFT_META_MARK);
  put_be32(batch, NFTA_META_SREG, reg);
  end_expression(batch, meta);
}

static struct expression begin_payload(struct batch *batch, uint32_t base, uint32_t offset, uint32_t size) {
  struct expression payload = begin_expression(batch, "payload");
  put_be32(batch, NFTA_PAYLOAD_BASE, base);
  put_be32(batch, NFTA_PAYLOAD_OFFSET, offset);
  put_be32(batch, NFTA_PAYLOAD_LEN, size);
  return payload;
}

static void load_payload(struct batch *batch, uint32_t base, uint32_t offset, uint32_t size, uint32_t reg) {
  struct expression payload = begin_payload(batch, base, offset, size);
  put_be32(batch, NFTA_PAYLOAD_DREG, reg);
  end_expression(batch, payload);
}

void load_network(struct batch *batch, uint32_t offset, uint32_t size, uint32_t reg) {
  load_payload(batch, NFT_PAYLOAD_NETWORK_HEADER, offset, size, reg);
}

void load_transport(struct batch *batch, uint32_t offset, uint32_t size, uint32_t reg) {
  load_payload(batch, NFT_PAYLOAD_TRANSPORT_HEADER, offset, size, reg);
}

// The IPv4 header's checksum at 10, and those of TCP and UDP, which cover the addresses.
void write_address(struct batch *batch, uint32_t offset, uint32_t reg) {
  struct expression payload = begin_payload(batch, NFT_PAYLOAD_NETWORK_HEADER, offset, 4);
  put_be32(batch, NFTA_PAYLOAD_SREG, reg);
  put_be32(batch, NFTA_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET);
  put_be32(batch, NFTA_PAYLOAD_CSUM_OFFSET, 10);
  put_be32(batch, NFTA_PAYLOAD_CSUM_FLAGS, NFT_PAYLOAD_L4CSUM_PSEUDOHDR);
  end_expression(batch, payload);
}

void write_udp_port(struct batch *batch, uint32_t offset, uint32_t reg) {
  struct expression payload = begin_payload(batch, NFT_PAYLOAD_TRANSPORT_HEADER, offset, 2);
  put_be32(batch, NFTA_PAYLOAD_SREG, reg);
  put_be32(batch, NFTA_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET);
  put_be32(batch, NFTA_PAYLOAD_CSUM_OFFSET, 6);
  end_expression(batch, payload);
}

void load_value(struct batch *batch, const void *value, size_t size, uint32_t reg) {
  struct expression immediate = begin_expression(batch, "immediate");
  put_be32(batch, NFTA_IMMEDIATE_DREG, reg);
  put_value(batch, NFTA_IMMEDIATE_DATA, value, size);
  end_expression(batch, immediate);
}

void mask(struct batch *batch, uint32_t reg, const void *bits, size_t size) {
  const unsigned char none[16] = {0};
  struct expression bitwise = begin_expression(batch, "bitwise");
  put_be32(batch, NFTA_BITWISE_SREG, reg);
  put_be32(batch, NFTA_BITWISE_DREG, reg);
  put_be32(batch, NFTA_BITWISE_LEN, (uint32_t)size);
  put_value(batch, NFTA_BITWISE_MASK, bits, size);
  put_value(batch, NFTA_BITWISE_XOR, none, size);
  end_expression(batch, bitwise);
}

void compare(struct batch *batch, uint32_t reg, uint32_t operator, const void *value, size_t size) {
  struct expression cmp = begin_expression(batch, "cmp");
  put_be32(batch, NFTA_CMP_SREG, reg);
  put_be32(batch, NFTA_CMP_OP, operator);
  put_value(batch, NFTA_CMP_DATA, value, size);
  end_expression(batch, cmp);
}

void look_up(struct batch *batch, const char *set, uint32_t key, uint32_t result) {
  struct expression lookup = begin_expression(batch, "lookup");
  put_text(batch, NFTA_LOOKUP_SET, set);
  put_be32(batch, NFTA_LOOKUP_SREG, key);
  if (result != 0) put_be32(batch, NFTA_LOOKUP_DREG, result);
  end_expression(batch, lookup);
}

void update_set(struct batch *batch, uint32_t operator, const char *set, uint32_t key, uint32_t data) {
  struct expression dynset = begin_expression(batch, "dynset");
  put_text(batch, NFTA_DYNSET_SET_NAME, set);
  put_be32(batch, NFTA_DYNSET_OP, operator);
  put_be32(batch, NFTA_DYNSET_SREG_KEY, key);
  if (data != 0) put_be32(batch, NFTA_DYNSET_SREG_DATA, data);
  end_expression(batch, dynset);
}

void load_cgroup(struct batch *batch, uint32_t level, uint32_t reg) {
  struct expression socket = begin_expression(batch, "socket");
  put_be32(batch, NFTA_SOCKET_KEY, NFT_SOCKET_CGROUPV2);
  put_be32(batch, NFTA_SOCKET_DREG, reg);
  put_be32(batch, NFTA_SOCKET_LEVEL, level);
  end_expression(batch, socket);
}

void hand_to_listener(struct batch *batch, uint16_t port) {
  uint16_t number = htons(port);
  load_value(batch, &number, sizeof number, R0);
  struct expression tproxy = begin_expression(batch, "tproxy");
  put_be32(batch, NFTA_TPROXY_FAMILY, NFPROTO_IPV4);
  put_be32(batch, NFTA_TPROXY_REG_PORT, R0);
  end_expression(batch, tproxy);
}

void reset(struct batch *batch) {
  struct expression reject = begin_expression(batch, "reject");
  put_be32(batch, NFTA_REJECT_TYPE, NFT_REJECT_TCP_RST);
  end_expression(batch, reject);
}

static void decide(struct batch *batch, int32_t verdict, const char *chain) {
  struct expression immediate = begin_expression(batch, "immediate");
  put_be32(batch, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
  size_t data = open_nest(batch, NFTA_IMMEDIATE_DATA);
  size_t nest = open_nest(batch, NFTA_DATA_VERDICT);
  put_be32(batch, NFTA_VERDICT_CODE, (uint32_t)verdict);
  if (chain) put_text(batch, NFTA_VERDICT_CHAIN, chain);
  close_nest(batch, nest);
  close_nest(batch, data);
  end_expression(batch, immediate);
}

void accept_packet(struct batch *batch) { decide(batch, NF_ACCEPT, NULL); }

void drop_packet(struct batch *batch) { decide(batch, NF_DROP, NULL); }

void go_to(struct batch *batch, const char *chain) { decide(batch, NFT_GOTO, chain); }

void jump_to(struct batch *batch, const char *chain) { decide(batch, NFT_JUMP, chain); }
