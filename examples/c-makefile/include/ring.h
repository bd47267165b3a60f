// SPDX-License-Identifier: Apache-2.0
#ifndef RING_H
#define RING_H

#include <stdbool.h>
#include <stddef.h>

#define RING_VERSION "0.4.1"

// A queue of bytes with a fixed capacity, in memory that the caller owns.
struct ring {
  unsigned char *bytes;
  size_t capacity, start, length;
};

void ring_init(struct ring *ring, void *memory, size_t capacity);
// Takes as much as fits; returns how much.
size_t ring_write(struct ring *ring, const void *data, size_t size);
size_t ring_read(struct ring *ring, void *data, size_t size);
bool ring_is_full(const struct ring *ring);

#endif
