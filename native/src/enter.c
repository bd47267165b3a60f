// SPDX-License-Identifier: Apache-2.0
// Starts one step inside a running sandbox, from outside, so that nothing an earlier step could own takes part.
//
//   warden (this process, host pid namespace)
//    ├─ entrant: joins cgroups and namespaces, gets a mount namespace of its own and the step's Landlock domain, clones, ends
//    └─ step:    the entrant's clone made with CLONE_PARENT: first process of the step inside the pid namespace
//
// The warden never enters the sandbox. It keeps the step's private tmpfs by descriptor, drops to the job's uid as soon as
// the step runs, waits, and then streams the environment files as hostile bytes. A job can see neither of the two: they
// are in another pid namespace; and until its execve the step cannot be traced: it is not dumpable and in a domain of its own.
//
// fds: 0 the request, 1 where the step's output goes, 2 our own errors, 3 results, 4 the step's stdin (with flag `stdin`).
//
// The step writes into a pipe of its own, since programs reopen /dev/stdout, which a socket refuses. The warden moves it on; after the
// end of the step it drains what leftovers still write, so that they neither block nor die of SIGPIPE, and drops it.
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enter.h"
#include "kernel.h"
#include "sallyport.h"

#define REQUEST_MAX_BYTES (256u << 20)
#define PIPE_BYTES (1 << 20)

struct request request;

// ---- results

void result(char type, const void *data, uint32_t size) {
  char head[5] = {type};
  memcpy(head + 1, &size, 4);
  if (write_all(RESULT_FD, head, sizeof head) != 0 || write_all(RESULT_FD, data, size) != 0) _exit(125);
}

void failed(const char *what, int error) {
  char text[4400];
  int size = snprintf(text, sizeof text, "%s: %s", what, strerror(error));
  result('M', text, (uint32_t)(size < (int)sizeof text ? size : (int)sizeof text - 1));
  _exit(125);
}

// ---- the request: records of u8 type, u32le size, bytes; the last one is `.`

static char *text_of(const char *data, size_t size) {
  char *text = malloc(size + 1);
  if (!text) failed("malloc", ENOMEM);
  memcpy(text, data, size);
  text[size] = 0;
  return text;
}

static uint64_t number_of(const char *data, size_t size) {
  uint64_t number = 0;
  if (size != 8) failed("request: a number has 8 bytes", EINVAL);
  memcpy(&number, data, 8);
  return number;
}

static void add_text(char **list, size_t *count, size_t max, const char *data, size_t size) {
  if (*count >= max) failed("request: too many entries", E2BIG);
  list[(*count)++] = text_of(data, size);
}

// u32le mode, u32le name size, name, content.
static void add_file(const char *data, size_t size) {
  uint32_t mode, name_size;
  if (request.file_count >= FILES_MAX || size < 8) failed("request: file", EINVAL);
  memcpy(&mode, data, 4);
  memcpy(&name_size, data + 4, 4);
  if (name_size > size - 8) failed("request: file name", EINVAL);
  request.files[request.file_count++] =
      (struct file){text_of(data + 8, name_size), (mode_t)mode, data + 8 + name_size, size - 8 - name_size};
}

// u64le descriptor, name of a file of the step.
static void add_descriptor(const char *data, size_t size) {
  if (request.descriptor_count >= FILES_MAX || size < 8) failed("request: descriptor", EINVAL);
  int fd = (int)number_of(data, 8);
  request.descriptors[request.descriptor_count].name = text_of(data + 8, size - 8);
  request.descriptors[request.descriptor_count++].fd = fd;
}

