// SPDX-License-Identifier: Apache-2.0
// Cgroups of a job, in every hierarchy that the host has: found, kept quick to enter, killed and removed.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper.h"

#define CGROUP_ROOTS_MAX 24
static char *cgroup_roots[CGROUP_ROOTS_MAX];
static bool_t cgroup_is_v2[CGROUP_ROOTS_MAX];
static size_t cgroup_root_count;

bool_t has_cgroups(void) { return cgroup_root_count > 0; }

void find_cgroup_roots(void) {
  if (is_rootless()) {
    if (!own_cgroups()) return;
    cgroup_is_v2[0] = 1;
    cgroup_roots[cgroup_root_count++] = keep(own_cgroups());
    return;
  }
  FILE *mounts = fopen("/proc/self/mounts", "re");
  if (!mounts) fail("/proc/self/mounts");
  char device[512], path[4096], type[64];
  while (cgroup_root_count < CGROUP_ROOTS_MAX && fscanf(mounts, "%511s %4095s %63s%*[^\n]", device, path, type) == 3)
    if (strcmp(type, "cgroup") == 0 || strcmp(type, "cgroup2") == 0) {
      cgroup_is_v2[cgroup_root_count] = strcmp(type, "cgroup2") == 0;
      cgroup_roots[cgroup_root_count++] = keep(path);
    }
  fclose(mounts);
}

// `cgroup.procs` of where this process is, in one hierarchy: v2, or a v1 one that is mounted under its controllers' names.
static int own_cgroup(char *path, size_t size) {
  FILE *file = fopen("/proc/self/cgroup", "re");
  if (!file) return -1;
  char line[4200];
  int found = -1;
  while (found != 0 && fgets(line, sizeof line, file)) {
    char *rest = line;
    strsep(&rest, ":");
    const char *names = strsep(&rest, ":");
    if (!names || !rest) continue;
    rest[strcspn(rest, "\n")] = 0;
    for (size_t i = 0; i < cgroup_root_count && found != 0; i++) {
      const char *mounted = strrchr(cgroup_roots[i], '/');
      if (*names ? cgroup_is_v2[i] || !mounted || strcmp(mounted + 1, names) != 0 : !cgroup_is_v2[i]) continue;
      snprintf(path, size, "%s%s/cgroup.procs", cgroup_roots[i], rest);
      found = access(path, W_OK);
    }
  }
  fclose(file);
  return found;
}

static void kill_listed(const char *directory) {
  char path[5200];
  snprintf(path, sizeof path, "%s/cgroup.procs", directory);
  FILE *procs = fopen(path, "re");
  if (!procs) return;
  int pid;
  while (fscanf(procs, "%d", &pid) == 1)
    if (pid > 1) kill(pid, SIGKILL);
  fclose(procs);
}

static void kill_cgroup(const char *directory) {
  char path[5200];
  snprintf(path, sizeof path, "%s/cgroup.kill", directory);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd >= 0) {
    (void)write_all(fd, "1", 1);
    close(fd);
    return;
  }
  kill_listed(directory);
}

// Removes a job's cgroup and its steps' (one level: jobs cannot make any). Returns 0 when it is gone.
static int remove_cgroup(const char *directory) {
  kill_cgroup(directory);
  DIR *entries = opendir(directory);
  if (!entries) return errno == ENOENT ? 0 : -1;
  struct dirent *entry;
  char path[5120];
  while ((entry = readdir(entries))) {
    if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
    kill_cgroup(path);
    rmdir(path);
  }
  closedir(entries);
  return rmdir(directory) == 0 || errno == ENOENT ? 0 : -1;
}

static int remove_matching(const char *root, const char *prefix) {
  char parent[4200], path[4800];
  snprintf(parent, sizeof parent, "%s/sallyport", root);
  DIR *entries = opendir(parent);
  if (!entries) return 0;
  int left = 0;
  struct dirent *entry;
  while ((entry = readdir(entries))) {
    if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0) continue;
    snprintf(path, sizeof path, "%s/%s", parent, entry->d_name);
    if (remove_cgroup(path) != 0) left++;
  }
  closedir(entries);
  return left;
}

