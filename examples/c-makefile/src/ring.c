// SPDX-License-Identifier: Apache-2.0
#include "ring.h"
#include <string.h>

void ring_init(struct ring *ring, void *memory, size_t capacity) {
  *ring = (struct ring){.bytes = memory, .capacity = capacity};
}

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

size_t ring_write(struct ring *ring, const void *data, size_t size) {
  size_t count = smaller(size, ring->capacity - ring->length);
  if (count == 0) return 0;
  size_t end = (ring->start + ring->length) % ring->capacity;
  size_t first = smaller(count, ring->capacity - end);
  memcpy(ring->bytes + end, data, first);
  memcpy(ring->bytes, (const unsigned char *)data + first, count - first);
  ring->length += count;
  return count;
}

size_t ring_read(struct ring *ring, void *data, size_t size) {
  size_t count = smaller(size, ring->length);
  if (count == 0) return 0;
  size_t first = smaller(count, ring->capacity - ring->start);
  memcpy(data, ring->bytes + ring->start, first);
  memcpy((unsigned char *)data + first, ring->bytes, count - first);
  ring->start = (ring->start + count) % ring->capacity;
  ring->length -= count;
  return count;
}

bool ring_is_full(const struct ring *ring) { return ring->length == ring->capacity; }
