// SPDX-License-Identifier: Apache-2.0
// Is there no network but our own loopback? The addresses are reserved for documentation: were there a way out, nobody would answer.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "canary.h"

static int is_unreachable(int error) {
  return error == ENETUNREACH || error == EHOSTUNREACH || error == EADDRNOTAVAIL || error == ENETDOWN;
}

static void report_unreachable(const char *what, int result) {
  int error = errno;
  int refused = result < 0 && (is_unreachable(error) || is_refusal(error) || error == EAFNOSUPPORT);
  report("network-none", refused, "%s: %s", what, result < 0 ? strerror(error) : "sent");
}

// Non-blocking: a connection that is under way (EINPROGRESS) has already left through an interface.
static void check_connect(const char *what, const struct sockaddr *address, socklen_t size, int type) {
  int fd = socket(address->sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    report_unreachable(what, -1);
    return;
  }
  int result = type == SOCK_STREAM ? connect(fd, address, size) : (int)sendto(fd, "", 1, 0, address, size);
  report_unreachable(what, result);
  close(fd);
}

static void check_ways_out(void) {
  struct sockaddr_in web = {.sin_family = AF_INET, .sin_port = htons(443)};
  struct sockaddr_in dns = {.sin_family = AF_INET, .sin_port = htons(53)};
  struct sockaddr_in6 web6 = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
  inet_pton(AF_INET, "192.0.2.1", &web.sin_addr);
  inet_pton(AF_INET, "192.0.2.1", &dns.sin_addr);
  inet_pton(AF_INET6, "2001:db8::1", &web6.sin6_addr);
  check_connect("TCP to 192.0.2.1:443", (struct sockaddr *)&web, sizeof web, SOCK_STREAM);
  check_connect("TCP to [2001:db8::1]:443", (struct sockaddr *)&web6, sizeof web6, SOCK_STREAM);
  check_connect("UDP to 192.0.2.1:53", (struct sockaddr *)&dns, sizeof dns, SOCK_DGRAM);
}

// The first interface that is not the loopback; the file has two lines of heading.
static void check_interfaces(void) {
  char text[8192], *rest = text;
  if (read_text("/proc/self/net/dev", text, sizeof text) <= 0) {
    report("network-none", 0, "/proc/self/net/dev: %s", strerror(errno));
    return;
  }
  for (char *line; (line = strsep(&rest, "\n"));) {
    char *colon = strchr(line, ':');
    if (!colon) continue;
    *colon = 0;
    line += strspn(line, " ");
    if (strcmp(line, "lo") == 0) continue;
    report("network-none", 0, "interface %s", line);
    return;
  }
  report("network-none", 1, "no interface but lo");
}

static void check_routes(void) {
  char text[4096];
  ssize_t size = read_text("/proc/self/net/route", text, sizeof text);
  char *newline = size > 0 ? strchr(text, '\n') : NULL;
  int none = size == 0 || (newline && newline[1 + strspn(newline + 1, " \n")] == 0);
  report("network-none", none, "IPv4 routes: %s", none ? "none" : "some");
}

// Abstract sockets have no file whose permissions could protect them; the namespace is the only wall before the host's.
static void check_abstract_sockets(void) {
  char text[65536];
  ssize_t size = read_text("/proc/self/net/unix", text, sizeof text);
  const char *found = size > 0 ? strchr(text, '@') : NULL;
  if (size < 0) report("network-none", 0, "/proc/self/net/unix: %s", strerror(errno));
  else report("network-none", !found && (size_t)size < sizeof text - 1, "abstract sockets: %.*s", found ? (int)strcspn(found, "\n") : 4, found ? found : "none");
}

struct family {
  const char *name;
  int domain, type, protocol;
};

// Ways around the network namespace (vsock reaches the hypervisor) or rarely tested kernel code that a build never needs.
static const struct family families[] = {
    {"AF_PACKET", AF_PACKET, SOCK_RAW, 0},
    {"AF_INET SOCK_RAW", AF_INET, SOCK_RAW, IPPROTO_ICMP},
    {"AF_INET6 SOCK_RAW", AF_INET6, SOCK_RAW, IPPROTO_ICMPV6},
    {"AF_VSOCK", AF_VSOCK, SOCK_STREAM, 0},
    {"AF_ALG", AF_ALG, SOCK_SEQPACKET, 0},
    {"AF_BLUETOOTH", AF_BLUETOOTH, SOCK_RAW, 1},
    {"AF_CAN", AF_CAN, SOCK_RAW, 1},
    {"AF_TIPC", AF_TIPC, SOCK_SEQPACKET, 0},
    {"AF_KEY", AF_KEY, SOCK_RAW, 2},
    {"AF_RDS", AF_RDS, SOCK_SEQPACKET, 0},
    {"AF_XDP", 44, SOCK_RAW, 0},
};

static void check_families(void) {
  for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
    int fd = socket(families[i].domain, families[i].type | SOCK_CLOEXEC, families[i].protocol);
    int error = errno;
    int absent = error == EAFNOSUPPORT || error == EPROTONOSUPPORT || error == ESOCKTNOSUPPORT;
    report("network-none", fd < 0 && (absent || is_refusal(error)), "socket %s: %s", families[i].name, fd < 0 ? strerror(error) : "allowed");
    if (fd >= 0) close(fd);
  }
}

void check_network(const struct canary_options *options) {
  (void)options;  // only `none` exists, see parse_options
  check_interfaces();
  check_routes();
  check_ways_out();
  check_abstract_sockets();
  check_families();
}
