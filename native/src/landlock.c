// SPDX-License-Identifier: Apache-2.0
// A Landlock domain for one step. All processes of a job share one uid, so that only the domain stands between a step and what an
// earlier step left running. Nothing of the file system is restricted: namespaces and mounts do that.
#include "sallyport.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

// Written out because the oldest supported distribution's headers know only the first ABI. The numbers are the same on all architectures.
#define NR_LANDLOCK_CREATE_RULESET 444
#define NR_LANDLOCK_ADD_RULE 445
#define NR_LANDLOCK_RESTRICT_SELF 446
#define CREATE_RULESET_VERSION (1U << 0)
#define RULE_PATH_BENEATH 1
#define ACCESS_FS_MAKE_BLOCK (1ULL << 11)
#define ACCESS_FS_REFER (1ULL << 13)
// All that changes something: WRITE_FILE, REMOVE_DIR to MAKE_SYM, then REFER (ABI 2), TRUNCATE (3) and IOCTL_DEV (5).
#define ACCESS_FS_CHANGES 0x1ff2ULL
#define ACCESS_FS_TRUNCATE (1ULL << 14)
#define ACCESS_FS_IOCTL_DEV (1ULL << 15)
#define ACCESS_NET_BIND_TCP (1ULL << 0)
#define SCOPE_ABSTRACT_UNIX_SOCKET (1ULL << 0)
#define SCOPE_SIGNAL (1ULL << 1)

#define ABI_REFER 2
#define ABI_TRUNCATE 3
#define ABI_NET 4
#define ABI_IOCTL_DEV 5
#define ABI_SCOPE 6

struct ruleset_attr {
  uint64_t handled_access_fs;
  uint64_t handled_access_net;
  uint64_t scoped;
};

struct path_beneath_attr {
  uint64_t allowed_access;
  int32_t parent_fd;
} __attribute__((packed));

static int create_ruleset(const struct ruleset_attr *attr, size_t size) {
  return (int)syscall(NR_LANDLOCK_CREATE_RULESET, attr, size, 0);
}

// A domain that handles REFER refuses moving files between directories where no rule allows it: allow it everywhere.
static int allow_refer_everywhere(int ruleset) {
  int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return -1;
  struct path_beneath_attr rule = {.allowed_access = ACCESS_FS_REFER, .parent_fd = root};
  int result = (int)syscall(NR_LANDLOCK_ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0);
  int saved = errno;
  close(root);
  errno = saved;
  return result;
}

static int scoped_ruleset(void) {
  struct ruleset_attr attr = {.scoped = SCOPE_SIGNAL};
  return create_ruleset(&attr, sizeof attr);
}

// Before ABI 6 an empty ruleset is refused, so it handles one right that a job never has anyway (making block devices). Being in a
// domain at all is what stops tracing; signals stay possible, and the self-check says so. On ABI 1 every domain also refuses moving
// files between directories (EXDEV), which programs treat like a move between file systems.
static int legacy_ruleset(int abi) {
  int refer = abi >= ABI_REFER;
  struct ruleset_attr attr = {.handled_access_fs = ACCESS_FS_MAKE_BLOCK | (refer ? ACCESS_FS_REFER : 0)};
  int ruleset = create_ruleset(&attr, sizeof attr.handled_access_fs);
  if (ruleset < 0 || !refer) return ruleset;
  if (allow_refer_everywhere(ruleset) == 0) return ruleset;
  int saved = errno;
  close(ruleset);
  errno = saved;
  return -1;
}

// Consumes `ruleset`, which may be the -1 of a failed creation.
static int restrict_self(int ruleset) {
  if (ruleset < 0) return -1;
  int result = (int)syscall(NR_LANDLOCK_RESTRICT_SELF, ruleset, 0);
  int saved = errno;
  close(ruleset);
  errno = saved;
  return result;
}

static int abi_version(void) {
  return (int)syscall(NR_LANDLOCK_CREATE_RULESET, NULL, 0, CREATE_RULESET_VERSION);
}

// Rights that a kernel does not know are an error, and so are fields of the structure that it does not have.
static int confining_ruleset(int abi) {
  struct ruleset_attr attr = {.handled_access_fs = ACCESS_FS_CHANGES};
  if (abi >= ABI_REFER) attr.handled_access_fs |= ACCESS_FS_REFER;
  if (abi >= ABI_TRUNCATE) attr.handled_access_fs |= ACCESS_FS_TRUNCATE;
  if (abi >= ABI_NET) attr.handled_access_net = ACCESS_NET_BIND_TCP;
  if (abi >= ABI_IOCTL_DEV) attr.handled_access_fs |= ACCESS_FS_IOCTL_DEV;
  if (abi >= ABI_SCOPE) attr.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
  size_t size = abi >= ABI_SCOPE ? sizeof attr : abi >= ABI_NET ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
  return create_ruleset(&attr, size);
}

int landlock_confine(void) {
  int abi = abi_version();
  if (abi < 1) return -1;
  return restrict_self(confining_ruleset(abi)) == 0 ? abi : -1;
}

int landlock_isolate(void) {
  int abi = abi_version();
  if (abi < 1) return -1;
  return restrict_self(abi >= ABI_SCOPE ? scoped_ruleset() : legacy_ruleset(abi)) == 0 ? abi : -1;
}