// Every cgroup of this id range: this job's own, or what a killed keeper left. Bounded: dying processes take a moment.
int remove_cgroups(void) {
  char prefix[32];
  snprintf(prefix, sizeof prefix, "slot%u-", slot_number());
  int left = 0;
  for (int attempt = 0; attempt < 2000; attempt++) {
    left = 0;
    for (size_t i = 0; i < cgroup_root_count; i++) left += remove_matching(cgroup_roots[i], prefix);
    if (left == 0) return 0;
    usleep(attempt < 50 ? 200 : 5000);
  }
  return left;
}

// A version 1 hierarchy is mounted under its controllers' names.
static bool_t has_controller(size_t root, const char *name) {
  const char *mounted = strrchr(cgroup_roots[root], '/');
  for (const char *at = mounted ? mounted + 1 : ""; *at; at += strspn(at, ",")) {
    size_t size = strcspn(at, ",");
    if (size == strlen(name) && strncmp(at, name, size) == 0) return 1;
    at += size;
  }
  return 0;
}

// 0 also where there is no such file: its controller is missing, and without it the self-check refuses every job of this host.
static int write_limit(const char *directory, const char *name, const char *value) {
  char path[5200];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? 0 : -1;
  int result = write_all(fd, value, strlen(value));
  close(fd);
  return result;
}

#define GATE_MEMORY "268435456"
// What its sockets hold, of a job that takes nothing and of servers that send on: version 1 counts it apart, or else against nobody but the whole machine.
#define GATE_SOCKETS "268435456"
#define GATE_MEMORY_WITH_SOCKETS "536870912"
#define GATE_PIDS "64"

static const char *const gate_limits[][2] = {
    {"memory.max", GATE_MEMORY_WITH_SOCKETS},
    {"memory.swap.max", "0"},
    {"memory.limit_in_bytes", GATE_MEMORY},
    {"memory.memsw.limit_in_bytes", GATE_MEMORY},
    {"memory.kmem.tcp.limit_in_bytes", GATE_SOCKETS},
    {"pids.max", GATE_PIDS},
};

// Version 2 hands a controller down one level at a time. What a host lacks is left out, and told apart by each limit's own file.
static void hand_down_controllers(const char *directory) {
  (void)write_limit(directory, "cgroup.subtree_control", "+memory");
  (void)write_limit(directory, "cgroup.subtree_control", "+pids");
  if (is_rootless()) (void)write_limit(directory, "cgroup.subtree_control", "+cpu");
}

static int move_to_gate_cgroup(size_t root, const char *pid) {
  char parent[4200], own[4800];
  snprintf(parent, sizeof parent, "%s/sallyport", cgroup_roots[root]);
  // No job's id has an underscore.
  snprintf(own, sizeof own, "%s/slot%u-_gate", parent, slot_number());
  if (mkdir(parent, 0755) != 0 && errno != EEXIST) return -1;
  if (cgroup_is_v2[root]) {
    hand_down_controllers(cgroup_roots[root]);
    hand_down_controllers(parent);
  }
  if (mkdir(own, 0755) != 0 && errno != EEXIST) return -1;
  for (size_t i = 0; i < sizeof gate_limits / sizeof *gate_limits; i++)
    if (write_limit(own, gate_limits[i][0], gate_limits[i][1]) != 0) return -1;
  return write_limit(own, "cgroup.procs", pid);
}

int move_to_gate_cgroups(pid_t pid) {
  char text[16];
  snprintf(text, sizeof text, "%d", pid);
  for (size_t i = 0; i < cgroup_root_count; i++) {
    if (!cgroup_is_v2[i] && !has_controller(i, "memory") && !has_controller(i, "pids")) continue;
    if (move_to_gate_cgroup(i, text) != 0) return -1;
  }
  return 0;
}

// A controller that is missing has no file, and says so by that.
static size_t tell_file(const char *directory, const char *name, char *text, size_t size) {
  char path[5200], value[256] = "";
  snprintf(path, sizeof path, "%s/%s", directory, name);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t got = read(fd, value, sizeof value - 1);
  close(fd);
  for (ssize_t i = 0; i < got; i++)
    if (value[i] < ' ') value[i] = ' ';
  return (size_t)snprintf(text, size, " %s=%s", name, got < 0 ? "?" : value);
}

