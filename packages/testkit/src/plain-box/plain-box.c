// SPDX-License-Identifier: Apache-2.0
// plain-box [--cgroup DIR]... [--bind SOURCE NAME]... [--size BYTES] [--inodes N] [--nest DIR [--keep DIR]... [--writable DIR]...] -- COMMAND [ARGUMENT]...
//
// What a job gets on an ordinary runner: the runner's own user (root), all its capabilities, a worker with the secrets next
// door. Only what keeps the experiment in is added: namespaces of its own with nothing but loopback in it, limits by the
// caller's cgroups, a tmpfs for all that is written, and the machine's root read-only below. It is no defence: what runs
// in it must be harmless by itself.
//
// The first line of stdin is the secret to plant. The command runs in /tmp/work; `--bind` shows SOURCE read-only as
// /tmp/NAME. At the end, and while the box still stands, three lines tell what was found.
//
// `--nest` makes a box in which sandboxes can be built, for experiments with a wall taken out (see nest.c), and runs the command in DIR.
// It prints nothing of its own.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <net/if.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include "nest.h"
#include "plants.h"

enum { BINDS_MAX = 8, CGROUPS_MAX = 24 };

struct options {
  const char *cgroups[CGROUPS_MAX];
  int cgroup_count;
  struct bind {
    const char *source, *name;
    int tree;
  } binds[BINDS_MAX];
  int bind_count;
  const char *size, *inodes;
  struct nest nest;
  bool nests;
  char **command;
};

void fail(const char *what) {
  fprintf(stderr, "plain-box: %s: %s\n", what, strerror(errno));
  _exit(125);
}

void put_file(const char *path, const char *content, mode_t mode) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0 || write(fd, content, strlen(content)) != (ssize_t)strlen(content)) fail(path);
  close(fd);
}

static void directory(const char *path, mode_t mode) {
  if (mkdir(path, mode) != 0 && errno != EEXIST) fail(path);
}

static struct options parse(int argc, char **argv) {
  struct options options = {.size = "67108864", .inodes = "65536"};
  int i = 1;
  for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
    if (strcmp(argv[i], "--cgroup") == 0 && i + 1 < argc && options.cgroup_count < CGROUPS_MAX) {
      options.cgroups[options.cgroup_count++] = argv[++i];
    } else if (strcmp(argv[i], "--bind") == 0 && i + 2 < argc && options.bind_count < BINDS_MAX) {
      options.binds[options.bind_count++] = (struct bind){argv[i + 1], argv[i + 2], -1};
      i += 2;
    } else if (strcmp(argv[i], "--size") == 0 && i + 1 < argc) {
      options.size = argv[++i];
    } else if (strcmp(argv[i], "--inodes") == 0 && i + 1 < argc) {
      options.inodes = argv[++i];
    } else if (strcmp(argv[i], "--nest") == 0 && i + 1 < argc) {
      options.nests = true;
      options.nest.directory = argv[++i];
    } else if ((strcmp(argv[i], "--keep") == 0 || strcmp(argv[i], "--writable") == 0) && i + 1 < argc && options.nest.path_count < NEST_PATHS_MAX) {
      options.nest.paths[options.nest.path_count++] = (struct nest_path){argv[i + 1], -1, strcmp(argv[i], "--writable") == 0};
      i++;
    } else {
      errno = EINVAL;
      fail(argv[i]);
    }
  }
  options.command = argv + i + 1;
  if (i + 1 >= argc || options.cgroup_count == 0) {
    fputs("usage: plain-box --cgroup DIR [--bind SOURCE NAME] [--size BYTES] [--inodes N] -- COMMAND...\n", stderr);
    _exit(125);
  }
  return options;
}

// Before anything else: nothing runs in here without its limits.
static void join(const char *cgroup) {
  char path[4096];
  snprintf(path, sizeof path, "%s/cgroup.procs", cgroup);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, "0", 1) != 1) fail(path);
  close(fd);
}

