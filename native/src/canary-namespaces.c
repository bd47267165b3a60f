// SPDX-License-Identifier: Apache-2.0
// Are we in namespaces of our own, and do they show nothing of the host?
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "canary.h"

#define ID_BASE_MIN 65536UL
#define PROCESSES_MAX 16
#define HELPER_NAME "helper\n"

static const struct {
  const char *name, *guarantee;
} namespaces[NAMESPACE_COUNT] = {
    {"user", "user-namespace"}, {"pid", "pid-namespace"}, {"mnt", "mount-namespace"},       {"net", "network"},
    {"ipc", "ipc-namespace"},   {"uts", "uts-namespace"}, {"cgroup", "cgroup-namespace"},
};

int namespace_index(const char *name, size_t size) {
  for (int i = 0; i < NAMESPACE_COUNT; i++) {
    if (strlen(namespaces[i].name) == size && strncmp(namespaces[i].name, name, size) == 0) return i;
  }
  return -1;
}

// Namespaces of a kernel that is the sandbox's own are none of the host's; that it is another kernel is seen by what it says of itself. Those of the
// processes that it consists of on the host are looked at from there.
static void check_kernel(const struct canary_options *options) {
  char version[512] = "";
  ssize_t size = read_text("/proc/version", version, sizeof version);
  version[strcspn(version, "\n")] = 0;
  int own = size > 0 && strcmp(version, options->host_version) != 0;
  for (int i = 0; i < NAMESPACE_COUNT; i++)
    report(namespaces[i].guarantee, own, "the kernel that answers is %s: %.80s", own ? "the sandbox's own" : "the host's", version);
}

static void check_identity(const struct canary_options *options, int index) {
  char path[64], link[64];
  unsigned long long inode = 0;
  snprintf(path, sizeof path, "/proc/self/ns/%s", namespaces[index].name);
  ssize_t size = readlink(path, link, sizeof link - 1);
  if (size > 0) link[size] = 0;
  const char *bracket = size > 0 ? strchr(link, '[') : NULL;
  if (bracket) inode = strtoull(bracket + 1, NULL, 10);
  int own = inode != 0 && inode != options->host_namespaces[index];
  report(namespaces[index].guarantee, own, "%s namespace %llu, the host's is %llu", namespaces[index].name, inode,
         (unsigned long long)options->host_namespaces[index]);
}

static void check_map(const char *path, unsigned long ids) {
  char text[512];
  unsigned long inside, outside, count;
  int end = 0;
  ssize_t size = read_text(path, text, sizeof text);
  int fields = size > 0 ? sscanf(text, "%lu %lu %lu %n", &inside, &outside, &count, &end) : 0;
  if (fields != 3) {
    report("user-namespace", 0, "%s: unreadable or empty", path);
    return;
  }
  int own = inside == 0 && outside >= ID_BASE_MIN && count == ids && text[end] == 0;
  report("user-namespace", own, "%s: %lu is %lu outside, %lu ids%s", path, inside, outside, count, text[end] ? ", and more" : "");
}

// Only the first few matter: more than PROCESSES_MAX is not our sandbox before its first step.
static int count_processes(void) {
  DIR *proc = opendir("/proc");
  if (!proc) return -1;
  int count = 0;
  struct dirent *entry;
  while (count < PROCESSES_MAX && (entry = readdir(proc))) count += isdigit((unsigned char)entry->d_name[0]) != 0;
  closedir(proc);
  return count;
}

static void check_processes(void) {
  char comm[32], self[32];
  int count = count_processes();
  report("pid-namespace", count > 0 && count < PROCESSES_MAX, "/proc shows %d%s processes", count, count == PROCESSES_MAX ? " or more" : "");
  ssize_t size = read_text("/proc/1/comm", comm, sizeof comm);
  int ours = size > 0 && strcmp(comm, HELPER_NAME) == 0;
  if (size > 0) comm[strcspn(comm, "\n")] = 0;
  report("pid-namespace", ours, "process 1 is \"%s\"", size > 0 ? comm : "unreadable");
  size = readlink("/proc/self", self, sizeof self - 1);
  self[size > 0 ? size : 0] = 0;
  report("pid-namespace", atoi(self) == getpid(), "/proc/self is %s, getpid is %d", self, (int)getpid());
}

// One header line, and nothing that another namespace made.
static void check_ipc(const char *path) {
  char text[4096];
  ssize_t size = read_text(path, text, sizeof text);
  if (size < 0 && errno == ENOENT) {
    report("ipc-namespace", 1, "%s: the kernel has none", path);
    return;
  }
  char *newline = size > 0 ? strchr(text, '\n') : NULL;
  report("ipc-namespace", newline && !newline[1], "%s: %s", path, newline && !newline[1] ? "empty" : "shows objects");
}

static void check_hostname(const char *expected) {
  char name[256] = "";
  int read = gethostname(name, sizeof name - 1);
  report("uts-namespace", read == 0 && strcmp(name, expected) == 0, "hostname is \"%s\", expected \"%s\"", name, expected);
}

// Inside a cgroup namespace a path is relative to its root; `/..` is a cgroup outside of it, our own prefix means no namespace at all.
static void check_cgroups(void) {
  char text[8192], *rest = text;
  if (read_text("/proc/self/cgroup", text, sizeof text) <= 0) {
    report("cgroup-namespace", 0, "/proc/self/cgroup: %s", strerror(errno));
    return;
  }
  for (char *line; (line = strsep(&rest, "\n")) && *line;) {
    char *path = strchr(line, '/');
    if (path && !strstr(path, "/..") && !strstr(path, "sallyport")) continue;
    report("cgroup-namespace", 0, "/proc/self/cgroup shows the outside: %s", line);
    return;
  }
  report("cgroup-namespace", 1, "/proc/self/cgroup shows no path outside");
}

void check_namespaces(const struct canary_options *options) {
  if (options->has_own_kernel) {
    check_kernel(options);
  } else {
    for (int i = 0; i < NAMESPACE_COUNT; i++) check_identity(options, i);
    check_map("/proc/self/uid_map", options->ids);
    check_map("/proc/self/gid_map", options->ids);
  }
  check_processes();
  check_ipc("/proc/sysvipc/shm");
  check_ipc("/proc/sysvipc/sem");
  check_ipc("/proc/sysvipc/msg");
  check_hostname(options->hostname);
  check_cgroups();
}
