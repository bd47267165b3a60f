// SPDX-License-Identifier: Apache-2.0
// What the supervisor asks of a running sandbox: the network of its steps, the end of what they left, and its source. One line of tab-separated fields for each request, answered in order.
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "keeper.h"

// As long as a sandbox waits for its job (packages/agent/src/prepare/warm-pool.ts), and a minute.
#define WARM_MS_MAX (11 * 60 * 1000)

static void answer(int result) {
  if (result == 0) say("ok");
  else say("refused\t%s", strerror(errno));
}

static int open_step(const char *id, const char *level, const char *source) {
  struct in_addr address;
  if (inet_pton(AF_INET, source, &address) != 1) {
    errno = EINVAL;
    return -1;
  }
  return open_step_network(strtoull(id, NULL, 10), (unsigned)strtoul(level, NULL, 10), address.s_addr);
}

static void say_packet(const struct refused_packet *packet) {
  char source[INET_ADDRSTRLEN], destination[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &packet->source, source, sizeof source);
  inet_ntop(AF_INET, &packet->destination, destination, sizeof destination);
  say("packet\t%s\t%s\t%u\t%u", source, destination, packet->protocol, packet->port);
}

// step-open CGROUP LEVEL SOURCE | step-close CGROUP | relay INDEX PORT | packets | sweep | standing | cgroups-warm MS | source-…
bool_t answer_request(const struct setup *setup, pid_t init, bool_t has_gate) {
  char line[LINE_MAX_BYTES];
  if (!hear_line(line, sizeof line)) return 0;
  char *rest = line;
  const char *word = strsep(&rest, "\t"), *first = strsep(&rest, "\t"), *second = strsep(&rest, "\t"), *third = strsep(&rest, "\t");
  if (strcmp(word, "step-open") == 0 && third) {
    answer(open_step(first, second, third));
  } else if (strcmp(word, "step-close") == 0 && first) {
    answer(close_step_network(strtoull(first, NULL, 10)));
  } else if (strcmp(word, "relay") == 0 && second) {
    answer(set_relay((unsigned)strtoul(first, NULL, 10), (uint16_t)strtoul(second, NULL, 10)));
  } else if (strcmp(word, "packets") == 0) {
    answer(take_refused_packets(say_packet));
  } else if (strcmp(word, "sweep") == 0) {
    answer(sweep_sandbox(init));
  } else if (strcmp(word, "standing") == 0) {
    answer(say_standing(has_gate));
  } else if (strcmp(word, "cgroups-warm") == 0 && first) {
    unsigned long ms = strtoul(first, NULL, 10);
    keep_cgroups_warm(ms < WARM_MS_MAX ? (unsigned)ms : WARM_MS_MAX);
    answer(0);
  } else if (strncmp(word, "source-", 7) == 0) {
    const char *why = source_request(setup, init, word, first);
    if (why) say("refused\t%s", why);
    else say("ok");
  } else {
    say("refused\tunknown request");
  }
  return 1;
}
