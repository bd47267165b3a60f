// SPDX-License-Identifier: Apache-2.0
// What the groups of canaries share. Each canary tries to break one wall in a way that does no harm when the wall is missing.
#ifndef SALLYPORT_CANARY_H
#define SALLYPORT_CANARY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define STEP_DIRECTORY "/run/sallyport/step"
#define DISKS_MAX 16
#define NAMESPACE_COUNT 7

struct canary_options {
  const char *root;  // type of the writable root; NULL: overlay
  const char *hostname, *network, *kernel, *disks[DISKS_MAX];
  size_t disk_count;
  uint64_t capabilities, open_files, disk_bytes, inodes, ids;
  uint64_t processes;  // RLIMIT_NPROC of the job; 0: the host counts them in a cgroup
  pid_t peer;
  int is_image;       // the root file system is an image, and not made of the host's own files
  // The kernel that answers is the sandbox's own: its namespaces, ids and file systems are none of the host's, whatever they are called.
  int has_own_kernel;
  const char *host_version;  // the host's /proc/version
  int peer_on_stdin;  // a line on stdin says it, while the other checks run already
  uint64_t host_namespaces[NAMESPACE_COUNT];  // inode numbers outside, in the order of `namespaces` in canary-namespaces.c
};

// Prints `GUARANTEE holds|fails EVIDENCE`.
void report(const char *guarantee, int holds, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

// A call that must be refused. `result` is what it returned; with -1 errno says why. Anything but a refusal means that the call
// reached code behind the wall, also when that code then found fault with the arguments.
void report_refused(const char *guarantee, const char *what, long result);

// 1 for the errnos of a wall.
int is_refusal(int error);

// Reads a small file into `text` (NUL-terminated). Returns its size, or -1 with errno.
ssize_t read_text(const char *path, char *text, size_t size);

// Index of `name` in the order of `host_namespaces`, or -1.
int namespace_index(const char *name, size_t size);

// Writable, and within the limit of the job's disk: what may be mounted writable in a sandbox.
int is_limited_disk(const char *path, const struct canary_options *options);

void check_namespaces(const struct canary_options *options);
void check_mounts(const struct canary_options *options);
void check_network(const struct canary_options *options);
void check_privileges(const struct canary_options *options);
void check_system_calls(void);
void check_kernel_files(void);
void check_host_files(const struct canary_options *options);
void check_devices(void);
void check_limits(const struct canary_options *options);
void check_init(const struct canary_options *options);
void check_peer(const struct canary_options *options);
void check_private_files(const struct canary_options *options);

#endif
