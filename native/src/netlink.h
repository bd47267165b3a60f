// SPDX-License-Identifier: Apache-2.0
// Requests to the kernel over netlink (RFC 3549): several messages are written into one batch, sent at once, and each is answered.
#ifndef SALLYPORT_NETLINK_H
#define SALLYPORT_NETLINK_H

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel.h"

#define BATCH_BYTES 32768
#define BATCH_MESSAGES 128

struct batch {
  uint32_t first, count;  // sequence number of the first message; how many there are
  size_t used, message;   // where the newest message begins
  size_t last;            // and the newest one that is answered
  bool_t too_long;
  const char *what[BATCH_MESSAGES];  // what each message asks for, for whoever reads why it was refused
  unsigned char bytes[BATCH_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
};

// A netlink socket in the caller's present network namespace, where it stays. Answers are waited for with a limit. -1 with errno.
int open_netlink(int protocol);

void begin_batch(struct batch *batch);

// `what` names what is asked for, for whoever reads why it was refused; NULL: the message is not answered.
void begin_message(struct batch *batch, uint16_t type, uint16_t flags, const void *header, size_t size, const char *what);

void put_bytes(struct batch *batch, uint16_t type, const void *data, size_t size);
void put_text(struct batch *batch, uint16_t type, const char *text);
void put_u32(struct batch *batch, uint16_t type, uint32_t value);   // host byte order
void put_be32(struct batch *batch, uint16_t type, uint32_t value);  // the value is in host byte order
void put_header(struct batch *batch, const void *header, size_t size);  // of a message within a nest
size_t open_nest(struct batch *batch, uint16_t type);
void close_nest(struct batch *batch, size_t nest);

// Sends all of it, waits for the answer to the last message. 0, or -1 with errno and in `refused` what the kernel did not do.
int send_batch(int fd, struct batch *batch, const char **refused);

// Sends one request for a list and calls `each` for every message of the answer. 0, or -1 with errno.
int dump(int fd, struct batch *batch, void (*each)(const struct nlmsghdr *message, void *context), void *context);

// The attribute of that type among `size` bytes, or NULL.
const struct nlattr *find_attribute(const void *attributes, size_t size, uint16_t type);
static inline const void *attribute_data(const struct nlattr *attribute) { return (const char *)attribute + NLA_HDRLEN; }
static inline size_t attribute_size(const struct nlattr *attribute) { return attribute->nla_len - NLA_HDRLEN; }

#endif
