// SPDX-License-Identifier: Apache-2.0
#include "keeper-gate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper.h"

// GATE_DESCRIPTORS of packages/gate/src/contract.ts.
enum { CONTROL = 3, TCP = 4, DNS = 5, FIRST_RELAY = 6, DESCRIPTORS = FIRST_RELAY + RELAYS_MAX };

static struct {
  pid_t pid;
  int end, words;
  char heard[1024];
  size_t heard_size;
} gate = {.end = -1, .words = -1};

// ---- in the child that becomes the gate: what fails is said on its standard error, which the keeper hears

// What the dynamic loader needs. On hosts with a merged /usr the last two are links.
static const char *const loader_files[] = {"/etc/ld.so.cache", "/usr/lib", "/usr/lib64", "/lib", "/lib64"};

// Parents of `path`, which is absolute, below the new root, the working directory.
static void make_parents(const char *path) {
  char parent[4096];
  snprintf(parent, sizeof parent, "%s", path + 1);
  for (char *at = parent; (at = strchr(at, '/')); *at++ = '/') {
    *at = 0;
    if (mkdir(parent, 0755) != 0 && errno != EEXIST) die(path);
  }
}

static void make_mount_point(const char *path, bool_t is_directory) {
  make_parents(path);
  if (is_directory) {
    if (mkdir(path + 1, 0755) != 0 && errno != EEXIST) die(path);
    return;
  }
  int fd = open(path + 1, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0444);
  if (fd < 0 && errno != EROFS) die(path);
  if (fd >= 0) close(fd);
}

static void repeat_link(const char *path) {
  char target[4096];
  ssize_t size = readlink(path, target, sizeof target - 1);
  if (size < 0) die(path);
  target[size] = 0;
  make_parents(path);
  if (symlink(target, path + 1) != 0 && errno != EEXIST) die(path);
}

// A file or directory of the host, read-only, under its own name.
static void show(const char *path) {
  struct stat info;
  if (lstat(path, &info) != 0) die(path);
  if (S_ISLNK(info.st_mode)) {
    repeat_link(path);
    return;
  }
  make_mount_point(path, S_ISDIR(info.st_mode));
  struct mount_attributes attributes = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, .propagation = MS_PRIVATE};
  int tree = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (tree < 0 || syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0 ||
      syscall(SYS_move_mount, tree, "", AT_FDCWD, path + 1, MOVE_MOUNT_F_EMPTY_PATH) != 0)
    die(path);
  close(tree);
}

#define EMPTY_FLAGS (MS_NOSUID | MS_NODEV | MS_NOEXEC)
// Where the root is mounted that takes the place of the first one.
#define LATER_ROOT "/.empty"

static void make_root(const struct gate_launch *launch) {
  if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) != 0) die("unshare");
  if (sethostname("gate", 4) != 0) die("sethostname");
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) die("make mounts private");
  if (cover_run() != 0) die("cover /run");
  if (mount("gate", BOX, "tmpfs", EMPTY_FLAGS, "mode=0755,size=1m,nr_inodes=512") != 0 || chdir(BOX) != 0) die("mount a root");
  make_mount_point(LATER_ROOT, 1);
  for (size_t i = 0; i < sizeof loader_files / sizeof *loader_files; i++)
    if (access(loader_files[i], F_OK) == 0) show(loader_files[i]);
  for (size_t i = 0; i < launch->file_count; i++) show(launch->files[i]);
  if (mount(NULL, BOX, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | EMPTY_FLAGS, NULL) != 0) die("make the root read-only");
  if (syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 || chdir("/") != 0) die("change the root");
}

// All at once to numbers that none of them has, and then to their places.
static void arrange_descriptors(const struct gate_sockets *sockets) {
  int from[DESCRIPTORS] = {-1, 2, 2, GATE_FD, sockets->tcp, sockets->dns};
  memcpy(from + FIRST_RELAY, sockets->relays, sizeof sockets->relays);
  from[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
  for (int i = 0; i < DESCRIPTORS; i++)
    if ((from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, DESCRIPTORS)) < 0) die("duplicate a descriptor");
  for (int i = 0; i < DESCRIPTORS; i++)
    if (dup2(from[i], i) != i) die("place a descriptor");
  if (syscall(SYS_close_range, DESCRIPTORS, ~0u, 0) != 0) die("close_range");
}

