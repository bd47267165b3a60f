// SPDX-License-Identifier: Apache-2.0
// What only the keeper can see of the walls that stand outside of the sandbox: said word for word, for the supervisor to compare with what it said when the
// sandbox had passed its self-check (packages/sandbox/src/standing.ts). Nothing of a job has run by then.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "keeper.h"

#define FACTS_BYTES 4096

// `standing TAB GUARANTEE TAB FACTS`
static int say_facts(const char *guarantee, int (*tell)(char *text, size_t size)) {
  char text[FACTS_BYTES] = "";
  if (tell(text, sizeof text) != 0) return -1;
  say("standing\t%s\t%s", guarantee, text);
  return 0;
}

static int tell_reach(char *text, size_t size) {
  int cgroup = open_gate_cgroup();
  if (cgroup < 0) return -1;
  int result = tell_gate_reach(cgroup, text, size);
  close(cgroup);
  return result;
}

static int tell_sight(char *text, size_t size) {
  snprintf(text, size, "the gate sees %s", gate_sees_nothing() ? "nothing" : "files of the host");
  return 0;
}

int say_standing(bool_t has_gate) {
  if (!has_gate) return 0;
  if (say_facts("network", tell_network_rules) != 0 || say_facts("network", tell_sight) != 0 || say_facts("network", tell_gate_limits) != 0) return -1;
  // Programs of cgroups are the host root's alone (bound_gate).
  return is_rootless() ? 0 : say_facts("network", tell_reach);
}
