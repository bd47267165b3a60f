// SPDX-License-Identifier: Apache-2.0
// Nothing of it is left when the keeper ends: the namespaces live as long as the job's processes, the gate's sockets and the descriptors below.
#include "keeper-network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper-network-links.h"
#include "keeper-network-rules.h"
#include "keeper.h"
#include "nftables.h"

#define BACKLOG 4096
#define UDP_BUFFER_BYTES (1 << 20)

#define LEVELS_MAX 255
// Where our cgroup namespace is not the machine's, kernels count a cgroup's level from different roots: before 6.11 from the machine's.
#define NESTED_LEVELS 8
#define MACHINE_CGROUP_NAMESPACE 0xEFFFFFFBu

#define OPEN_STEPS_MAX 256

static int gate_links = -1, gate_rules = -1, job_rules = -1;
static struct batch batch;
static uint16_t relay_ports[RELAYS_MAX];
static bool_t has_level[LEVELS_MAX + 1];
// Steps are told apart by time, at the gate's end.
static bool_t by_time;
static struct {
  uint64_t cgroup_id;
  uint32_t source;
} open_steps[OPEN_STEPS_MAX];

static void fail_errno(const char *what, int error) __attribute__((noreturn));
static void fail_errno(const char *what, int error) {
  char text[256];
  bool_t missing = error == ENOENT || error == EOPNOTSUPP || error == EAFNOSUPPORT || error == EPROTONOSUPPORT || error == ENOPROTOOPT;
  snprintf(text, sizeof text, missing ? "%s is missing in this kernel" : "%s", what);
  errno = error;
  fail(text);
}

static void send_or_fail(int fd) {
  const char *refused;
  if (send_batch(fd, &batch, &refused) != 0) fail_errno(refused, errno);
}

static int send_rules(int fd) {
  const char *refused;
  return send_batch(fd, &batch, &refused);
}

// ---- namespaces: the keeper never leaves its own, which without root it could not come back to

#define VISITOR_STACK_BYTES (256 << 10)

static void enter(int namespace) {
  if (setns(namespace, CLONE_NEWNET) != 0) fail("setns network namespace");
}

// A child that has our memory and our descriptors goes for us, while we wait: what it opens there is ours. Where it fails it has said why.
static void visit(int (*go)(void *), void *where) {
  static char stack[VISITOR_STACK_BYTES] __attribute__((aligned(16)));
  int status;
  pid_t child = clone(go, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, where);
  if (child < 0) fail("clone");
  if (waitpid(child, &status, 0) != child) fail("wait for the network namespace");
  if (status != 0) give_up();
}

// Of the namespace that the caller is in. A kernel without IPv6 has no file for it, and nothing to turn off.
static void set_kernel(const char *name, const char *value, bool_t optional) {
  char path[128];
  snprintf(path, sizeof path, "/proc/sys/net/%s", name);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT && optional) return;
  if (fd < 0 || write_all(fd, value, strlen(value)) != 0) fail(path);
  close(fd);
}

// For links made from now on: the loopback keeps what it has.
static void turn_off_ipv6(void) { set_kernel("ipv6/conf/default/disable_ipv6", "1", 1); }

// A closed connection whose other end answers nothing any more would keep its namespace, rules, link and all, for nearly two minutes after the job. No packet is
// ever lost on the way here: two attempts are plenty.
static void forget_closed_connections(void) { set_kernel("ipv4/tcp_orphan_retries", "2", 0); }

static int open_netlink_or_fail(int protocol, const char *what) {
  int fd = open_netlink(protocol);
  if (fd < 0) fail_errno(what, errno);
  return fd;
}

static int open_links(void) { return open_netlink_or_fail(NETLINK_ROUTE, "rtnetlink"); }

static int open_rules(void) { return open_netlink_or_fail(NETLINK_NETFILTER, "nfnetlink (CONFIG_NETFILTER_NETLINK)"); }

// ---- the gate's namespace

static void set_option(int fd, int level, int option, int value, const char *what) {
  if (setsockopt(fd, level, option, &value, sizeof value) != 0) fail_errno(what, errno);
}

// Transparent: it may have addresses that no link has, or not yet.
static int open_socket(int type, uint32_t address, uint16_t port, const char *what) {
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
  int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) fail(what);
  set_option(fd, SOL_IP, IP_TRANSPARENT, 1, "IP_TRANSPARENT");
  if (type == SOCK_STREAM) set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1, what);
  // Beyond what the host allows everybody: root alone.
  else set_option(fd, SOL_SOCKET, is_rootless() ? SO_RCVBUF : SO_RCVBUFFORCE, UDP_BUFFER_BYTES, what);
  if (bind(fd, (struct sockaddr *)&name, sizeof name) != 0) fail(what);
  if (type == SOCK_STREAM && listen(fd, BACKLOG) != 0) fail(what);
  return fd;
}

