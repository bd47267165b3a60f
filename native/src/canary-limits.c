// SPDX-License-Identifier: Apache-2.0
// Limits that a process can see: open files, core dumps, the disk. The host checks memory, pids and CPU in the cgroup.
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include "canary.h"

static void check_limit(const char *guarantee, const char *name, int resource, uint64_t expected) {
  struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
  int known = getrlimit((__rlimit_resource_t)resource, &limit) == 0;
  report(guarantee, known && limit.rlim_cur == expected && limit.rlim_max == expected, "%s soft %lld, hard %lld, expected %lld", name,
         (long long)limit.rlim_cur, (long long)limit.rlim_max, (long long)expected);
  struct rlimit more = {limit.rlim_cur, limit.rlim_max + 1};
  if (limit.rlim_max == RLIM_INFINITY) {
    report(guarantee, 0, "%s is unlimited", name);
    return;
  }
  report_refused(guarantee, name, setrlimit((__rlimit_resource_t)resource, &more));
}

static unsigned long long size_of(const struct statvfs *info) {
  return (unsigned long long)info->f_blocks * info->f_frsize;
}

int is_limited_disk(const char *path, const struct canary_options *options) {
  struct statvfs info;
  return statvfs(path, &info) == 0 && !(info.f_flag & ST_RDONLY) && size_of(&info) <= options->disk_bytes;
}

// What nothing can be written to needs no limit; its numbers are those of the disk below it.
static void check_disk(const char *path, const struct canary_options *options) {
  struct statvfs info;
  int error = statvfs(path, &info) == 0 ? 0 : errno;
  if (error || (info.f_flag & ST_RDONLY)) {
    report("disk-limit", !error, "%s: %s", path, error ? strerror(error) : "read-only");
    report("inode-limit", !error, "%s: %s", path, error ? strerror(error) : "read-only");
    return;
  }
  unsigned long long bytes = size_of(&info), inodes = info.f_files;
  report("disk-limit", bytes > 0 && bytes <= options->disk_bytes, "%s has %llu bytes, limit %llu", path, bytes,
         (unsigned long long)options->disk_bytes);
  report("inode-limit", inodes > 0 && inodes <= options->inodes, "%s has %llu inodes, limit %llu", path, inodes,
         (unsigned long long)options->inodes);
}

// A kernel of the sandbox's own counts the job's processes in a group of its own (inside.c, which has set the limit and read it back).
static void check_own_group(void) {
  char text[4096];
  const char *line = read_text("/proc/self/cgroup", text, sizeof text) > 0 ? strstr(text, "pids:/") : NULL;
  report("pids-limit", line && strncmp(line, "pids:/job\n", 10) == 0, "this kernel's own: %.*s", line ? (int)strcspn(line, "\n") : 4, line ? line : "none");
}

void check_limits(const struct canary_options *options) {
  check_limit("open-files-limit", "RLIMIT_NOFILE", RLIMIT_NOFILE, options->open_files);
  if (options->processes > 0) check_limit("pids-limit", "RLIMIT_NPROC", RLIMIT_NPROC, options->processes);
  check_limit("no-core-dumps", "RLIMIT_CORE", RLIMIT_CORE, 0);
  if (options->has_own_kernel) check_own_group();
  for (size_t i = 0; i < options->disk_count; i++) check_disk(options->disks[i], options);
}