static void apply(char type, const char *data, size_t size) {
  switch (type) {
    case 'i': request.init = (pid_t)number_of(data, size); break;
    case 'u': request.uid = (uid_t)number_of(data, size); break;
    case 'C': request.capabilities = number_of(data, size); break;
    case 'n': request.open_files = number_of(data, size); break;
    case 'P': request.processes = number_of(data, size); break;
    case 't': request.tmpfs_bytes = number_of(data, size); break;
    case 'K': request.collect_max = number_of(data, size); break;
    case 'w': request.cwd = text_of(data, size); break;
    case 'd': request.step_dir = text_of(data, size); break;
    case 'a': add_text(request.argv, &request.argc, LIST_MAX, data, size); break;
    case 'e': add_text(request.env, &request.envc, LIST_MAX, data, size); break;
    case 'g': add_text(request.cgroups, &request.cgroup_count, CGROUPS_MAX, data, size); break;
    case 'k': add_text(request.collect, &request.collect_count, FILES_MAX, data, size); break;
    case 'f': add_file(data, size); break;
    case 'D': add_descriptor(data, size); break;
    case 'b': request.filter = text_of(data, size), request.filter_size = size; break;
    case 's': request.has_stdin = 1; break;
    case 'E': request.own_stderr = 1; break;
    case 'N': request.no_network = 1; break;
    case 'p': request.pids = number_of(data, size); break;
    default: failed("request: unknown record", EINVAL);
  }
}

void read_request(void) {
  size_t total = 0;
  for (;;) {
    char head[5];
    uint32_t size;
    if (read_exact(0, head, sizeof head) != 1) failed("request: cut short", EPIPE);
    memcpy(&size, head + 1, 4);
    total += size;
    if (total > REQUEST_MAX_BYTES) failed("request: too large", E2BIG);
    if (head[0] == '.') break;
    char *data = malloc((size_t)size + 1);
    if (!data) failed("malloc", ENOMEM);
    if (size > 0 && read_exact(0, data, size) != 1) failed("request: cut short", EPIPE);
    apply(head[0], data, size);
    if (head[0] != 'f') free(data);  // file contents stay where they are
  }
  if (request.argc == 0 || !request.cwd || !request.filter) failed("request: incomplete", EINVAL);
}

// ---- the step's private directory

static int configure(int context, const char *key, const char *value) {
  return (int)syscall(SYS_fsconfig, context, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value, 0);
}

// A detached tmpfs of the host's making: its pages may not be swapped out where the kernel can promise that (6.4).
static int make_private_directory(void) {
  char size[32], owner[16];
  int context = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
  if (context < 0) failed("fsopen tmpfs", errno);
  snprintf(size, sizeof size, "%llu", (unsigned long long)request.tmpfs_bytes);
  snprintf(owner, sizeof owner, "%u", request.uid);
  if (configure(context, "size", size) != 0 || configure(context, "nr_inodes", "1024") != 0 || configure(context, "mode", "0700") != 0 ||
      configure(context, "uid", owner) != 0 || configure(context, "gid", owner) != 0)
    failed("configure the step's tmpfs", errno);
  (void)configure(context, "noswap", NULL);  // older kernels: the host's swap is a finding of `doctor`
  if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0) failed("create the step's tmpfs", errno);
  int directory = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
  if (directory < 0) failed("mount the step's tmpfs", errno);
  close(context);
  return directory;
}

void fill(int directory) {
  for (size_t i = 0; i < request.file_count; i++) {
    const struct file *file = &request.files[i];
    int fd = openat(directory, file->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || write_all(fd, file->data, file->size) != 0) failed(file->name, errno);
    if (fchown(fd, request.uid, request.uid) != 0 || fchmod(fd, file->mode) != 0) failed(file->name, errno);
    close(fd);
  }
}

// ---- the entrant: every failure goes through `report`, since the result channel is the warden's

int report_fd = -1;

void refuse(const char *what) {
  char text[4400];
  int size = snprintf(text, sizeof text, "%s: %s", what, strerror(errno));
  (void)write_all(report_fd, text, (size_t)(size < (int)sizeof text ? size : (int)sizeof text - 1));
  _exit(125);
}