int tell_gate_limits(char *text, size_t size) {
  char own[4800];
  size_t used = (size_t)snprintf(text, size, "limits of the gate:");
  for (size_t root = 0; root < cgroup_root_count; root++) {
    snprintf(own, sizeof own, "%s/sallyport/slot%u-_gate", cgroup_roots[root], slot_number());
    for (size_t i = 0; i < sizeof gate_limits / sizeof *gate_limits && used < size; i++) used += tell_file(own, gate_limits[i][0], text + used, size - used);
    if (used < size) used += tell_file(own, "cgroup.procs", text + used, size - used);
  }
  if (used < size) return 0;
  errno = EMSGSIZE;
  return -1;
}

int open_gate_cgroup(void) {
  char own[4800];
  for (size_t i = 0; i < cgroup_root_count; i++) {
    if (!cgroup_is_v2[i]) continue;
    snprintf(own, sizeof own, "%s/sallyport/slot%u-_gate", cgroup_roots[i], slot_number());
    return open(own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  }
  errno = ENOENT;
  return -1;
}

// Version 2 counts in one file, version 1 in the other.
static unsigned long oom_kills_in(const char *directory, const char *name) {
  char path[5200], key[64];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  FILE *file = fopen(path, "re");
  if (!file) return 0;
  unsigned long value, count = 0;
  while (fscanf(file, "%63s %lu", key, &value) == 2)
    if (strcmp(key, "oom_kill") == 0) count = value;
  fclose(file);
  return count;
}

bool_t gate_ran_out_of_memory(void) {
  char own[4800];
  for (size_t i = 0; i < cgroup_root_count; i++) {
    snprintf(own, sizeof own, "%s/sallyport/slot%u-_gate", cgroup_roots[i], slot_number());
    if (oom_kills_in(own, "memory.events") > 0 || oom_kills_in(own, "memory.oom_control") > 0) return 1;
  }
  return 0;
}

static void job_cgroup(const struct setup *setup, char *path, size_t size) { snprintf(path, size, "%s/sallyport/%s", cgroup_roots[0], setup->id); }

// For root the runtime makes it. Without root the runtime would put up with none, and say nothing.
void make_job_cgroup(const struct setup *setup) {
  if (!is_rootless() || !has_cgroups()) return;
  char parent[4200], own[4800];
  snprintf(parent, sizeof parent, "%s/sallyport", cgroup_roots[0]);
  job_cgroup(setup, own, sizeof own);
  make_dir(parent, 0755);
  hand_down_controllers(cgroup_roots[0]);
  hand_down_controllers(parent);
  if (mkdir(own, 0755) != 0) fail(own);
}

int join_job_cgroup(const struct setup *setup) {
  if (!is_rootless() || !has_cgroups()) return 0;
  char own[4800];
  job_cgroup(setup, own, sizeof own);
  return write_limit(own, "cgroup.procs", "0");
}

// Moving a process between cgroups waits for an RCU grace period (about 10 ms) unless another move has just paid for it.
// While the sandbox is built and its first steps start, and while it waits for its job, a child of ours pays, by moving itself to where it is.
#define WARM_EVERY_MS 4

static pid_t payer = -1;

void keep_cgroups_warm(unsigned ms) {
  if (is_rootless()) return;
  if (payer > 0 && kill(payer, SIGKILL) == 0) waitpid(payer, NULL, 0);
  payer = fork();
  if (payer != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  char path[4600];
  close(SUPERVISOR_FD);
  close(GATE_FD);
  if (cgroup_root_count == 0 || own_cgroup(path, sizeof path) != 0) _exit(0);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  for (unsigned i = 0; fd >= 0 && i < ms / WARM_EVERY_MS; i++) {
    if (write(fd, "0", 1) != 1) _exit(0);
    usleep(WARM_EVERY_MS * 1000);
  }
  _exit(0);
}
