// SPDX-License-Identifier: Apache-2.0
// Both ends of a job's network, driven by lines on stdin, each answered by one line on stdout.
//   `network-probe keeper`: what the keeper does (keeper-network.h), beside a gate that answers everything, or, once `strict`, refuses everything:
//     join PID | open ID LEVEL SOURCE | close ID | relay INDEX PORT | refused | seen | strict | ingress PORT | deaf | drop | left
//   `network-probe job`: a process of a job; results come with how many milliseconds they took:
//     tcp NAME ADDRESS PORT | say NAME TEXT | hear NAME | fill NAME MEBIBYTES | close NAME | serve PORT
//     udp NAME ADDRESS PORT TEXT [BYTES] | lie OWN ADDRESS PORT | ping | route
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "keeper-network.h"
#include "keeper.h"
#include "sallyport.h"

#define PATIENCE_SECONDS 1
#define NAMES 16
#define CONNECTIONS_MAX 64
#define LOG_BYTES 65536
#define SETTLE_MS 500
#define LATE_PORT 81
#define LATE_MS 100

enum { DNS_ANSWER = 0x80, DNS_REFUSED = 5 };

// What keeper-network.c needs of the keeper.
void tear_down(void) {}
void fail(const char *what) { die(what); }
void fail_message(const char *what) { die_msg("%s", what); }
void give_up(void) { exit(125); }
bool_t is_rootless(void) { return 0; }
bool_t has_cgroups(void) { return 1; }

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static struct sockaddr_in to(const char *address, const char *port) {
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  if (inet_pton(AF_INET, address, &name.sin_addr) != 1) die_msg("no address: %s", address);
  return name;
}

static const char *text_of(const struct sockaddr_in *name) {
  static char text[4][32];
  static int next;
  char address[16];
  char *to = text[next = (next + 1) % 4];
  inet_ntop(AF_INET, &name->sin_addr, address, sizeof address);
  snprintf(to, sizeof text[0], "%s:%u", address, ntohs(name->sin_port));
  return to;
}

static void answer(const char *text) {
  puts(text);
  fflush(stdout);
}

static void answer_result(int result) { answer(result == 0 ? "ok" : strerrorname_np(errno)); }

static void answer_timed(const char *result, double start) {
  char text[512];
  snprintf(text, sizeof text, "%s %.3f", result, now_ms() - start);
  answer(text);
}

static size_t split(char *line, char **words, size_t max) {
  size_t count = 0;
  line[strcspn(line, "\n")] = 0;
  for (char *word; count < max && (word = strsep(&line, " "));) words[count++] = word;
  for (size_t i = count; i < max; i++) words[i] = NULL;
  return count;
}

// ---- the keeper, and a gate

static struct gate_sockets gate;
static struct {
  int fd;
  uint16_t port;
} connections[CONNECTIONS_MAX];
static size_t connection_count;
static char seen[LOG_BYTES];
static int strict;

static void note(const char *what) {
  size_t used = strlen(seen);
  snprintf(seen + used, sizeof seen - used, "%s;", what);
}

static void saw(const char *what, const struct sockaddr_in *from, const struct sockaddr_in *to) {
  char text[128];
  snprintf(text, sizeof text, "%s %s %s", what, text_of(from), text_of(to));
  note(text);
}

// Without a byte, as the gate closes a door.
static void reset_connection(int fd) {
  struct linger now = {.l_onoff = 1};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close(fd);
}