static void cover(const char *path, const char *options, unsigned long flags) {
  if (access(path, F_OK) == 0 && mount("tmpfs", path, "tmpfs", flags, options) != 0) fail(path);
}

static void clone_binds(struct options *options) {
  for (int i = 0; i < options->bind_count; i++) {
    options->binds[i].tree = (int)syscall(SYS_open_tree, AT_FDCWD, options->binds[i].source, OPEN_TREE_CLONE | O_CLOEXEC);
    if (options->binds[i].tree < 0) fail(options->binds[i].source);
  }
}

static void place_binds(const struct options *options) {
  struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
  for (int i = 0; i < options->bind_count; i++) {
    char path[256];
    snprintf(path, sizeof path, "/tmp/%s", options->binds[i].name);
    directory(path, 0755);
    if (syscall(SYS_move_mount, options->binds[i].tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) != 0) fail(path);
    if (syscall(SYS_mount_setattr, AT_FDCWD, path, AT_RECURSIVE, &read_only, sizeof read_only) != 0) fail(path);
  }
}

static void make_devices(void) {
  static const struct {
    const char *path;
    unsigned int minor;
  } memory[] = {{"/dev/null", 3}, {"/dev/zero", 5}, {"/dev/full", 7}, {"/dev/random", 8}, {"/dev/urandom", 9}};
  cover("/dev", "size=1m,mode=755", 0);
  for (size_t i = 0; i < sizeof memory / sizeof *memory; i++) {
    if (mknod(memory[i].path, S_IFCHR | 0666, makedev(1, memory[i].minor)) != 0) fail(memory[i].path);
  }
  if (mknod("/dev/tty", S_IFCHR | 0666, makedev(5, 0)) != 0) fail("/dev/tty");
  directory("/dev/pts", 0755);
  directory("/dev/shm", 01777);
  if (mount("devpts", "/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666") != 0) fail("/dev/pts");
  if (symlink("pts/ptmx", "/dev/ptmx") != 0 || symlink("/proc/self/fd", "/dev/fd") != 0) fail("/dev");
}

static void build_root(struct options *options) {
  char data[128];
  struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) fail("make mounts private");
  clone_binds(options);
  nest_clone(&options->nest);
  if (syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &read_only, sizeof read_only) != 0) fail("make the machine read-only");
  if (mount("proc", "/proc", "proc", 0, NULL) != 0) fail("/proc");
  if (!options->nests) cover("/sys/fs/cgroup", "size=16k,mode=755", MS_RDONLY);
  snprintf(data, sizeof data, "size=%s,nr_inodes=%s,mode=1777", options->size, options->inodes);
  static const char *const EMPTIED[] = {"/root", "/home", "/run", "/mnt", "/srv", "/var/lib", "/var/tmp"};
  for (size_t i = 0; i < sizeof EMPTIED / sizeof *EMPTIED; i++) cover(EMPTIED[i], "size=1m,mode=755", 0);
  if (options->nests) cover("/dev/shm", "size=16m,mode=1777", 0);
  else make_devices();
  cover("/tmp", data, 0);
  directory("/tmp/work", 0755);
  place_binds(options);
  if (options->nests) nest_build(&options->nest);
}

static void address(int fd, const char *name, const char *ip) {
  struct ifreq request = {0};
  struct sockaddr_in *value = (struct sockaddr_in *)&request.ifr_addr;
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
  value->sin_family = AF_INET;
  inet_pton(AF_INET, ip, &value->sin_addr);
  if (ioctl(fd, SIOCSIFADDR, &request) != 0) fail(ip);
}

// Loopback alone, holding the addresses that an attack would reach for.
static void build_network(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  if (ioctl(fd, SIOCSIFFLAGS, &up) != 0) fail("lo");
  address(fd, "lo:1", "169.254.169.254");
  address(fd, "lo:2", "192.0.2.1");
  address(fd, "lo:3", "192.0.2.53");
  close(fd);
}