static void join_cgroups(void) {
  for (size_t i = 0; i < request.cgroup_count; i++) {
    int fd = open(request.cgroups[i], O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write_all(fd, "0", 1) != 0) refuse(request.cgroups[i]);
    close(fd);
  }
}

// Under memory pressure the kernel takes a step before the sandbox's PID 1; a step cannot lower it below where it started from the host.
static void prefer_for_oom(void) {
  int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write_all(fd, "500", 3) != 0) refuse("oom_score_adj");
  close(fd);
}

static void join_namespaces(int pidfd) {
  const int all = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
  if (setns(pidfd, all) != 0) refuse("enter the sandbox's namespaces");
  if (syscall(SYS_setgroups, 0, NULL) != 0 || setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0) refuse("become the sandbox's root");
}

// Nothing that another step of the job can see: what is mounted here is in this step's own mount namespace only.
static void mount_private_directory(int directory) {
  if (unshare(CLONE_NEWNS) != 0) refuse("unshare the step's mount namespace");
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) refuse("make the step's mounts private");
  if (syscall(SYS_move_mount, directory, "", AT_FDCWD, request.step_dir, MOVE_MOUNT_F_EMPTY_PATH) != 0) refuse(request.step_dir);
}

static void set_limits(void) {
  struct rlimit none = {0, 0};
  struct rlimit files = {request.open_files, request.open_files};
  if (setrlimit(RLIMIT_CORE, &none) != 0) refuse("RLIMIT_CORE");
  if (setrlimit(RLIMIT_NOFILE, &files) != 0) refuse("RLIMIT_NOFILE");
  struct rlimit processes = {request.processes, request.processes};
  if (request.processes > 0 && setrlimit(RLIMIT_NPROC, &processes) != 0) refuse("RLIMIT_NPROC");
}

static void drop_capabilities(void) {
  if (bound_capabilities(request.capabilities) != 0) refuse("drop the bounding set");
  if (set_capabilities(request.capabilities) != 0) refuse("capset");
}

static void arrange_descriptors(int output) {
  int in = request.has_stdin ? STDIN_FD : open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (in < 0 || dup2(in, 0) < 0) refuse("stdin");
  if (dup2(output, 1) < 0 || (!request.own_stderr && dup2(output, 2) < 0)) refuse("stdout");
  // `report_fd` stays open until execve takes it; everything else of the host is gone from here on.
  if (dup2(report_fd, 3) < 0 || fcntl(3, F_SETFD, FD_CLOEXEC) != 0) refuse("report");
  report_fd = 3;
  if (syscall(SYS_close_range, 4, ~0u, 0) != 0) refuse("close_range");
}

// Files that the step has open and nobody finds: in its private directory, which is mounted by now and was never anybody else's.
static void open_descriptors(void) {
  for (size_t i = 0; i < request.descriptor_count; i++) {
    char path[4200];
    const char *name = request.descriptors[i].name;
    if (snprintf(path, sizeof path, "%s/%s", request.step_dir, name) >= (int)sizeof path) errno = ENAMETOOLONG, refuse(name);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || dup2(fd, request.descriptors[i].fd) < 0 || unlink(path) != 0) refuse(name);
    close(fd);
  }
}

static void install_filter(void) {
  if (install_seccomp(request.filter, request.filter_size) != 0) refuse("install the seccomp filter");
}

