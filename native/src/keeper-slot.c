// SPDX-License-Identifier: Apache-2.0
// The id range of a sandbox: a numbered lock file a range.
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "keeper.h"

// Above what systemd hands out to containers (0x6FFFFFFF), below the sign bit, clear of /etc/subuid's usual places.
#define ID_BASE 0x70000000u
// SLOTS of them, each as far from the next as ID_COUNT; without root a user's own ids are mapped to the beginning of each (packages/sandbox/src/rootless).
// One id for each slot's gate, in the range after the last slot's.
#define GATE_ID_BASE (ID_BASE + SLOTS * ID_COUNT)

static unsigned slot;
static bool_t slot_claimed;

// The lock is held until this process ends, so that no two live jobs ever share ids.
void claim_slot(void) {
  if (!is_rootless()) {
    make_dir(RUN_DIR, 0755);
    make_dir(SLOT_DIR, 0700);
    make_dir(BOX, 0755);
  }
  for (slot = 0; slot < slot_count(); slot++) {
    char path[4200];
    snprintf(path, sizeof path, "%s/%u", slot_directory(), slot);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) fail(path);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
      slot_claimed = 1;
      return;
    }
    close(fd);
  }
  fail_message("all id ranges are in use");
}

unsigned id_base(void) { return ID_BASE + slot * ID_COUNT; }

unsigned gate_id(void) { return GATE_ID_BASE + slot; }

bool_t has_slot(void) { return slot_claimed; }

unsigned slot_number(void) { return slot; }
