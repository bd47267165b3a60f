// SPDX-License-Identifier: Apache-2.0
#include "keeper-network-links.h"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>

#include "keeper-network-rules.h"

// Numbers that no other link in a new namespace has.
#define LOOPBACK_INDEX 1
#define LINK_INDEX 1000
// IF_OPER_UP of linux/if.h, which cannot stand beside net/if.h.
#define OPERATIONAL 6
// More than twice as fast as Ethernet's 1500, which nothing here is.
#define LINK_BYTES 65535

// Of everything that arrives by the job's link, in the gate's namespace: it is for us, whatever its destination.
#define ARRIVALS_TABLE 100
#define ARRIVALS_PRIORITY 100

static const uint8_t gate_mac[6] = {0x02, 0x53, 0x50, 0, 0, 1}, job_mac[6] = {0x02, 0x53, 0x50, 0, 0, 2};

static void add_message(struct batch *batch, uint16_t type, const void *header, size_t size, const char *what) {
  begin_message(batch, type, NLM_F_CREATE | NLM_F_EXCL, header, size, what);
}

static void put_address(struct batch *batch, uint16_t type, uint32_t address) { put_be32(batch, type, address); }

static void raise_link(struct batch *batch, int index) {
  struct ifinfomsg link = {.ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  begin_message(batch, RTM_NEWLINK, 0, &link, sizeof link, "link");
}

static void put_link(struct batch *batch, const char *name, const uint8_t *mac) {
  put_text(batch, IFLA_IFNAME, name);
  put_bytes(batch, IFLA_ADDRESS, mac, 6);
  put_u32(batch, IFLA_MTU, LINK_BYTES);
}

// Both ends at once, each in its place: moving one there afterwards would wait for the whole machine.
static void add_link_pair(struct batch *batch, int job_namespace) {
  struct ifinfomsg link = {.ifi_family = AF_UNSPEC, .ifi_index = LINK_INDEX, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  add_message(batch, RTM_NEWLINK, &link, sizeof link, "veth links (CONFIG_VETH)");
  put_link(batch, GATE_LINK, gate_mac);
  size_t info = open_nest(batch, IFLA_LINKINFO);
  put_text(batch, IFLA_INFO_KIND, "veth");
  size_t data = open_nest(batch, IFLA_INFO_DATA);
  size_t peer = open_nest(batch, VETH_INFO_PEER);
  // An end cannot be raised before it has another.
  link.ifi_flags = link.ifi_change = 0;
  put_header(batch, &link, sizeof link);
  put_link(batch, JOB_LINK, job_mac);
  put_u32(batch, IFLA_NET_NS_FD, (uint32_t)job_namespace);
  close_nest(batch, peer);
  close_nest(batch, data);
  close_nest(batch, info);
}

static void add_address(struct batch *batch, uint32_t address) {
  struct ifaddrmsg header = {.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_scope = RT_SCOPE_UNIVERSE, .ifa_index = LINK_INDEX};
  add_message(batch, RTM_NEWADDR, &header, sizeof header, "address of the job's link");
  put_address(batch, IFA_LOCAL, address);
  put_address(batch, IFA_ADDRESS, address);
}

// The other end never has to be asked for: nothing of the job can answer in its place.
static void add_neighbour(struct batch *batch, uint32_t address, const uint8_t *mac) {
  struct ndmsg header = {.ndm_family = AF_INET, .ndm_ifindex = LINK_INDEX, .ndm_state = NUD_PERMANENT};
  add_message(batch, RTM_NEWNEIGH, &header, sizeof header, "neighbour on the job's link");
  put_address(batch, NDA_DST, address);
  put_bytes(batch, NDA_LLADDR, mac, 6);
}

// By the link; `via` 0: straight.
static void add_route(struct batch *batch, uint32_t destination, uint8_t bits, uint32_t via) {
  struct rtmsg header = {
      .rtm_family = AF_INET,
      .rtm_dst_len = bits,
      .rtm_table = RT_TABLE_MAIN,
      .rtm_protocol = RTPROT_STATIC,
      .rtm_scope = via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
      .rtm_type = RTN_UNICAST,
  };
  add_message(batch, RTM_NEWROUTE, &header, sizeof header, "route of the job's link");
  if (bits > 0) put_address(batch, RTA_DST, destination);
  if (via) put_address(batch, RTA_GATEWAY, via);
  put_u32(batch, RTA_OIF, LINK_INDEX);
}

static void add_arrivals(struct batch *batch) {
  struct rtmsg local = {.rtm_family = AF_INET, .rtm_table = ARRIVALS_TABLE, .rtm_protocol = RTPROT_STATIC, .rtm_scope = RT_SCOPE_HOST, .rtm_type = RTN_LOCAL};
  add_message(batch, RTM_NEWROUTE, &local, sizeof local, "local route (CONFIG_IP_MULTIPLE_TABLES)");
  put_u32(batch, RTA_OIF, LOOPBACK_INDEX);
  struct fib_rule_hdr rule = {.family = AF_INET, .table = ARRIVALS_TABLE, .action = FR_ACT_TO_TBL};
  add_message(batch, RTM_NEWRULE, &rule, sizeof rule, "routing rule (CONFIG_IP_MULTIPLE_TABLES)");
  put_u32(batch, FRA_PRIORITY, ARRIVALS_PRIORITY);
  put_text(batch, FRA_IIFNAME, GATE_LINK);
}

void write_gate_arrivals(struct batch *batch) {
  begin_batch(batch);
  raise_link(batch, LOOPBACK_INDEX);
  add_arrivals(batch);
}

void write_link_pair(struct batch *batch, int job_namespace) {
  begin_batch(batch);
  add_link_pair(batch, job_namespace);
  add_address(batch, GATE_ADDRESS);
  add_neighbour(batch, JOB_ADDRESS, job_mac);
  add_route(batch, JOB_ADDRESS, 32, 0);
  add_route(batch, STEP_NETWORK, STEP_NETWORK_BITS, JOB_ADDRESS);
}

// The loopback, too: a refused connection is told so by it.
void write_job_end(struct batch *batch) {
  begin_batch(batch);
  raise_link(batch, LOOPBACK_INDEX);
  raise_link(batch, LINK_INDEX);
  add_address(batch, JOB_ADDRESS);
  add_neighbour(batch, GATE_ADDRESS, gate_mac);
  add_route(batch, GATE_ADDRESS, 32, 0);
  add_route(batch, 0, 0, GATE_ADDRESS);
}

void write_link_question(struct batch *batch) {
  struct ifinfomsg link = {.ifi_family = AF_UNSPEC, .ifi_index = LINK_INDEX};
  begin_batch(batch);
  begin_message(batch, RTM_GETLINK, NLM_F_ACK, &link, sizeof link, "link");
}

bool_t is_carrying(const struct nlmsghdr *link) {
  size_t header = NLMSG_LENGTH(NLMSG_ALIGN(sizeof(struct ifinfomsg)));
  if (link->nlmsg_type != RTM_NEWLINK || link->nlmsg_len < header) return 0;
  const struct nlattr *state = find_attribute((const char *)link + header, link->nlmsg_len - header, IFLA_OPERSTATE);
  return state && attribute_size(state) == 1 && *(const uint8_t *)attribute_data(state) == OPERATIONAL;
}