static const char *path_of(char **env) {
  for (; *env; env++)
    if (strncmp(*env, "PATH=", 5) == 0) return *env + 5;
  return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

// execvpe's search over the step's own PATH: errno is that of the last candidate that exists, else ENOENT.
static void exec_found(void) {
  const char *name = request.argv[0];
  if (strchr(name, '/')) {
    execve(name, request.argv, request.env);
    return;
  }
  int error = ENOENT;
  char path[4096];
  for (const char *at = path_of(request.env); at;) {
    const char *end = strchrnul(at, ':');
    if (snprintf(path, sizeof path, "%.*s/%s", (int)(end - at), at, name) < (int)sizeof path) {
      execve(path, request.argv, request.env);
      if (errno != ENOENT && errno != ENOTDIR) error = errno;
    }
    at = *end ? end + 1 : NULL;
  }
  errno = error;
}

void become_step(int output) {
  if (setsid() < 0) refuse("setsid");
  default_signals();
  umask(0022);
  arrange_descriptors(output);
  // Only now: a working directory that names a descriptor (`/proc/self/fd/7`) finds none of the host's (CVE-2024-21626).
  if (chdir(request.cwd) != 0) {
    char what[4200];
    snprintf(what, sizeof what, "working directory \"%s\"", request.cwd);
    refuse(what);
  }
  open_descriptors();
  set_limits();
  drop_capabilities();
  install_filter();
  exec_found();
  char what[4200];
  snprintf(what, sizeof what, "execve \"%s\"", request.argv[0]);
  refuse(what);
}

// Clones the step as the warden's child and says its host pid, then ends.
static void enter(int pidfd, int directory, int step_pid_fd, int output) {
  join_cgroups();
  prefer_for_oom();
  // The warden's session keyring is the host's.
  (void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
  join_namespaces(pidfd);
  if (directory >= 0) mount_private_directory(directory);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) refuse("no_new_privs");
  if (landlock_isolate() < 0) refuse("Landlock");
  pid_t step = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
  if (step < 0) refuse("clone the step");
  if (step == 0) become_step(output);
  if (write_all(step_pid_fd, &step, sizeof step) != 0) refuse("report the step");
  _exit(0);
}

// ---- the warden

static void become_harmless(void) {
  if (syscall(SYS_setgroups, 0, NULL) != 0 || setresgid(request.uid, request.uid, request.uid) != 0 ||
      setresuid(request.uid, request.uid, request.uid) != 0)
    failed("drop to the job's uid", errno);
  // The change of uid took back the parent-death signal.
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) failed("prctl", errno);
  if (getppid() == 1) _exit(125);
}

void make_output_pipe(int pipe_fds[2]) {
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) failed("pipe", errno);
  // The job's, so that it may reopen it as /dev/stdout.
  if (fchown(pipe_fds[0], request.uid, request.uid) != 0) failed("own the output pipe", errno);
  (void)fcntl(pipe_fds[1], F_SETPIPE_SZ, PIPE_BYTES);
}

// Moves up to `max` bytes; 0 at the end, -1 with errno. When the supervisor no longer listens the step goes on, unheard, until it is ended.
static ssize_t move(int from, size_t max) {
  static char buffer[65536];
  static bool_t unheard;
  if (!unheard) {
    ssize_t moved = splice(from, NULL, 1, NULL, max, 0);
    if (moved >= 0 || (errno != EINVAL && errno != EPIPE)) return moved;
  }
  ssize_t got = read(from, buffer, max < sizeof buffer ? max : sizeof buffer);
  if (got > 0 && !unheard && write_all(1, buffer, (size_t)got) != 0) unheard = 1;
  return got;
}

// Everything that stood in the pipe when the step's first process ended belongs to the step; what leftovers write later does not.
static void drain(int output) {
  int left = 0;
  if (ioctl(output, FIONREAD, &left) != 0) return;
  while (left > 0) {
    ssize_t moved = move(output, (size_t)left);
    if (moved <= 0) return;
    left -= (int)moved;
  }
}

bool_t relay(int output, int end, int control, void (*hang_up)(void)) {
  struct pollfd fds[3] = {{.fd = output, .events = POLLIN}, {.fd = end, .events = POLLIN}, {.fd = control, .events = POLLIN}};
  for (;;) {
    if (poll(fds, 3, -1) < 0 && errno != EINTR) failed("poll", errno);
    if (fds[1].revents != 0) break;
    if (fds[2].revents != 0) {
      hang_up();
      fds[2].fd = -1;
    }
    if (fds[0].revents == 0) continue;
    ssize_t moved = move(output, PIPE_BYTES);
    if (moved == 0) fds[0].fd = -1;
    if (moved < 0 && errno != EINTR && errno != EAGAIN) failed("the step's output", errno);
  }
  if (fds[0].fd >= 0) drain(output);
  close(1);
  return fds[0].fd >= 0;
}

