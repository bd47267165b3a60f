// SPDX-License-Identifier: Apache-2.0
// What /proc/self/mountinfo tells: nothing of the host is mounted writable, nothing propagates, nothing grants privileges.
//   ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS [TAG...] - FSTYPE SOURCE SUPEROPTIONS
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "canary-devices.h"
#include "canary.h"

#define MOUNTINFO_MAX (256 * 1024)

struct mount {
  unsigned major, minor;
  char *root, *point, *options, *tags, *type;
};

static int has_option(const char *options, const char *wanted) {
  size_t size = strlen(wanted);
  for (const char *at = options; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
    if (strncmp(at, wanted, size) == 0 && (at[size] == ',' || at[size] == 0)) return 1;
  }
  return 0;
}

// Splits one line in place. -1 when it has not the form above.
static int parse_mount(char *line, struct mount *mount) {
  char *dash = strstr(line, " - ");
  if (!dash) return -1;
  *dash = 0;
  char *after = dash + 3;
  mount->type = strsep(&after, " ");
  strsep(&line, " ");
  strsep(&line, " ");
  char *device = strsep(&line, " ");
  mount->root = strsep(&line, " ");
  mount->point = strsep(&line, " ");
  mount->options = strsep(&line, " ");
  mount->tags = line ? line : "";
  return mount->options && sscanf(device, "%u:%u", &mount->major, &mount->minor) == 2 ? 0 : -1;
}

static int is_device_node(const struct mount *mount) {
  struct stat info;
  return lstat(mount->point, &info) == 0 && is_allowed_device(&info);
}

static int is_empty_directory(const char *path) {
  DIR *directory = opendir(path);
  if (!directory) return 0;
  int entries = 0;
  while (entries <= 2 && readdir(directory)) entries++;
  closedir(directory);
  return entries <= 2;
}

// How a runtime covers a directory: nothing is in it and nothing can be put there, so its other flags mean nothing.
static int is_mask(const struct mount *mount) {
  return strcmp(mount->type, "tmpfs") == 0 && has_option(mount->options, "ro") && is_empty_directory(mount->point);
}

static int is_on_disk(const struct mount *mount, const struct canary_options *options) {
  struct stat info;
  for (size_t i = 0; i < options->disk_count; i++) {
    int same = stat(options->disks[i], &info) == 0 && info.st_dev == makedev(mount->major, mount->minor);
    if (same && is_limited_disk(options->disks[i], options)) return 1;
  }
  return 0;
}

// A kernel of the sandbox's own reads files of the host by a protocol of its own (9p), and has devices of its own (dev): what it can write there the host bounds
// as ever, which the size tells.
static int is_own_kernels(const struct mount *mount, const struct canary_options *options) {
  if (!options->has_own_kernel) return 0;
  return strcmp(mount->type, "dev") == 0 || (strcmp(mount->type, "9p") == 0 && is_limited_disk(mount->point, options));
}

static int is_own_file_system(const char *type) {
  static const char *const own[] = {"overlay", "tmpfs", "proc", "devpts", "mqueue"};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
    if (strcmp(type, own[i]) == 0) return 1;
  }
  return 0;
}

struct offenders {
  char writable[256], propagated[256], suid[256], device[256];
};

static void keep(char *offender, const struct mount *mount) {
  if (!*offender) snprintf(offender, 256, "%.150s (%.40s, %.50s)", mount->point, mount->type, mount->options);
}

// devpts holds terminals, which are devices; it makes no other ones.
static void judge(const struct mount *mount, const struct canary_options *options, struct offenders *found) {
  if (*mount->tags) keep(found->propagated, mount);
  if (is_device_node(mount)) return;
  int writable = !has_option(mount->options, "ro");
  if (writable && !is_own_file_system(mount->type) && !is_on_disk(mount, options) && !is_own_kernels(mount, options)) keep(found->writable, mount);
  if (is_mask(mount)) return;
  // Parts of the sandbox's own procfs made read-only: crun binds them without the flags. The kernel lets nobody execute a file or open a
  // device of a procfs, whatever its mount says (SB_I_NOEXEC, SB_I_NODEV in fs/proc/root.c).
  if (!writable && strcmp(mount->type, "proc") == 0) return;
  if (!has_option(mount->options, "nosuid")) keep(found->suid, mount);
  if (!has_option(mount->options, "nodev") && strcmp(mount->type, "devpts") != 0 && strcmp(mount->type, "dev") != 0) keep(found->device, mount);
}

static void report_offender(const char *guarantee, const char *wall, const char *offender) {
  report(guarantee, !*offender, "%s: %s", wall, *offender ? offender : "every mount");
}

void check_mounts(const struct canary_options *options) {
  static char text[MOUNTINFO_MAX];
  struct offenders found = {0};
  ssize_t size = read_text("/proc/self/mountinfo", text, sizeof text);
  int whole = size > 0 && (size_t)size < sizeof text - 1;
  report("mount-namespace", whole, "/proc/self/mountinfo: %zd bytes", size);
  char *rest = text;
  const char *root = "unknown";
  for (char *line; whole && (line = strsep(&rest, "\n")) && *line;) {
    struct mount mount;
    if (parse_mount(line, &mount) != 0) {
      report("mount-namespace", 0, "/proc/self/mountinfo has a line of another form");
      return;
    }
    judge(&mount, options, &found);
    if (strcmp(mount.point, "/") == 0 && is_own_kernels(&mount, options)) root = "overlay";
    else if (strcmp(mount.point, "/") == 0) root = strcmp(mount.type, "overlay") == 0 ? "overlay" : has_option(mount.options, "ro") ? "read-only" : mount.type;
  }
  const char *expected = options->root ? options->root : "overlay";
  int own = strcmp(root, "read-only") == 0 || (strcmp(root, expected) == 0 && is_limited_disk("/", options));
  report("mount-namespace", own, "/ is %s", root);
  report_offender("mount-namespace", "writable only where it is the job's own", found.writable);
  report_offender("mount-namespace", "private (no propagation)", found.propagated);
  report_offender("nosuid-nodev", "nosuid", found.suid);
  report_offender("nosuid-nodev", "nodev", found.device);
}
