// SPDX-License-Identifier: Apache-2.0
// Is there no network but our own loopback, or none but the link to the gate?
#include "canary-network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "canary.h"
#include "netlink.h"

#define LINK "eth0"
#define LOOPBACK_INDEX 1

int is_unreachable(int error) {
  return error == ENETUNREACH || error == EHOSTUNREACH || error == EADDRNOTAVAIL || error == ENETDOWN;
}

static void report_unreachable(const char *what, int result) {
  int error = errno;
  int refused = result < 0 && (is_unreachable(error) || is_refusal(error) || error == EAFNOSUPPORT);
  report("network", refused, "%s: %s", what, result < 0 ? strerror(error) : "sent");
}

static socklen_t make_name(struct sockaddr_storage *name, const char *address, int port) {
  struct sockaddr_in *four = (struct sockaddr_in *)name;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)name;
  memset(name, 0, sizeof *name);
  if (inet_pton(AF_INET, address, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons((uint16_t)port);
    return sizeof *four;
  }
  inet_pton(AF_INET6, address, &six->sin6_addr);
  six->sin6_family = AF_INET6;
  six->sin6_port = htons((uint16_t)port);
  return sizeof *six;
}

// Non-blocking: a connection that is under way (EINPROGRESS) has already left through an interface.
void check_refused_at_once(const char *what, const char *address, int port, int type) {
  struct sockaddr_storage name;
  socklen_t size = make_name(&name, address, port);
  int fd = socket(name.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    report_unreachable(what, -1);
    return;
  }
  const struct sockaddr *to = (const struct sockaddr *)&name;
  report_unreachable(what, type == SOCK_STREAM ? connect(fd, to, size) : (int)sendto(fd, "", 1, 0, to, size));
  close(fd);
}

static void check_no_way_out(void) {
  check_refused_at_once("TCP to " NOBODY ":443", NOBODY, 443, SOCK_STREAM);
  check_refused_at_once("UDP to " NOBODY ":53", NOBODY, 53, SOCK_DGRAM);
}

// A link that is down carries nothing, and the job cannot raise it (check_changes): some kernels put a tunnel's into every namespace.
static int is_down(const char *name) {
  struct ifreq request = {0};
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return 0;
  int result = ioctl(fd, SIOCGIFFLAGS, &request);
  close(fd);
  return result == 0 && (request.ifr_flags & IFF_UP) == 0;
}

// The file has two lines of heading; a name may follow blanks.
static void check_interfaces(const char *link) {
  char text[8192], *rest = text;
  if (read_text("/proc/self/net/dev", text, sizeof text) <= 0) {
    report("network", 0, "/proc/self/net/dev: %s", strerror(errno));
    return;
  }
  for (char *line; (line = strsep(&rest, "\n"));) {
    char *colon = strchr(line, ':');
    if (!colon) continue;
    *colon = 0;
    line += strspn(line, " ");
    if (strcmp(line, "lo") == 0 || (link && strcmp(line, link) == 0) || is_down(line)) continue;
    report("network", 0, "interface %s", line);
    return;
  }
  report("network", 1, "no interface up but lo%s%s", link ? " and " : "", link ? link : "");
}

// By the job's link to the gate, or to anywhere by way of the gate. The file has the kernel's own byte order.
static int is_gate_route(const char *line) {
  char name[32];
  unsigned destination, gateway;
  if (sscanf(line, "%31s %x %x", name, &destination, &gateway) != 3 || strcmp(name, LINK) != 0) return 0;
  in_addr_t gate = inet_addr(GATE_ADDRESS_TEXT);
  return gateway == gate || (gateway == 0 && destination == gate);
}

static void check_routes(int has_gate) {
  char text[4096], *rest = text;
  ssize_t size = read_text("/proc/self/net/route", text, sizeof text);
  if (size < 0 || (size_t)size == sizeof text - 1) {
    report("network", 0, "/proc/self/net/route: %s", size < 0 ? strerror(errno) : "too long");
    return;
  }
  strsep(&rest, "\n");
  for (char *line; rest && (line = strsep(&rest, "\n"));) {
    line += strspn(line, " ");
    if (!*line || (has_gate && is_gate_route(line))) continue;
    report("network", 0, "IPv4 route: %.60s", line);
    return;
  }
  report("network", 1, "IPv4 routes: %s", has_gate ? "to the gate only" : "none");
}