static int wait_for(pid_t step) {
  int status;
  while (waitpid(step, &status, 0) != step)
    if (errno != EINTR) failed("wait for the step", errno);
  return status;
}

static void discard(int output) {
  static char buffer[65536];
  ssize_t got;
  while ((got = read(output, buffer, sizeof buffer)) > 0 || (got < 0 && errno == EINTR)) continue;
}

void report_exit(int status) {
  uint32_t exit[2] = {WIFSIGNALED(status), (uint32_t)(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status))};
  result('X', exit, sizeof exit);
}

void report_files(int directory) {
  for (size_t i = 0; i < request.collect_count; i++) {
    result('F', request.collect[i], (uint32_t)strlen(request.collect[i]));
    if (read_regular(directory, request.collect[i], request.collect_max, RESULT_FD) != 0) _exit(125);
  }
}

// What the entrant or the step said before its execve; empty when the program runs.
size_t read_report(int fd, char *text, size_t size) {
  size_t used = 0;
  ssize_t got;
  while (used < size && ((got = read(fd, text + used, size - used)) > 0 || (got < 0 && errno == EINTR)))
    if (got > 0) used += (size_t)got;
  return used;
}

int enter_main(int argc, char **argv) {
  (void)argc, (void)argv;
  signal(SIGPIPE, SIG_IGN);
  if (setsid() < 0 && errno != EPERM) failed("setsid", errno);
  // No tracing and no core of a process that holds a step's secrets; it ends with the supervisor.
  if (prctl(PR_SET_DUMPABLE, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) failed("prctl", errno);
  for (int fd = 0; fd <= STDIN_FD; fd++) (void)fcntl(fd, F_SETFD, fd == 2 ? 0 : FD_CLOEXEC);
  read_request();
  if (request.init <= 1 || request.uid < 65536) failed("request: incomplete", EINVAL);
  int pidfd = (int)syscall(SYS_pidfd_open, request.init, 0);
  if (pidfd < 0) failed("the sandbox's PID 1", errno);
  int directory = request.tmpfs_bytes > 0 ? make_private_directory() : -1;
  if (directory >= 0) fill(directory);
  int report[2], step_pid[2], output[2];
  if (pipe2(report, O_CLOEXEC) != 0 || pipe2(step_pid, O_CLOEXEC) != 0) failed("pipe", errno);
  make_output_pipe(output);
  pid_t entrant = fork();
  if (entrant < 0) failed("fork", errno);
  if (entrant == 0) {
    report_fd = report[1];
    enter(pidfd, directory, step_pid[1], output[1]);
  }
  close(report[1]);
  close(step_pid[1]);
  close(output[1]);
  if (request.has_stdin) close(STDIN_FD);
  waitpid(entrant, NULL, 0);
  pid_t step = -1;
  char text[4400];
  if (read_exact(step_pid[0], &step, sizeof step) != 1) step = -1;
  become_harmless();
  size_t size = read_report(report[0], text, sizeof text);
  if (size > 0 || step < 0) {
    if (step > 0) waitpid(step, NULL, 0);
    result('M', size > 0 ? text : "the step did not start", size > 0 ? (uint32_t)size : 22);
    return 0;
  }
  result('S', &step, sizeof step);
  int end = (int)syscall(SYS_pidfd_open, step, 0);
  if (end < 0) failed("pidfd_open", errno);
  bool_t open = relay(output[0], end, -1, NULL);
  close(end);
  report_exit(wait_for(step));
  if (directory >= 0) report_files(directory);
  result('Z', NULL, 0);
  close(RESULT_FD);
  if (directory >= 0) close(directory);
  if (open) discard(output[0]);
  return 0;
}
