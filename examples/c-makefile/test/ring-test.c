// SPDX-License-Identifier: Apache-2.0
#include "ring.h"
#include <stdio.h>
#include <string.h>

static int failures;

#define EXPECT(condition)                                               \
  do {                                                                  \
    if (!(condition)) {                                                 \
      printf("::error file=%s,line=%d::%s\n", __FILE__, __LINE__, #condition); \
      failures++;                                                       \
    }                                                                   \
  } while (0)

static void what_is_written_is_read(void) {
  unsigned char memory[8], out[8];
  struct ring ring;
  ring_init(&ring, memory, sizeof memory);
  EXPECT(ring_write(&ring, "abcde", 5) == 5);
  EXPECT(ring_read(&ring, out, 3) == 3 && memcmp(out, "abc", 3) == 0);
  EXPECT(ring_write(&ring, "fghij", 5) == 5);
  EXPECT(ring_read(&ring, out, 8) == 7 && memcmp(out, "defghij", 7) == 0);
}

static void a_full_ring_takes_no_more(void) {
  unsigned char memory[4];
  struct ring ring;
  ring_init(&ring, memory, sizeof memory);
  EXPECT(ring_write(&ring, "abcdef", 6) == 4);
  EXPECT(ring_is_full(&ring));
  EXPECT(ring_write(&ring, "g", 1) == 0);
}

static void every_split_gives_the_same_bytes(void) {
  unsigned char memory[5], in[200], out[200];
  for (size_t i = 0; i < sizeof in; i++) in[i] = (unsigned char)(i * 31);
  for (size_t step = 1; step <= 7; step++) {
    struct ring ring;
    size_t written = 0, read = 0;
    ring_init(&ring, memory, sizeof memory);
    while (read < sizeof out) {
      size_t left = sizeof in - written;
      written += ring_write(&ring, in + written, left < step ? left : step);
      read += ring_read(&ring, out + read, step);
    }
    EXPECT(memcmp(in, out, sizeof in) == 0);
  }
}

int main(void) {
  what_is_written_is_read();
  a_full_ring_takes_no_more();
  every_split_gives_the_same_bytes();
  printf("%d failures\n", failures);
  return failures != 0;
}
