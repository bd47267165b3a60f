// SPDX-License-Identifier: Apache-2.0
// Does the gate stand at the end of the only link, and refuse? This runs as a step without a single rule.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "canary-network.h"
#include "canary.h"

#define PATIENCE_MS 2000
#define ANSWER_BYTES 512

// RFC 1035: `canary.invalid`, A, IN. RFC 6761 says that nobody has it.
static const uint8_t question[] = {
    0x53, 0x50, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0, 6, 'c', 'a', 'n', 'a', 'r', 'y', 7, 'i', 'n', 'v', 'a', 'l', 'i', 'd', 0, 0, 1, 0, 1,
};
enum { HEADER_BYTES = 12, NAME_ERROR = 3, REFUSED = 5 };

enum kind { CONNECTION, DNS_UDP, DNS_TCP };

static struct probe {
  const char *what, *address;
  enum kind kind;
  int port, fd, asked, error;
  size_t used;
  uint8_t answer[ANSWER_BYTES];
} probes[] = {
    {.what = "TCP to " NOBODY ":443", .address = NOBODY, .kind = CONNECTION, .port = 443},
    {.what = "DNS by UDP to " GATE_ADDRESS_TEXT, .address = GATE_ADDRESS_TEXT, .kind = DNS_UDP, .port = 53},
    {.what = "DNS by UDP to " NOBODY, .address = NOBODY, .kind = DNS_UDP, .port = 53},
    {.what = "DNS by TCP to " GATE_ADDRESS_TEXT, .address = GATE_ADDRESS_TEXT, .kind = DNS_TCP, .port = 53},
};
#define PROBES (sizeof probes / sizeof *probes)

static struct timespec started;

static int elapsed_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int)((now.tv_sec - started.tv_sec) * 1000 + (now.tv_nsec - started.tv_nsec) / 1000000);
}

static void give_up(struct probe *probe) {
  if (probe->fd >= 0) close(probe->fd);
  probe->fd = -1;
}

static void fail_probe(struct probe *probe) {
  probe->error = errno;
  give_up(probe);
}

static void start_probe(struct probe *probe) {
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)probe->port)};
  inet_pton(AF_INET, probe->address, &name.sin_addr);
  probe->fd = socket(AF_INET, (probe->kind == DNS_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  // Connected datagram sockets hear only whom they asked.
  if (probe->fd < 0 || (connect(probe->fd, (struct sockaddr *)&name, sizeof name) != 0 && errno != EINPROGRESS)) fail_probe(probe);
  else if (probe->kind == DNS_UDP && send(probe->fd, question, sizeof question, 0) < 0) fail_probe(probe);
}

// A network stack of the sandbox's own says "sent" of what is refused behind it: the host tells what became of it (packages/sandbox/src/drivers/sentry-sandbox.ts).
static void send_datagram(void) {
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(443)};
  inet_pton(AF_INET, NOBODY, &name.sin_addr);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ssize_t sent = sendto(fd, "", 1, 0, (struct sockaddr *)&name, sizeof name);
  report("network", sent == 1, "a datagram to " NOBODY ":443 for the host to find: %s", sent == 1 ? "sent" : strerror(errno));
  if (fd >= 0) close(fd);
}

void ask_gate(int has_own_kernel) {
  clock_gettime(CLOCK_MONOTONIC, &started);
  for (size_t i = 0; i < PROBES; i++) start_probe(&probes[i]);
  if (has_own_kernel) send_datagram();
  else check_refused_at_once("UDP to " NOBODY ":443", NOBODY, 443, SOCK_DGRAM);
}

static void ask_by_tcp(struct probe *probe) {
  uint8_t framed[2 + sizeof question] = {0, sizeof question};
  memcpy(framed + 2, question, sizeof question);
  probe->asked = 1;
  if (send(probe->fd, framed, sizeof framed, MSG_NOSIGNAL) != (ssize_t)sizeof framed) fail_probe(probe);
}

// RFC 1035, section 4.2.2: by TCP its size goes before a message.
static size_t framing(const struct probe *probe) { return probe->kind == DNS_TCP ? 2 : 0; }

static int is_answered(const struct probe *probe) {
  if (probe->kind == CONNECTION) return probe->used > 0;
  return probe->used >= framing(probe) + HEADER_BYTES;
}

static void hear(struct probe *probe) {
  ssize_t got = recv(probe->fd, probe->answer + probe->used, sizeof probe->answer - probe->used, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got < 0) {
    fail_probe(probe);
    return;
  }
  probe->used += (size_t)got;
  if (got == 0 || is_answered(probe)) give_up(probe);
}

static void advance(struct probe *probe, short events) {
  if (probe->kind == DNS_TCP && !probe->asked && events & POLLOUT) ask_by_tcp(probe);
  else if (events & (POLLIN | POLLERR | POLLHUP)) hear(probe);
}

// 0 when nothing is left to wait for.
static int watch_probes(struct pollfd *fds) {
  int waiting = 0;
  for (size_t i = 0; i < PROBES; i++) {
    fds[i] = (struct pollfd){.fd = probes[i].fd, .events = POLLIN};
    if (probes[i].kind == DNS_TCP && !probes[i].asked) fds[i].events |= POLLOUT;
    waiting += probes[i].fd >= 0;
  }
  return waiting;
}

static void await_answers(void) {
  struct pollfd fds[PROBES];
  while (watch_probes(fds)) {
    int left = PATIENCE_MS - elapsed_ms();
    int ready = left > 0 ? poll(fds, PROBES, left) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return;
    for (size_t i = 0; i < PROBES; i++)
      if (fds[i].revents) advance(&probes[i], fds[i].revents);
  }
}

// Reset, refused, or closed before a byte.
static int is_turned_away(const struct probe *probe) {
  int refused = probe->error == 0 || probe->error == ECONNRESET || probe->error == ECONNREFUSED || is_unreachable(probe->error) || is_refusal(probe->error);
  return probe->fd < 0 && probe->used == 0 && refused;
}

static void report_connection(const struct probe *probe) {
  if (probe->used > 0) report("network", 0, "%s: bytes came back", probe->what);
  else if (probe->fd >= 0) report("network", 0, "%s: neither refused nor closed within %d ms", probe->what, PATIENCE_MS);
  else report("network", is_turned_away(probe), "%s: %s", probe->what, probe->error ? strerror(probe->error) : "closed without a byte");
}

static void report_dns(const struct probe *probe) {
  const uint8_t *answer = probe->answer + framing(probe);
  if (probe->fd >= 0 || !is_answered(probe)) {
    report("network", 0, "%s: %s", probe->what, probe->fd >= 0 ? "no answer" : probe->error ? strerror(probe->error) : "closed");
    return;
  }
  int ours = answer[0] == question[0] && answer[1] == question[1] && answer[2] & 0x80, code = answer[3] & 0x0f, records = answer[6] << 8 | answer[7];
  report("network", ours && records == 0 && (code == NAME_ERROR || code == REFUSED), "%s: code %d, %d records", probe->what, code, records);
}

void check_gate_answers(void) {
  await_answers();
  for (size_t i = 0; i < PROBES; i++) {
    // A connection that the gate does not even take for a question is refused as any other.
    if (probes[i].kind == CONNECTION || (probes[i].kind == DNS_TCP && is_turned_away(&probes[i]))) report_connection(&probes[i]);
    else report_dns(&probes[i]);
    give_up(&probes[i]);
  }
}
