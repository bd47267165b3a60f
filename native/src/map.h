// SPDX-License-Identifier: Apache-2.0
// Text by a key of bytes, both copied. Whole keys are compared, and the hash has a random seed: what a job names can neither hide nor slow another entry.
#ifndef SALLYPORT_MAP_H
#define SALLYPORT_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_entry;

struct map {
  struct map_entry **slots;
  size_t slot_count, count, max, bytes;
  uint64_t seed;
};

// 0, or -1 with errno.
int map_make(struct map *map, size_t max);
// Of one map: keys and texts may be as long as a job likes.
#define MAP_BYTES_MAX (128u << 20)

// 0; -1 with ENOSPC when it holds `max` already or that many bytes, or ENOMEM. An entry that is there stays as it is.
int map_add(struct map *map, const void *key, size_t size, const char *text);
const char *map_find(const struct map *map, const void *key, size_t size);  // NULL: not there

#endif
