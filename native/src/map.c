// SPDX-License-Identifier: Apache-2.0
#include "map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct map_entry {
  struct map_entry *next;
  char *text;
  size_t size;
  unsigned char key[];
};

int map_make(struct map *map, size_t max) {
  *map = (struct map){.max = max, .slot_count = 1024};
  while (map->slot_count < max) map->slot_count *= 2;
  if (getrandom(&map->seed, sizeof map->seed, 0) != sizeof map->seed) return -1;
  map->slots = calloc(map->slot_count, sizeof *map->slots);
  return map->slots ? 0 : -1;
}

static struct map_entry **slot_of(const struct map *map, const void *key, size_t size) {
  const unsigned char *bytes = key;
  uint64_t hash = map->seed;
  for (size_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * 0x9e3779b97f4a7c15u, hash ^= hash >> 29;
  return &map->slots[hash & (map->slot_count - 1)];
}

static struct map_entry *entry_of(const struct map *map, const void *key, size_t size) {
  struct map_entry *entry = *slot_of(map, key, size);
  while (entry && (entry->size != size || memcmp(entry->key, key, size) != 0)) entry = entry->next;
  return entry;
}

const char *map_find(const struct map *map, const void *key, size_t size) {
  const struct map_entry *entry = entry_of(map, key, size);
  return entry ? entry->text : NULL;
}

int map_add(struct map *map, const void *key, size_t size, const char *text) {
  if (entry_of(map, key, size)) return 0;
  size_t bytes = size + strlen(text) + sizeof(struct map_entry);
  if (map->count >= map->max || map->bytes + bytes > MAP_BYTES_MAX) {
    errno = ENOSPC;
    return -1;
  }
  struct map_entry *entry = malloc(sizeof *entry + size);
  char *copy = strdup(text);
  if (!entry || !copy) return -1;
  struct map_entry **slot = slot_of(map, key, size);
  entry->next = *slot, entry->text = copy, entry->size = size;
  memcpy(entry->key, key, size);
  *slot = entry;
  map->count++, map->bytes += bytes;
  return 0;
}
