// SPDX-License-Identifier: Apache-2.0
// The static helper: one program, several modes, chosen by argv[1] (or argv[0] for `sudo`).
#ifndef SALLYPORT_H
#define SALLYPORT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Modes that run on the host, as root, before any job code exists.
int keeper_main(int argc, char **argv);
int enter_main(int argc, char **argv);
int exec_in_main(int argc, char **argv);

// Mode that an ordinary user starts.
int outer_main(int argc, char **argv);

// Modes that run inside the sandbox at the job's uid.
int init_main(int argc, char **argv);
int canary_main(int argc, char **argv);
int canary_target_main(int argc, char **argv);  // what the canary tries to trace and signal from another Landlock domain
int put_main(int argc, char **argv);
int list_main(int argc, char **argv);
int read_main(int argc, char **argv);
int step_main(int argc, char **argv);     // in a sandbox whose kernel is its own: starts a step from inside
int sudo_main(int argc, char **argv);

// util.c
void die(const char *what) __attribute__((noreturn));                  // "what: strerror(errno)" on stderr, exit 125
void die_msg(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
int write_all(int fd, const void *data, size_t size);                 // 0, or -1 with errno
int read_exact(int fd, void *data, size_t size);                      // 1 whole, 0 end before the first byte, -1 error or short

// privileges.c: 0, or -1 with errno. Bits of `kept` by capability number; bounding and ambient set first, while CAP_SETPCAP is still there.
int bound_capabilities(uint64_t kept);
int set_capabilities(uint64_t kept);
int install_seccomp(const void *filter, size_t size);  // a `struct sock_filter` array of `size` bytes
void default_signals(void);

// landlock.c: restricts the calling thread so that processes outside its domain can be neither traced nor
// signalled by it. Returns the ABI, or -1 with errno.
int landlock_isolate(void);

// A domain for a program that only reads files and dials out: no change of any file, no TCP port of its own, no abstract socket and no signal
// beyond it, as far as the kernel's ABI goes. Returns the ABI, or -1 with errno.
int landlock_confine(void);

// read.c: answers for one file what `read` mode answers for each path. 0, or -1 with errno when `out_fd` cannot be written.
int read_regular(int dirfd, const char *path, uint64_t max, int out_fd);

#endif