static int outlived(pid_t worker, pid_t server) {
  int count = 0;
  DIR *processes = opendir("/proc");
  for (struct dirent *entry; processes != NULL && (entry = readdir(processes)) != NULL;) {
    char path[300], text[512] = "";
    pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
    if (pid <= 1 || pid == worker || pid == server) continue;
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, text, sizeof text - 1) > 0) count++;  // a zombie has no command line
    if (fd >= 0) close(fd);
  }
  if (processes != NULL) closedir(processes);
  return count;
}

static void tell(const char *id, bool happened, const char *what) {
  printf("attempt %s %s%s\n", id, happened ? "got " : "refused - ", what);
}

// Process 1 of the box. It reaps only what it started, like the runners that have no init.
static int stand(struct options *options, const char *secret) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  build_root(options);
  build_network();
  pid_t server = plant_server(secret), worker = plant_worker(secret);
  plant_files(secret);
  pid_t command = fork();
  if (command < 0) fail("fork");
  if (command == 0) {
    // Left open on purpose, as the runtimes of CVE-2024-21626 did.
    if (!options->nests && (setsid() < 0 || chdir("/tmp/work") != 0 || open("/", O_RDONLY | O_DIRECTORY) < 0)) fail("/tmp/work");
    if (options->nests && chdir(options->nest.directory) != 0) fail(options->nest.directory);
    execvp(options->command[0], options->command);
    fail(options->command[0]);
  }
  int status = 0, worker_status = 0;
  if (options->nests) return nest_wait(command);
  waitpid(command, &status, 0);
  usleep(200000);
  tell("plain-outlive", outlived(worker, server) > 0, "processes that the job left behind");
  tell("plain-kill-runner", waitpid(worker, &worker_status, WNOHANG) == worker, "the runner's worker was killed");
  tell("plain-collected-loot", plant_was_fed(), "the collector on the network received something");
  fflush(stdout);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void read_secret(char *secret, size_t size) {
  ssize_t length = read(STDIN_FILENO, secret, size - 1);
  if (length < 0) fail("stdin");
  secret[length] = '\0';
  secret[strcspn(secret, "\n")] = '\0';
  int null = open("/dev/null", O_RDONLY);
  if (null < 0 || dup2(null, STDIN_FILENO) < 0) fail("stdin");
}

static pid_t first_process;

// Ends the box and still waits for it, so that nothing of it is left to somebody else's init.
static void end_box(int signal_number) {
  (void)signal_number;
  if (first_process > 0) kill(first_process, SIGKILL);
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "worker") == 0) return worker_main();
  struct options options = parse(argc, argv);
  struct rlimit none = {0, 0};
  char secret[512];
  read_secret(secret, sizeof secret);
  for (int i = 0; i < options.cgroup_count; i++) join(options.cgroups[i]);
  if (options.nests) nest_follow_parent();
  else if (setrlimit(RLIMIT_CORE, &none) != 0) fail("RLIMIT_CORE");
  int namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | (options.nests ? CLONE_NEWCGROUP : 0);
  if (unshare(namespaces) != 0) fail("unshare");
  for (int i = 0; options.nests && i < options.cgroup_count; i++) nest_hand_controllers_on(options.cgroups[i]);
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  sigprocmask(SIG_BLOCK, &term, NULL);  // until it is known whom to end
  first_process = fork();
  if (first_process < 0) fail("fork");
  if (first_process == 0) {
    sigprocmask(SIG_UNBLOCK, &term, NULL);
    _exit(stand(&options, secret));
  }
  signal(SIGTERM, end_box);
  sigprocmask(SIG_UNBLOCK, &term, NULL);
  int status = 0;
  while (waitpid(first_process, &status, 0) < 0 && errno == EINTR) {}
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