static void take_connection(void) {
  struct sockaddr_in from, to;
  socklen_t size = sizeof from;
  int fd = accept4(gate.tcp, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  getsockname(fd, (struct sockaddr *)&to, &size);
  saw("tcp", &from, &to);
  uint16_t port = ntohs(to.sin_port);
  if (connection_count == CONNECTIONS_MAX || (strict && port != 53)) {
    reset_connection(fd);
    return;
  }
  if (!strict) (void)write_all(fd, "hello\n", 6);
  connections[connection_count].fd = fd;
  connections[connection_count++].port = port;
}

// The other end has closed. Does its kernel answer what we still say, so that nothing is left on this side?
static void finish_connection(int fd, uint16_t port) {
  struct tcp_info info = {0};
  socklen_t size = sizeof info;
  // Its close is acknowledged by now, so that only the kernel of that side is left to answer.
  usleep(LATE_MS * 1000);
  if (port == LATE_PORT) (void)!send(fd, "late", 4, MSG_NOSIGNAL);
  shutdown(fd, SHUT_WR);
  for (int waited = 0; waited < SETTLE_MS && getsockopt(fd, SOL_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_state != TCP_CLOSE; waited++) usleep(1000);
  note(info.tcpi_state == TCP_CLOSE ? "closed" : "half closed");
}

static void refuse_question(char *message) {
  message[2] |= (char)DNS_ANSWER;
  message[3] = DNS_REFUSED;
}

// Short messages come back; a flood is only counted by its sender.
static void serve_connection(size_t index) {
  static char bytes[262144];
  int fd = connections[index].fd;
  ssize_t got = read(fd, bytes, sizeof bytes);
  if (got < 0 && errno == EAGAIN) return;
  if (strict && got > 14) refuse_question(bytes + 2);
  if (got > 0 && got < 100) (void)!send(fd, bytes, (size_t)got, MSG_NOSIGNAL);
  if (got > 0) return;
  if (got == 0) finish_connection(fd, connections[index].port);
  else note("cut");
  close(fd);
  connections[index] = connections[--connection_count];
}

static void serve_udp(int fd, const char *what) {
  static char bytes[65536];
  struct sockaddr_in from, own;
  socklen_t size = sizeof from;
  ssize_t got = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &size);
  if (got < 0) return;
  getsockname(fd, (struct sockaddr *)&own, &size);
  saw(what, &from, &own);
  if (strict && got > 12) refuse_question(bytes);
  (void)!sendto(fd, bytes, (size_t)got, 0, (struct sockaddr *)&from, sizeof from);
}

static char refused_text[LOG_BYTES];

static void note_refused(const struct refused_packet *packet) {
  char source[16], destination[16];
  inet_ntop(AF_INET, &packet->source, source, sizeof source);
  inet_ntop(AF_INET, &packet->destination, destination, sizeof destination);
  size_t used = strlen(refused_text);
  snprintf(refused_text + used, sizeof refused_text - used, "%s %s %u %u;", source, destination, packet->protocol, packet->port);
}

static void list_refused(void) {
  refused_text[0] = 0;
  int result = take_refused_packets(note_refused);
  if (result != 0) answer_result(result);
  else answer(refused_text);
}

static void open_step(char **words) {
  struct in_addr source;
  inet_pton(AF_INET, words[3], &source);
  double start = now_ms();
  int result = open_step_network(strtoull(words[1], NULL, 10), (unsigned)atoi(words[2]), source.s_addr);
  answer_timed(result == 0 ? "ok" : strerrorname_np(errno), start);
}

// Returns the namespace to go back to.
static int enter_gate_namespace(void) {
  int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), namespace = ioctl(gate.dns, SIOCGSKNS);
  if (own < 0 || namespace < 0 || setns(namespace, CLONE_NEWNET) != 0) die("enter the gate's namespace");
  close(namespace);
  return own;
}

static void leave_gate_namespace(int own) {
  if (setns(own, CLONE_NEWNET) != 0) die("leave the gate's namespace");
  close(own);
}

// As an attacker might who has got a socket of his own into the gate's namespace.
static void connect_to_job(const char *port) {
  struct sockaddr_in name = to("198.18.0.2", port);
  int own = enter_gate_namespace();
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  leave_gate_namespace(own);
  struct pollfd connected = {.fd = fd, .events = POLLOUT};
  int result = connect(fd, (struct sockaddr *)&name, sizeof name);
  answer(result == 0 || poll(&connected, 1, SETTLE_MS) > 0 ? "answered" : "nothing");
  close(fd);
}

// As the end of a gate's process closes what it has open.
static void drop_connections(void) {
  while (connection_count > 0) close(connections[--connection_count].fd);
}

// How many connections the kernel keeps in the gate's namespace, whoever's.
static void count_left(void) {
  int own = enter_gate_namespace(), count = 0;
  FILE *table = fopen("/proc/thread-self/net/tcp", "re");
  if (!table) die("/proc/thread-self/net/tcp");
  char line[512];
  unsigned state;
  while (fgets(line, sizeof line, table)) count += sscanf(line, "%*s %*s %*s %x", &state) == 1 && state != TCP_LISTEN;
  fclose(table);
  leave_gate_namespace(own);
  snprintf(line, sizeof line, "%d", count);
  answer(line);
}

static void join(const char *pid) {
  double start = now_ms();
  join_job_network(atoi(pid), 0);
  answer_timed("ok", start);
}