static int fill_gate_namespace(void *argument) {
  struct gate_sockets *sockets = argument;
  if (unshare(CLONE_NEWNET) != 0) fail_errno("network namespaces (CONFIG_NET_NS)", errno);
  gate_links = open_links();
  gate_rules = open_rules();
  turn_off_ipv6();
  forget_closed_connections();
  sockets->tcp = open_socket(SOCK_STREAM, INADDR_ANY, TCP_PORT, "the gate's TCP socket");
  sockets->dns = open_socket(SOCK_DGRAM, GATE_ADDRESS, DNS_PORT, "the gate's DNS socket");
  for (unsigned i = 0; i < RELAYS_MAX; i++) sockets->relays[i] = open_socket(SOCK_DGRAM, GATE_ADDRESS, RELAY_PORT(i), "a relay's socket");
  return 0;
}

void make_gate_network(struct gate_sockets *sockets) {
  visit(fill_gate_namespace, sockets);
  write_gate_rules(&batch);
  send_or_fail(gate_rules);
  write_gate_arrivals(&batch);
  send_or_fail(gate_links);
}

// ---- the job's namespace

// One that is not ours, whatever the runtime did.
static int open_job_namespace(pid_t pid) {
  char path[64];
  struct stat job, ours;
  snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &job) != 0 || stat("/proc/thread-self/ns/net", &ours) != 0) fail(path);
  if (job.st_dev == ours.st_dev && job.st_ino == ours.st_ino) fail_message("the job has no network namespace of its own");
  return fd;
}

#define LINK_ATTEMPTS 25000
#define LINK_EVERY_US 200

static void note_carrying(const struct nlmsghdr *message, void *context) { *(bool_t *)context |= is_carrying(message); }

// The end that was raised first drops what it is to send, every answer to the job, until a worker of the kernel has noticed the other end; on a loaded host that takes a
// while. Asking makes Linux 6.8 and newer do it at once.
static void await_link(void) {
  bool_t carries = 0;
  for (int attempt = 0; attempt < LINK_ATTEMPTS; attempt++) {
    write_link_question(&batch);
    if (dump(gate_links, &batch, note_carrying, &carries) != 0) fail("state of the job's link");
    if (carries) return;
    usleep(LINK_EVERY_US);
  }
  fail_message("the job's link does not come up");
}

// The rules are there before the link is.
static void connect_job(int job_namespace, int job_links) {
  if (by_time) write_sentry_rules(&batch);
  else write_job_rules(&batch);
  send_or_fail(job_rules);
  write_link_pair(&batch, job_namespace);
  send_or_fail(gate_links);
  write_job_end(&batch);
  send_or_fail(job_links);
  await_link();
}

struct job_visit {
  int namespace, links;
};

static int fill_job_namespace(void *argument) {
  struct job_visit *visit = argument;
  enter(visit->namespace);
  visit->links = open_links();
  job_rules = by_time ? gate_rules : open_rules();
  turn_off_ipv6();
  forget_closed_connections();
  set_kernel("ipv4/fwmark_reflect", "1", 0);
  return 0;
}

void join_job_network(pid_t pid, bool_t has_sentry) {
  by_time = has_sentry;
  struct job_visit job = {open_job_namespace(pid), -1};
  visit(fill_job_namespace, &job);
  connect_job(job.namespace, job.links);
  close(job.links);
  close(job.namespace);
}

// ---- steps

static unsigned levels_to_try(void) {
  struct stat cgroups;
  if (stat("/proc/self/ns/cgroup", &cgroups) == 0 && cgroups.st_ino == MACHINE_CGROUP_NAMESPACE) return 1;
  return NESTED_LEVELS;
}

static unsigned last_level(unsigned level) {
  unsigned last = level + levels_to_try() - 1;
  return last < LEVELS_MAX ? last : LEVELS_MAX;
}

static int find_step(uint64_t cgroup_id) {
  for (int i = 0; i < OPEN_STEPS_MAX; i++)
    if (open_steps[i].cgroup_id == cgroup_id) return i;
  errno = cgroup_id == 0 ? ENOSPC : ENOENT;
  return -1;
}

static int keep_step(int place, uint64_t cgroup_id, uint32_t source) {
  if (send_rules(job_rules) != 0) return -1;
  open_steps[place].cgroup_id = cgroup_id;
  open_steps[place].source = source;
  return 0;
}

// Where steps have no cgroups, one at a time has the network: whatever sends is the open step, since what others left has ended (keeper-sweep.c).
static int open_network(uint32_t source) {
  int place = find_step(0);
  if (place < 0) return -1;
  if (find_step(ANY_CGROUP) >= 0) {
    errno = EBUSY;
    return -1;
  }
  begin_change(&batch);
  if (!has_level[0]) write_any(&batch);
  write_open_step(&batch, ANY_CGROUP, source);
  end_change(&batch);
  if (keep_step(place, ANY_CGROUP, source) != 0) return -1;
  has_level[0] = 1;
  return 0;
}

