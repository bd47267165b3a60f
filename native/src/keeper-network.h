// SPDX-License-Identifier: Apache-2.0
// The pair of network namespaces of one job: the gate's, in which only listening sockets and the kernel's rules are, and the job's, whose one link
// leads there. Addresses and ports: packages/core/src/job-network.ts. Host side, root, reads nothing of a job.
//
// In the gate's namespace: veth `gw0`; every address is local (`local 0.0.0.0/0 dev lo`); all TCP is handed to one transparent listener with its
// destination kept (nft tproxy, no connection tracking); UDP 53 arrives at one socket whatever address it was sent to; everything else is
// dropped, and told apart in a bounded set. In the job's: `eth0`, default route to the gate, no IPv6 but the loopback's; the source address of each packet is
// rewritten, without state, by the cgroup that owns its socket (nft `socket cgroupv2`): a packet of no open step is rejected at once.
#ifndef SALLYPORT_KEEPER_NETWORK_H
#define SALLYPORT_KEEPER_NETWORK_H

#include <stdint.h>
#include <sys/types.h>

#include "kernel.h"

#define RELAYS_MAX 8

struct gate_sockets {
  int tcp, dns, relays[RELAYS_MAX];
};

// Makes the gate's namespace and its sockets; the caller's own network namespace stays as it is. `fail`s where the kernel lacks something, naming it.
void make_gate_network(struct gate_sockets *sockets);

// After the runtime has created the container: joins the namespace of `pid` to the gate's. With `has_sentry` the packets of the job never pass the kernel's own
// network stack in there: what tells steps apart stands at the gate's end of the link (keeper-network-sentry-rules.c), and there is one step at a time.
void join_job_network(pid_t pid, bool_t has_sentry);

// A step's cgroup (id: inode of its directory in the cgroup2 hierarchy; level: its depth there) begins and ceases to have a network. 0, or -1 with errno.
#define ANY_CGROUP UINT64_MAX  // in place of an id, where there are no cgroups: every packet of the job, and one step at a time
int open_step_network(uint64_t cgroup_id, unsigned level, uint32_t source);
int close_step_network(uint64_t cgroup_id);

// UDP of any open step to relayAddress(index):port reaches relay socket `index`. Port 0 takes the relay away again.
int set_relay(unsigned index, uint16_t port);

// What the kernel refused, since the last call: `each` is called for at most 256 distinct (source, destination, protocol, port). Source 0: no open step. 0, or -1.
struct refused_packet {
  uint32_t source, destination;  // network byte order
  uint8_t protocol;              // IPPROTO_*
  uint16_t port;                 // host byte order
};
int take_refused_packets(void (*each)(const struct refused_packet *));

// In both namespaces: the numbers of their rules, which every change makes greater. 0, or -1 with errno.
int tell_network_rules(char *text, size_t size);

#endif
