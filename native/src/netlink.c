// SPDX-License-Identifier: Apache-2.0
#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

// The kernel answers within a system call or not at all: this only keeps a fault of ours from hanging a job.
#define ANSWER_LIMIT_SECONDS 5

int open_netlink(int protocol) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd < 0) return -1;
  struct timeval limit = {.tv_sec = ANSWER_LIMIT_SECONDS};
  int on = 1;
  // CAP_ACK: a refusal need not carry the whole request back. A kernel that does not know it sends it all.
  bool_t is_short = setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on) == 0 || errno == ENOPROTOOPT;
  if (is_short && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0) return fd;
  close(fd);
  return -1;
}

// Answers to an earlier batch that was given up are told from this one's by their numbers, which never repeat in a process.
void begin_batch(struct batch *batch) {
  static uint32_t next = 1;
  batch->first = next;
  next += BATCH_MESSAGES;
  batch->count = 0;
  batch->used = batch->message = batch->last = 0;
  batch->too_long = 0;
}

// Zeroed space, or NULL: the batch is not sent then.
static void *extend(struct batch *batch, size_t size) {
  size_t aligned = NLMSG_ALIGN(size);
  if (batch->too_long || aligned > sizeof batch->bytes - batch->used) {
    batch->too_long = 1;
    return NULL;
  }
  void *space = batch->bytes + batch->used;
  memset(space, 0, aligned);
  batch->used += aligned;
  struct nlmsghdr *message = (struct nlmsghdr *)(batch->bytes + batch->message);
  message->nlmsg_len = (uint32_t)(batch->used - batch->message);
  return space;
}

void begin_message(struct batch *batch, uint16_t type, uint16_t flags, const void *header, size_t size, const char *what) {
  if (batch->count == BATCH_MESSAGES) batch->too_long = 1;
  batch->message = batch->used;
  struct nlmsghdr *message = extend(batch, sizeof *message);
  void *rest = extend(batch, size);
  if (!message || !rest) return;
  message->nlmsg_type = type;
  message->nlmsg_flags = NLM_F_REQUEST | flags;
  message->nlmsg_seq = batch->first + batch->count;
  memcpy(rest, header, size);
  if (what) batch->last = batch->message;
  batch->what[batch->count++] = what;
}

void put_bytes(struct batch *batch, uint16_t type, const void *data, size_t size) {
  struct nlattr *attribute = extend(batch, NLA_HDRLEN + size);
  if (!attribute) return;
  attribute->nla_type = type;
  attribute->nla_len = (uint16_t)(NLA_HDRLEN + size);
  if (size > 0) memcpy((char *)attribute + NLA_HDRLEN, data, size);
}

void put_text(struct batch *batch, uint16_t type, const char *text) { put_bytes(batch, type, text, strlen(text) + 1); }

void put_u32(struct batch *batch, uint16_t type, uint32_t value) { put_bytes(batch, type, &value, sizeof value); }

void put_be32(struct batch *batch, uint16_t type, uint32_t value) { put_u32(batch, type, htonl(value)); }

void put_header(struct batch *batch, const void *header, size_t size) {
  void *space = extend(batch, size);
  if (space) memcpy(space, header, size);
}

size_t open_nest(struct batch *batch, uint16_t type) {
  size_t nest = batch->used;
  put_bytes(batch, type | NLA_F_NESTED, NULL, 0);
  return nest;
}

void close_nest(struct batch *batch, size_t nest) {
  if (batch->too_long) return;
  struct nlattr *attribute = (struct nlattr *)(batch->bytes + nest);
  attribute->nla_len = (uint16_t)(batch->used - nest);
}

static int transmit(int fd, struct batch *batch) {
  if (batch->too_long || batch->count == 0) {
    errno = EMSGSIZE;
    return -1;
  }
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  return sendto(fd, batch->bytes, batch->used, 0, (struct sockaddr *)&kernel, sizeof kernel) == (ssize_t)batch->used ? 0 : -1;
}

// Only the kernel's own messages count: other processes may write to a netlink socket as well.
static ssize_t receive(int fd, void *bytes, size_t size) {
  for (;;) {
    struct sockaddr_nl from = {0};
    socklen_t from_size = sizeof from;
    ssize_t got = recvfrom(fd, bytes, size, MSG_TRUNC, (struct sockaddr *)&from, &from_size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (from.nl_pid != 0) continue;
    if ((size_t)got <= size) return got;
    errno = EMSGSIZE;
    return -1;
  }
}

// 1: the answer to the last message has come; 0: not yet; -1: refused.
static int judge(const struct nlmsghdr *message, const struct batch *batch, const char **refused) {
  uint32_t index = message->nlmsg_seq - batch->first;
  if (message->nlmsg_type != NLMSG_ERROR || index >= batch->count) return 0;
  const struct nlmsgerr *answer = NLMSG_DATA(message);
  if (answer->error == 0) return message->nlmsg_seq == ((const struct nlmsghdr *)(batch->bytes + batch->last))->nlmsg_seq;
  if (batch->what[index]) *refused = batch->what[index];
  errno = -answer->error;
  return -1;
}

// Messages are handled in order and refusals always answered, so that only the last one has to ask for an answer.
int send_batch(int fd, struct batch *batch, const char **refused) {
  *refused = "netlink";
  ((struct nlmsghdr *)(batch->bytes + batch->last))->nlmsg_flags |= NLM_F_ACK;
  if (transmit(fd, batch) != 0) return -1;
  char bytes[16384] __attribute__((aligned(NLMSG_ALIGNTO)));
  for (;;) {
    ssize_t got = receive(fd, bytes, sizeof bytes);
    if (got < 0) return -1;
    for (struct nlmsghdr *message = (struct nlmsghdr *)bytes; NLMSG_OK(message, got); message = NLMSG_NEXT(message, got)) {
      int verdict = judge(message, batch, refused);
      if (verdict != 0) return verdict < 0 ? -1 : 0;
    }
  }
}

int dump(int fd, struct batch *batch, void (*each)(const struct nlmsghdr *, void *), void *context) {
  if (transmit(fd, batch) != 0) return -1;
  char bytes[32768] __attribute__((aligned(NLMSG_ALIGNTO)));
  for (;;) {
    ssize_t got = receive(fd, bytes, sizeof bytes);
    if (got < 0) return -1;
    for (struct nlmsghdr *message = (struct nlmsghdr *)bytes; NLMSG_OK(message, got); message = NLMSG_NEXT(message, got)) {
      if (message->nlmsg_seq - batch->first >= batch->count) continue;
      if (message->nlmsg_type == NLMSG_DONE) return 0;
      if (message->nlmsg_type == NLMSG_ERROR) {
        errno = -((struct nlmsgerr *)NLMSG_DATA(message))->error;
        return errno == 0 ? 0 : -1;
      }
      each(message, context);
    }
  }
}

const struct nlattr *find_attribute(const void *attributes, size_t size, uint16_t type) {
  const char *at = attributes;
  while (size >= NLA_HDRLEN) {
    const struct nlattr *attribute = (const struct nlattr *)at;
    if (attribute->nla_len < NLA_HDRLEN || attribute->nla_len > size) return NULL;
    if ((attribute->nla_type & NLA_TYPE_MASK) == type) return attribute;
    size_t step = NLA_ALIGN(attribute->nla_len);
    if (step >= size) return NULL;
    at += step;
    size -= step;
  }
  return NULL;
}