int open_step_network(uint64_t cgroup_id, unsigned level, uint32_t source) {
  if (cgroup_id == ANY_CGROUP && source != 0 && is_rootless() && !has_cgroups()) return open_network(source);
  if (cgroup_id == 0 || source == 0 || level == 0 || level > LEVELS_MAX) {
    errno = EINVAL;
    return -1;
  }
  int place = find_step(0);
  if (place < 0) return -1;
  begin_change(&batch);
  if (by_time) {
    write_open_turn(&batch, source);
    end_change(&batch);
    return keep_step(place, cgroup_id, source);
  }
  // A cgroup's id is its own at whatever level it is looked for: a rule more lets nothing else through.
  for (unsigned i = level; i <= last_level(level); i++)
    if (!has_level[i]) write_level(&batch, i);
  write_open_step(&batch, cgroup_id, source);
  end_change(&batch);
  if (keep_step(place, cgroup_id, source) != 0) return -1;
  for (unsigned i = level; i <= last_level(level); i++) has_level[i] = 1;
  return 0;
}

int close_step_network(uint64_t cgroup_id) {
  int place = cgroup_id == 0 ? -1 : find_step(cgroup_id);
  if (place < 0) {
    errno = ENOENT;
    return -1;
  }
  begin_change(&batch);
  if (by_time) write_closed_turn(&batch, open_steps[place].source);
  else write_closed_step(&batch, cgroup_id, open_steps[place].source);
  end_change(&batch);
  if (send_rules(job_rules) != 0) return -1;
  open_steps[place].cgroup_id = 0;
  return 0;
}

int set_relay(unsigned index, uint16_t port) {
  if (index >= RELAYS_MAX) {
    errno = EINVAL;
    return -1;
  }
  if (relay_ports[index] == port) return 0;
  write_gate_relay(&batch, index, relay_ports[index], port);
  if (send_rules(gate_rules) != 0) return -1;
  write_job_relay(&batch, index, relay_ports[index], port);
  if (send_rules(job_rules) != 0) return -1;
  relay_ports[index] = port;
  return 0;
}

// ---- whether the rules are still those

static void keep_generation(const struct nlmsghdr *message, void *context) {
  uint32_t generation = 0;
  if (read_generation(message, &generation)) *(uint32_t *)context = generation;
}

static int generation_of(int fd, uint32_t *generation) {
  *generation = 0;
  write_generation_question(&batch);
  if (dump(fd, &batch, keep_generation, generation) != 0) return -1;
  if (*generation != 0) return 0;
  errno = ENODATA;
  return -1;
}

int tell_network_rules(char *text, size_t size) {
  uint32_t job, gate;
  if (generation_of(job_rules, &job) != 0 || generation_of(gate_rules, &gate) != 0) return -1;
  snprintf(text, size, "rules of the job's namespace %u, of the gate's %u", job, gate);
  return 0;
}

// ---- what was refused

struct refused_list {
  struct refused_key keys[REFUSED_MAX];
  size_t count;
};

// A list that was made while the set grew may name an element twice.
static void keep_refused(const void *key, void *context) {
  struct refused_list *list = context;
  for (size_t i = 0; i < list->count; i++)
    if (memcmp(&list->keys[i], key, sizeof list->keys[i]) == 0) return;
  if (list->count < REFUSED_MAX) memcpy(&list->keys[list->count++], key, sizeof list->keys[0]);
}

static void read_refused(const struct nlmsghdr *message, void *context) { each_key(message, sizeof(struct refused_key), keep_refused, context); }

// Takes away what it has read, and nothing that came since.
static int take_list(int fd, enum wall wall, struct refused_list *list) {
  list->count = 0;
  write_refused_list(&batch, wall);
  if (dump(fd, &batch, read_refused, list) != 0) return -1;
  if (list->count == 0) return 0;
  write_refused_removal(&batch, wall, list->keys, list->count);
  return send_rules(fd);
}

int take_refused_packets(void (*each)(const struct refused_packet *)) {
  struct refused_list list;
  size_t left = REFUSED_MAX;
  const int sockets[] = {[JOB_WALL] = job_rules, [GATE_WALL] = gate_rules};
  for (enum wall wall = JOB_WALL; wall <= GATE_WALL; wall++) {
    if (take_list(sockets[wall], wall, &list) != 0) return -1;
    for (size_t i = 0; i < list.count && left > 0; i++, left--) {
      const struct refused_key *key = &list.keys[i];
      const struct refused_packet packet = {key->source, key->destination, key->protocol, ntohs(key->port)};
      each(&packet);
    }
  }
  return 0;
}