static void raise_open_files(void) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) die("RLIMIT_NOFILE");
  files.rlim_cur = files.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &files) != 0) die("RLIMIT_NOFILE");
}

// ENOENT: a kernel without it. EACCES: a score that is higher already, which nobody may lower any more.
static void set_own(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return;
  if (fd < 0 || (write_all(fd, text, strlen(text)) != 0 && errno != EACCES)) die(path);
  close(fd);
}

// Of its uid, which nobody else has; where there is no cgroup to count them in.
#define PROCESSES_MAX 64

static void bound_harm(void) {
  struct rlimit processes = {PROCESSES_MAX, PROCESSES_MAX};
  if (is_rootless() && setrlimit(RLIMIT_NPROC, &processes) != 0) die("RLIMIT_NPROC");
  // No memory in a core: hosts that pipe cores to a program do so whatever RLIMIT_CORE says.
  set_own("/proc/self/coredump_filter", "0");
  // Not the supervisor's, who may be exempt: at its limit an exempt gate would hang instead of end. After the steps, which have 500.
  set_own("/proc/self/oom_score_adj", "250");
}

static void become_nobody(void) {
  // The keeper's session keyring is the host's.
  (void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
  if (bound_capabilities(0) != 0) die("drop the bounding set");
  gid_t id = gate_id();
  if (syscall(SYS_setgroups, 0, NULL) != 0 || setresgid(id, id, id) != 0 || setresuid(id, id, id) != 0) die("change the user");
  if (set_capabilities(0) != 0) die("capset");
}

static void become_gate(const struct gate_launch *launch, const struct gate_sockets *sockets, int words, pid_t keeper) {
  if (dup2(words, 2) < 0) _exit(125);
  if (setsid() < 0) die("setsid");
  default_signals();
  umask(0022);
  bound_harm();
  arrange_descriptors(sockets);
  make_root(launch);
  raise_open_files();
  become_nobody();
  // After the change of user, which takes it back. Another parent means that the keeper is gone already.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) die("prctl");
  if (getppid() != keeper) _exit(125);
  if (landlock_confine() < 0) die("Landlock");
  if (install_seccomp(launch->seccomp, launch->seccomp_size) != 0) die("install the seccomp filter");
  // The filter lets execve through for this one: afterwards there is no file left to execute.
  execve(launch->argv[0], launch->argv, launch->env);
  die(launch->argv[0]);
}

// ---- in the keeper

static pid_t mover = -1;

// Beside the gate's start: the kernel takes 10 ms for it, and until the job starts nothing that the gate gets was chosen by a job.
static void move_gate(void) {
  if (!has_cgroups()) return;
  mover = fork();
  if (mover < 0) fail("fork");
  if (mover > 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  close(SUPERVISOR_FD);
  _exit(move_to_gate_cgroups(gate.pid) == 0 ? 0 : errno);
}

static void await_mover(void) {
  int status;
  if (waitpid(mover, &status, 0) != mover) fail("wait for the gate's cgroups");
  errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
  struct pollfd end = {.fd = gate.end, .events = POLLIN};
  if (errno != 0 && poll(&end, 1, 0) == 1) fail_message(gate_end_reason());
  if (errno != 0) fail("the gate's cgroups");
}

void bound_gate(const struct reach_list *reaches) {
  if (has_cgroups()) await_mover();
  // Programs of cgroups are the host root's alone. The gate's own check of every address it dials is the one that is left.
  if (is_rootless()) return;
  fail_as("unsupported");
  int cgroup = open_gate_cgroup();
  if (cgroup < 0 || bound_gate_reach(reaches, cgroup) != 0) fail("where the gate's sockets lead cannot be bounded (cgroup version 2, CONFIG_CGROUP_BPF)");
  fail_as("error");
  close(cgroup);
}

static void close_handed_over(const struct gate_sockets *sockets) {
  close(GATE_FD);
  close(sockets->tcp);
  close(sockets->dns);
  for (size_t i = 0; i < RELAYS_MAX; i++) close(sockets->relays[i]);
}

pid_t start_gate(const struct gate_launch *launch, const struct gate_sockets *sockets) {
  int words[2];
  // Not the supervisor's standard error: that is somebody's terminal, to be read from and typed into.
  if (pipe2(words, O_CLOEXEC) != 0) fail("pipe");
  pid_t keeper = getpid();
  gate.pid = fork();
  if (gate.pid < 0) fail("fork");
  if (gate.pid == 0) become_gate(launch, sockets, words[1], keeper);
  close(words[1]);
  if (fcntl(words[0], F_SETFL, O_NONBLOCK) != 0) fail("the gate's standard error");
  gate.words = words[0];
  gate.end = (int)syscall(SYS_pidfd_open, gate.pid, 0);
  if (gate.end < 0) fail("pidfd_open");
  close_handed_over(sockets);
  move_gate();
  return gate.pid;
}

int gate_end(void) { return gate.end; }

int gate_words(void) { return gate.words; }

// What it says can hold what a job said to it: kept short and printable, for a person to read, and never looked into.
static void keep_words(const char *text, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (gate.heard_size == sizeof gate.heard - 1) {
      memmove(gate.heard, gate.heard + sizeof gate.heard / 2, gate.heard_size -= sizeof gate.heard / 2);
    }
    gate.heard[gate.heard_size++] = text[i] >= ' ' && text[i] <= '~' ? text[i] : ' ';
  }
}

void hear_gate(void) {
  char text[4096];
  ssize_t got = read(gate.words, text, sizeof text);
  if (got > 0) keep_words(text, (size_t)got);
  if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR))) return;
  close(gate.words);
  gate.words = -1;
}

