// SPDX-License-Identifier: Apache-2.0
// Opening what lies below a directory that a job may change under our hands, and the little-endian numbers of the pump's frames.
#ifndef SALLYPORT_BENEATH_H
#define SALLYPORT_BENEATH_H

#include <stddef.h>
#include <stdint.h>

#define PUMP_PATH_MAX 4096
#define COMPONENT_MAX 255

// Relative, `/`-separated, no empty, `.` or `..` component, no NUL, at most PUMP_PATH_MAX bytes.
int path_is_clean(const char *path, size_t size);

// The pump's ROOT argument: an absolute directory, no symlink in any component. -1 with errno.
int open_root(const char *path);

// Neither symlinks nor `..` nor magic links lead out of `dirfd`. `more_resolve` is added to that. -1 with errno.
int open_beneath(int dirfd, const char *path, int flags, uint64_t more_resolve);

void put_le32(unsigned char *at, uint32_t value);
void put_le64(unsigned char *at, uint64_t value);
uint32_t get_le32(const unsigned char *at);
uint64_t get_le64(const unsigned char *at);

// A decimal number between 1 and `max`, nothing before or after it; ends the program with a message naming `what` otherwise.
uint64_t parse_count(const char *text, uint64_t max, const char *what);

#endif