static void keep_command(char *line) {
  char *words[5];
  split(line, words, 5);
  if (strcmp(words[0], "join") == 0) join(words[1]);
  else if (strcmp(words[0], "open") == 0) open_step(words);
  else if (strcmp(words[0], "close") == 0) answer_result(close_step_network(strtoull(words[1], NULL, 10)));
  else if (strcmp(words[0], "relay") == 0) answer_result(set_relay((unsigned)atoi(words[1]), (uint16_t)atoi(words[2])));
  else if (strcmp(words[0], "refused") == 0) list_refused();
  else if (strcmp(words[0], "seen") == 0) answer(seen), seen[0] = 0;
  else if (strcmp(words[0], "strict") == 0) strict = 1, answer("ok");
  else if (strcmp(words[0], "ingress") == 0) connect_to_job(words[1]);
  else if (strcmp(words[0], "deaf") == 0) close(gate.tcp), gate.tcp = -1, answer("ok");
  else if (strcmp(words[0], "drop") == 0) drop_connections(), answer("ok");
  else if (strcmp(words[0], "left") == 0) count_left();
  else die_msg("unknown command %s", words[0]);
}

#define FIRST_RELAY 3
#define FIRST_CONNECTION (FIRST_RELAY + RELAYS_MAX)

static void watch(struct pollfd *fds) {
  fds[0].fd = 0, fds[1].fd = gate.tcp, fds[2].fd = gate.dns;
  for (int i = 0; i < RELAYS_MAX; i++) fds[FIRST_RELAY + i].fd = gate.relays[i];
  for (size_t i = 0; i < CONNECTIONS_MAX; i++) fds[FIRST_CONNECTION + i].fd = i < connection_count ? connections[i].fd : -1;
  for (size_t i = 0; i < FIRST_CONNECTION + CONNECTIONS_MAX; i++) fds[i].events = POLLIN, fds[i].revents = 0;
  if (poll(fds, FIRST_CONNECTION + CONNECTIONS_MAX, -1) < 0) die("poll");
}

static void serve(const struct pollfd *fds) {
  for (size_t i = CONNECTIONS_MAX; i-- > 0;)
    if (fds[FIRST_CONNECTION + i].revents) serve_connection(i);
  if (fds[1].revents) take_connection();
  if (fds[2].revents) serve_udp(gate.dns, "dns");
  for (int i = 0; i < RELAYS_MAX; i++)
    if (fds[FIRST_RELAY + i].revents) serve_udp(gate.relays[i], "relay");
}

// Not buffered: what has been read is what poll does not see any more.
static int read_command(char *line, size_t size) {
  size_t used = 0;
  while (used < size - 1 && read_exact(0, line + used, 1) == 1 && line[used] != '\n') used++;
  line[used] = 0;
  return used > 0;
}

static int keeper(void) {
  double start = now_ms();
  make_gate_network(&gate);
  answer_timed("ok", start);
  char line[256];
  for (;;) {
    struct pollfd fds[FIRST_CONNECTION + CONNECTIONS_MAX];
    watch(fds);
    serve(fds);
    if (!fds[0].revents) continue;
    if (!read_command(line, sizeof line)) return 0;
    keep_command(line);
  }
}

// ---- a process of the job

static struct {
  char name[16];
  int fd;
} named[NAMES];

static int *socket_named(const char *name) {
  for (size_t i = 0; i < NAMES; i++)
    if (strcmp(named[i].name, name) == 0) return &named[i].fd;
  for (size_t i = 0; i < NAMES; i++)
    if (!named[i].name[0]) {
      snprintf(named[i].name, sizeof named[i].name, "%s", name);
      return &named[i].fd;
    }
  die_msg("too many names");
}

