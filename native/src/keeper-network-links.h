// SPDX-License-Identifier: Apache-2.0
// The link between a job's two network namespaces, with its addresses and routes, written into batches (netlink.h) that nobody has sent yet.
#ifndef SALLYPORT_KEEPER_NETWORK_LINKS_H
#define SALLYPORT_KEEPER_NETWORK_LINKS_H

#include "netlink.h"

// For the gate's namespace: whatever arrives by the job's link is meant for us. It may come before the link.
void write_gate_arrivals(struct batch *batch);

// For the gate's namespace: both ends, the other one in the namespace of that descriptor.
void write_link_pair(struct batch *batch, int job_namespace);

// For the job's namespace.
void write_job_end(struct batch *batch);

// Asks, in the gate's namespace, for the state of its end of the link; what comes is `is_carrying` or not.
void write_link_question(struct batch *batch);
bool_t is_carrying(const struct nlmsghdr *link);

#endif