const char *gate_end_reason(void) {
  static char reason[sizeof gate.heard + 128];
  // A pipe holds no more than this; its other end is closed.
  for (int i = 0; gate.words >= 0 && i < 32; i++) hear_gate();
  int status = 0;
  if (waitpid(gate.pid, &status, 0) != gate.pid) return "the gate is gone";
  const char *how = WIFSIGNALED(status) ? "signal" : "code";
  int number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
  const char *memory = WIFSIGNALED(status) && gate_ran_out_of_memory() ? ", out of memory: too much at a time went through it" : "";
  snprintf(reason, sizeof reason, "the gate ended with %s %d%s%s%s", how, number, memory, gate.heard_size ? ": " : "", gate.heard);
  return reason;
}

// ---- in a child of the keeper that goes where the gate's files are

static int empty_root(int mounts) {
  if (setns(mounts, CLONE_NEWNS) != 0 || chdir("/") != 0) return errno;
  if (mount("empty", LATER_ROOT, "tmpfs", EMPTY_FLAGS | MS_RDONLY, "mode=0555,size=4k,nr_inodes=2") != 0 || chdir(LATER_ROOT) != 0) return errno;
  // The kernel gives the new root to every process that had the old one.
  if (syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0) return errno;
  return 0;
}

static bool_t is_empty(const char *path) {
  DIR *entries = opendir(path);
  if (!entries) return 0;
  size_t count = 0;
  for (struct dirent *entry; (entry = readdir(entries));) count++;
  closedir(entries);
  return count == 2;
}

// `.` and `..` alone, wherever it stands, and one mount.
static bool_t sees_nothing(pid_t pid) {
  char root[64], directory[64], mounts[64], line[4096];
  snprintf(root, sizeof root, "/proc/%d/root", pid);
  snprintf(directory, sizeof directory, "/proc/%d/cwd", pid);
  snprintf(mounts, sizeof mounts, "/proc/%d/mounts", pid);
  FILE *file = fopen(mounts, "re");
  if (!file) return 0;
  size_t count = 0;
  while (fgets(line, sizeof line, file)) count++;
  fclose(file);
  return count == 1 && is_empty(root) && is_empty(directory);
}

bool_t gate_sees_nothing(void) { return sees_nothing(gate.pid); }

void take_gate_files(pid_t pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/ns/mnt", pid);
  int mounts = open(path, O_RDONLY | O_CLOEXEC);
  if (mounts < 0) fail("the gate's mount namespace");
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) _exit(empty_root(mounts));
  close(mounts);
  int status;
  if (waitpid(child, &status, 0) != child) fail("wait for the gate's files to be taken");
  errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
  if (errno != 0) fail("take the gate's files");
  if (!sees_nothing(pid)) fail_message("the gate still sees files of the host");
}