static void be_patient(int fd) {
  struct timeval limit = {.tv_sec = PATIENCE_SECONDS};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

static void reply_of(int fd, double start) {
  char bytes[256];
  ssize_t got = recv(fd, bytes, sizeof bytes - 1, 0);
  bytes[got > 0 ? got : 0] = 0;
  bytes[strcspn(bytes, "\n")] = 0;
  answer_timed(got < 0 ? strerrorname_np(errno) : got == 0 ? "end" : bytes, start);
}

// A connection that the gate says hello on.
static void connect_named(char **words) {
  struct sockaddr_in name = to(words[2], words[3]);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  be_patient(fd);
  double start = now_ms();
  *socket_named(words[1]) = fd;
  if (connect(fd, (struct sockaddr *)&name, sizeof name) != 0) return answer_timed(strerrorname_np(errno), start);
  reply_of(fd, start);
}

static void say_to(char **words) {
  int fd = *socket_named(words[1]);
  double start = now_ms();
  if (send(fd, words[2], strlen(words[2]), MSG_NOSIGNAL) < 0) return answer_timed(strerrorname_np(errno), start);
  reply_of(fd, start);
}

static void fill(char **words) {
  static char bytes[1 << 20];
  int fd = *socket_named(words[1]);
  double start = now_ms();
  for (int left = atoi(words[2]); left > 0; left--)
    if (write_all(fd, bytes, sizeof bytes) != 0) return answer_result(-1);
  answer_timed("ok", start);
}

static void send_datagram(char **words) {
  static char bytes[65536];
  struct sockaddr_in name = to(words[2], words[3]), from;
  size_t size = words[5] ? (size_t)atoi(words[5]) : strlen(words[4]);
  memcpy(bytes, words[4], strlen(words[4]));
  int *fd = socket_named(words[1]);
  if (*fd == 0) be_patient(*fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  double start = now_ms();
  socklen_t from_size = sizeof from;
  char text[64];
  if (sendto(*fd, bytes, size, 0, (struct sockaddr *)&name, sizeof name) < 0) return answer_timed(strerrorname_np(errno), start);
  ssize_t got = recvfrom(*fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &from_size);
  if (got >= 0) snprintf(text, sizeof text, "%zd from %s", got, text_of(&from));
  answer_timed(got < 0 ? strerrorname_np(errno) : text, start);
}

// A datagram from a socket that has given itself somebody else's address: it takes a privilege that no job has.
static void send_lie(char **words) {
  struct sockaddr_in own = to(words[1], "0"), name = to(words[2], words[3]);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;
  if (setsockopt(fd, SOL_IP, IP_TRANSPARENT, &on, sizeof on) != 0 || bind(fd, (struct sockaddr *)&own, sizeof own) != 0) die("IP_TRANSPARENT");
  double start = now_ms();
  answer_timed(sendto(fd, "x", 1, 0, (struct sockaddr *)&name, sizeof name) == 1 ? "ok" : strerrorname_np(errno), start);
  close(fd);
}

// Neither TCP nor UDP.
static void send_ping(void) {
  struct sockaddr_in name = to("192.0.2.1", "0");
  int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
  double start = now_ms();
  ssize_t sent = sendto(fd, "\x08\0\0\0\0\0\0\0", 8, 0, (struct sockaddr *)&name, sizeof name);
  answer_timed(sent == 8 ? "ok" : strerrorname_np(errno), start);
  close(fd);
}

// By way of the gate to somebody else (loose source route).
static void send_routed(void) {
  const unsigned char route[] = {131, 7, 4, 192, 0, 2, 1, 0};
  struct sockaddr_in name = to("198.18.0.1", "53");
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (setsockopt(fd, SOL_IP, IP_OPTIONS, route, sizeof route) != 0) die("IP_OPTIONS");
  double start = now_ms();
  answer_timed(sendto(fd, "x", 1, 0, (struct sockaddr *)&name, sizeof name) == 1 ? "ok" : strerrorname_np(errno), start);
  close(fd);
}

static void listen_on(const char *port) {
  struct sockaddr_in name = to("0.0.0.0", port);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  answer_result(fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof name) != 0 ? -1 : listen(fd, 1));
}

static void job_command(char *line) {
  char *words[6];
  split(line, words, 6);
  if (strcmp(words[0], "tcp") == 0) connect_named(words);
  else if (strcmp(words[0], "say") == 0) say_to(words);
  else if (strcmp(words[0], "hear") == 0) reply_of(*socket_named(words[1]), now_ms());
  else if (strcmp(words[0], "fill") == 0) fill(words);
  else if (strcmp(words[0], "close") == 0) answer_result(close(*socket_named(words[1])));
  else if (strcmp(words[0], "serve") == 0) listen_on(words[1]);
  else if (strcmp(words[0], "udp") == 0) send_datagram(words);
  else if (strcmp(words[0], "lie") == 0) send_lie(words);
  else if (strcmp(words[0], "ping") == 0) send_ping();
  else if (strcmp(words[0], "route") == 0) send_routed();
  else die_msg("unknown command %s", words[0]);
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "keeper") == 0) return keeper();
  if (argc != 2 || strcmp(argv[1], "job") != 0) die_msg("usage: network-probe keeper|job");
  char line[256];
  while (fgets(line, sizeof line, stdin)) job_command(line);
  return 0;
}