// Each line ends with the name of an interface. Without IPv6 there is no such file.
static void check_ipv6_addresses(void) {
  char text[8192], *rest = text, name[32];
  ssize_t size = read_text("/proc/self/net/if_inet6", text, sizeof text);
  if (size < 0 && errno != ENOENT) report("network", 0, "/proc/self/net/if_inet6: %s", strerror(errno));
  for (char *line; size > 0 && (line = strsep(&rest, "\n"));) {
    if (!*line || (sscanf(line, "%*s %*s %*s %*s %*s %31s", name) == 1 && strcmp(name, "lo") == 0)) continue;
    report("network", 0, "IPv6 address: %.80s", line);
    return;
  }
  report("network", 1, "no IPv6 address but the loopback's");
}

// Abstract sockets have no file whose permissions could protect them; the namespace is the only wall before the host's.
static void check_abstract_sockets(void) {
  char text[65536];
  ssize_t size = read_text("/proc/self/net/unix", text, sizeof text);
  const char *found = size > 0 ? strchr(text, '@') : NULL;
  if (size < 0) report("network", 0, "/proc/self/net/unix: %s", strerror(errno));
  else report("network", !found && (size_t)size < sizeof text - 1, "abstract sockets: %.*s", found ? (int)strcspn(found, "\n") : 4, found ? found : "none");
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
    {"AF_NETLINK NETLINK_NETFILTER", AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER},
    {"AF_NETLINK NETLINK_XFRM", AF_NETLINK, SOCK_RAW, NETLINK_XFRM},
};

static void check_families(void) {
  for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
    int fd = socket(families[i].domain, families[i].type | SOCK_CLOEXEC, families[i].protocol);
    int error = errno;
    int absent = error == EAFNOSUPPORT || error == EPROTONOSUPPORT || error == ESOCKTNOSUPPORT;
    report("network", fd < 0 && (absent || is_refusal(error)), "socket %s: %s", families[i].name, fd < 0 ? strerror(error) : "allowed");
    if (fd >= 0) close(fd);
  }
}

union change {
  struct ifinfomsg link;
  struct ifaddrmsg address;
  struct rtmsg route;
  struct ndmsg neighbour;
};

// Nothing would be changed, or too little is said: whoever may not ask at all is refused before the kernel looks at that.
static const struct {
  const char *name;
  uint16_t type;
  size_t size;
  union change change;
} changes[] = {
    {"RTM_NEWLINK", RTM_NEWLINK, sizeof(struct ifinfomsg), {.link = {.ifi_index = LOOPBACK_INDEX}}},
    {"RTM_NEWADDR", RTM_NEWADDR, sizeof(struct ifaddrmsg), {.address = {.ifa_family = AF_INET}}},
    {"RTM_NEWROUTE", RTM_NEWROUTE, sizeof(struct rtmsg), {.route = {.rtm_family = AF_INET, .rtm_dst_len = 255}}},
    {"RTM_NEWNEIGH", RTM_NEWNEIGH, sizeof(struct ndmsg), {.neighbour = {.ndm_family = AF_INET}}},
    {"RTM_NEWRULE", RTM_NEWRULE, sizeof(struct rtmsg), {.route = {.rtm_family = AF_INET, .rtm_dst_len = 255}}},
};

static void check_changes(void) {
  static struct batch batch;
  const char *unused;
  int fd = open_netlink(NETLINK_ROUTE);
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    begin_batch(&batch);
    begin_message(&batch, changes[i].type, 0, &changes[i].change, changes[i].size, changes[i].name);
    report_refused("network", changes[i].name, fd < 0 ? -1 : send_batch(fd, &batch, &unused));
  }
  if (fd >= 0) close(fd);
}

void check_network(const struct canary_options *options) {
  int has_gate = strcmp(options->network, "gate") == 0;
  if (has_gate) ask_gate(options->has_own_kernel);
  else check_no_way_out();
  check_refused_at_once("TCP to [" NOBODY_6 "]:443", NOBODY_6, 443, SOCK_STREAM);
  check_interfaces(has_gate ? LINK : NULL);
  check_routes(has_gate);
  check_ipv6_addresses();
  check_abstract_sockets();
  check_families();
  check_changes();
  if (has_gate) check_gate_answers();
}
