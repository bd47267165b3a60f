// SPDX-License-Identifier: Apache-2.0
// Sees each change of a job's source, while it happens, and by whom: fanotify on the overlay's own file system, which is this job's alone. A host process without
// powers but to follow file handles and to read /proc. Everything that it reads was chosen by the job; it answers in printable ASCII, cut and bounded.
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kernel.h"
#include "sallyport.h"
#include "source.h"

#ifndef FAN_REPORT_PIDFD
#define FAN_REPORT_PIDFD 0x80
#define FAN_EVENT_INFO_TYPE_PIDFD 4
#endif
#ifndef FAN_RENAME
#define FAN_RENAME 0x10000000
#define FAN_EVENT_INFO_TYPE_OLD_DFID_NAME 10
#define FAN_EVENT_INFO_TYPE_NEW_DFID_NAME 12
#endif

#define CHANGES_MAX 256   // different ones, between two questions
#define CHAIN_MAX 16      // processes of a lineage
#define TEXT_MAX 256      // bytes of a program's path or command line
#define SHOWN_MAX 512     // bytes of a path
#define KNOWN_MAX 16384   // paths with an event: the end of a step tells of them no more

// A source is what the job sees of itself: its processes by their ids, from the one that changed something up to the first of its step.
struct process {
  pid_t pid, inner;
  uint64_t started_ms;
  char program[TEXT_MAX], command[TEXT_MAX];
  size_t command_size;
};

struct change {
  char path[SHOWN_MAX + 1];
  pid_t pid;
  uint64_t kinds, count, at_ms;
  char cgroup[64];
  struct process chain[CHAIN_MAX];
  size_t chain_size;
};

static struct change changes[CHANGES_MAX];
static size_t change_count;
static uint64_t overflows, more;
static struct map known;
static struct source *source;
static int control;
static const char *prefix;
static ino_t pid_namespace;
static bool_t probe_made, probe_removed;

static void line(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void line(const char *format, ...) {
  char text[2040];
  va_list args;
  va_start(args, format);
  int size = vsnprintf(text, sizeof text - 1, format, args);
  va_end(args);
  if (size < 0) _exit(125);
  if ((size_t)size > sizeof text - 2) size = sizeof text - 2;
  text[size] = '\n';
  if (write_all(control, text, (size_t)size + 1) != 0) _exit(0);
}

// %XX for all but printable ASCII.
static const char *escaped(const char *bytes, size_t size, char *text, size_t text_size) {
  size_t used = 0;
  for (size_t i = 0; i < size && used + 4 < text_size; i++) {
    unsigned char byte = (unsigned char)bytes[i];
    if (byte >= 0x20 && byte < 0x7f && byte != '%') text[used++] = (char)byte;
    else used += (size_t)snprintf(text + used, 4, "%%%02x", byte);
  }
  text[used] = 0;
  return text;
}

static uint64_t clock_ms(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

// ---- whose change it was

static ssize_t read_proc(pid_t pid, const char *name, char *text, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t got = read(fd, text, size - 1);
  close(fd);
  text[got > 0 ? got : 0] = 0;
  return got;
}

static bool_t is_in_sandbox(pid_t pid) {
  char path[64];
  struct stat info;
  snprintf(path, sizeof path, "/proc/%d/ns/pid", pid);
  return stat(path, &info) == 0 && info.st_ino == pid_namespace;
}

// 0 when it is gone. The name of the program in /proc/PID/stat is hostile, and ends with the last parenthesis.
static pid_t parent_of(pid_t pid, uint64_t *started_ms) {
  char text[1024];
  if (read_proc(pid, "stat", text, sizeof text) <= 0) return 0;
  char *at = strrchr(text, ')');
  int parent = 0;
  unsigned long long ticks = 0;
  if (!at || sscanf(at + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &parent, &ticks) != 2) return 0;
  *started_ms = clock_ms(CLOCK_REALTIME) - clock_ms(CLOCK_BOOTTIME) + ticks * 1000 / (unsigned long long)sysconf(_SC_CLK_TCK);
  return parent;
}

static void describe(pid_t pid, struct process *process) {
  char path[64], status[4096];
  snprintf(path, sizeof path, "/proc/%d/exe", pid);
  ssize_t size = readlink(path, process->program, sizeof process->program - 1);
  process->program[size > 0 ? size : 0] = 0;
  // One that has ended, and whose parent has not asked how yet, still has the name that it gave itself.
  if (size <= 0 && (size = read_proc(pid, "comm", process->program + 1, sizeof process->program - 2)) > 0) {
    process->program[0] = '[';
    process->program[size] = ']';
    process->program[size + 1] = 0;
  }
  size = read_proc(pid, "cmdline", process->command, sizeof process->command);
  process->command_size = size > 0 ? (size_t)size : 0;
  for (size_t i = 0; i < process->command_size; i++)
    if (process->command[i] == 0) process->command[i] = ' ';
  process->pid = pid;
  process->inner = 0;
  const char *inner = read_proc(pid, "status", status, sizeof status) > 0 ? strstr(status, "\nNSpid:") : NULL;
  for (const char *at = inner ? inner + 7 : NULL; at && *at && *at != '\n'; at += strcspn(at, "\t\n"), at += *at == '\t')
    if (*at >= '0' && *at <= '9') process->inner = (pid_t)strtol(at, NULL, 10);
}

// The last name of its cgroup, which we chose: `step-7`. The kernel adds ` (deleted)` when a process that nobody has asked how it ended has outlived it.
static void read_cgroup(pid_t pid, char *name, size_t size) {
  char text[8192];
  *name = 0;
  if (read_proc(pid, "cgroup", text, sizeof text) <= 0) return;
  char *at = strstr(text, "/step-");
  if (at) snprintf(name, size, "%.*s", (int)strcspn(at + 1, "\n/ "), at + 1);
}

// The number may be another process's by now: the kernel says whose descriptor it is.
static bool_t is_still(int pidfd, pid_t pid) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "fdinfo/%d", pidfd);
  if (read_proc(getpid(), path, text, sizeof text) <= 0) return 0;
  const char *at = strstr(text, "Pid:");
  return at && strtol(at + 4, NULL, 10) == pid;
}

// A parent that its child still has when it was read is the one that was read. A lineage that breaks off is told as far as it is certain.
static void read_lineage(struct change *change, int pidfd, pid_t pid) {
  change->chain_size = 0;
  if (pidfd < 0 || !is_in_sandbox(pid)) return;
  read_cgroup(pid, change->cgroup, sizeof change->cgroup);
  while (change->chain_size < CHAIN_MAX && pid > 1) {
    struct process *process = &change->chain[change->chain_size];
    uint64_t started;
    pid_t parent = parent_of(pid, &process->started_ms);
    describe(pid, process);
    bool_t certain = change->chain_size == 0 ? is_still(pidfd, pid) : parent_of(process[-1].pid, &started) == pid;
    if (!certain) break;
    change->chain_size++;
    if (parent <= 1 || !is_in_sandbox(parent)) break;
    pid = parent;
  }
  if (change->chain_size == 0) *change->cgroup = 0;
}

// ---- what changed

static void add_change(const char *path, uint64_t kinds, int pidfd, pid_t pid) {
  (void)map_add(&known, path, strlen(path), "");
  char shown[SHOWN_MAX + 1];
  snprintf(shown, sizeof shown, "%s", path);
  for (size_t i = change_count; i-- > 0;) {
    if (changes[i].pid != pid || strcmp(changes[i].path, shown) != 0) continue;
    changes[i].kinds |= kinds;
    changes[i].count++;
    return;
  }
  if (change_count == CHANGES_MAX) {
    more++;
    return;
  }
  struct change *change = &changes[change_count++];
  *change = (struct change){.pid = pid, .kinds = kinds, .count = 1, .at_ms = clock_ms(CLOCK_REALTIME)};
  memcpy(change->path, shown, sizeof shown);
  read_lineage(change, pidfd, pid);
}

// Where the handle's directory is: one of the source's, also when it is gone by now; or another one, as long as it is there. `open` is its descriptor, or -1.
static bool_t directory_path(struct file_handle *handle, char *path, int *open) {
  const char *text = map_find(&source->directories, handle->f_handle, handle->handle_bytes);
  *open = open_by_handle_at(source->merged, handle, O_PATH | O_CLOEXEC);
  if (text) {
    snprintf(path, SOURCE_PATH_MAX, "%s", text);
    return 1;
  }
  if (*open < 0) return 0;
  char link[64], target[SOURCE_PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", *open);
  ssize_t size = readlink(link, target, sizeof target - 1);
  size_t skip = strlen(prefix);
  if (size <= 0 || (size_t)size < skip) return 0;
  target[size] = 0;
  if (strncmp(target, prefix, skip) != 0) return 0;
  snprintf(path, SOURCE_PATH_MAX, "%s", target[skip] == '/' ? target + skip + 1 : ".");
  return 1;
}

static void look_at(struct file_handle *handle, const char *name, uint64_t kinds, int pidfd, pid_t pid) {
  char path[SOURCE_PATH_MAX];
  int open = -1;
  if (strcmp(name, SOURCE_PROBE) == 0) probe_made |= (kinds & FAN_CREATE) != 0, probe_removed |= (kinds & FAN_DELETE) != 0;
  if (directory_path(handle, path, &open)) {
    size_t size = strcmp(path, ".") == 0 ? 0 : strlen(path);
    if (strcmp(name, ".") != 0) snprintf(path + size, sizeof path - size, size ? "/%s" : "%s", name);
    struct stat info;
    if (is_source(source, path)) {
      add_change(path, kinds, pidfd, pid);
    } else if (open >= 0 && fstatat(open, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(info.st_mode) && info.st_nlink > 1) {
      // A second name of a source file: what is written by it is written to the source's.
      const char *real = map_find(&source->inodes, &info.st_ino, sizeof info.st_ino);
      if (real) add_change(real, kinds & FAN_CREATE ? (kinds & ~(uint64_t)FAN_CREATE) | FAN_MOVED_FROM : kinds, pidfd, pid);
    }
  }
  if (open >= 0) close(open);
}

static void look_at_event(struct fanotify_event_metadata *event) {
  if (event->mask & FAN_Q_OVERFLOW) {
    overflows++;
    return;
  }
  char *begin = (char *)event + event->metadata_len, *end = (char *)event + event->event_len;
  int pidfd = -1;
  struct fanotify_event_info_header *head;
  for (char *at = begin; at + sizeof *head <= end; at += head->len) {
    head = (void *)at;
    if (head->info_type == FAN_EVENT_INFO_TYPE_PIDFD) memcpy(&pidfd, at + sizeof *head, sizeof pidfd);
    if (head->len == 0) break;
  }
  for (char *at = begin; at + sizeof *head <= end; at += head->len) {
    head = (void *)at;
    if (head->len == 0) break;
    if (head->info_type == FAN_EVENT_INFO_TYPE_PIDFD) continue;
    struct fanotify_event_info_fid *fid = (void *)at;
    struct file_handle *handle = (void *)fid->handle;
    const char *name = (const char *)handle->f_handle + handle->handle_bytes;
    uint64_t kinds = event->mask & ~(uint64_t)FAN_ONDIR;
    if (head->info_type == FAN_EVENT_INFO_TYPE_OLD_DFID_NAME) kinds = FAN_DELETE | FAN_RENAME;
    if (head->info_type == FAN_EVENT_INFO_TYPE_NEW_DFID_NAME) kinds = FAN_CREATE | FAN_RENAME;
    look_at(handle, name, kinds, pidfd, event->pid);
  }
  if (pidfd >= 0) close(pidfd);
}

// More than the kernel keeps (fs.fanotify.max_queued_events, 16,384 unless somebody changed it): all that had happened when it was called. A job could go on for ever.
#define DRAIN_MAX 131072

static void drain(int events) {
  static char buffer[256 * 1024] __attribute__((aligned(8)));
  ssize_t size;
  for (int count = 0; count < DRAIN_MAX && (size = read(events, buffer, sizeof buffer)) > 0;) {
    struct fanotify_event_metadata *event = (void *)buffer;
    for (; FAN_EVENT_OK(event, size); event = FAN_EVENT_NEXT(event, size)) look_at_event(event), count++;
  }
}

// ---- answers

static void say_kinds(uint64_t kinds, char *text, size_t size) {
  static const struct {
    uint64_t kind;
    const char *name;
  } names[] = {{FAN_MODIFY, "written"}, {FAN_ATTRIB, "attributes"}, {FAN_CLOSE_WRITE, "opened"}, {FAN_CREATE, "created"}, {FAN_DELETE, "removed"}, {FAN_RENAME, "moved"}, {FAN_MOVED_FROM, "linked"}};
  size_t used = 0;
  *text = 0;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (kinds & names[i].kind) used += (size_t)snprintf(text + used, size - used, used ? ",%s" : "%s", names[i].name);
}

static void say_change(const struct change *change) {
  char path[3 * SHOWN_MAX + 1], kinds[96], program[3 * TEXT_MAX + 1], command[3 * TEXT_MAX + 1];
  say_kinds(change->kinds, kinds, sizeof kinds);
  line("change\t%s\t%s\t%llu\t%llu\t%s", escaped(change->path, strlen(change->path), path, sizeof path), kinds, (unsigned long long)change->count,
       (unsigned long long)change->at_ms, change->cgroup);
  for (size_t i = 0; i < change->chain_size; i++) {
    const struct process *process = &change->chain[i];
    line("by\t%d\t%d\t%llu\t%s\t%s", process->pid, process->inner, (unsigned long long)process->started_ms,
         escaped(process->program, strlen(process->program), program, sizeof program), escaped(process->command, process->command_size, command, sizeof command));
  }
}

static size_t seen_count;

// Each once, however many steps end after it.
static void tell_seen(const char *path, const char *kind) {
  if (map_find(&known, path, strlen(path))) return;
  if (seen_count++ >= CHANGES_MAX) {
    more++;
    return;
  }
  (void)map_add(&known, path, strlen(path), "");
  char text[3 * SHOWN_MAX + 1];
  line("seen\t%s\t%s", escaped(path, strnlen(path, SHOWN_MAX), text, sizeof text), kind);
}

static void answer_changes(void) {
  for (size_t i = 0; i < change_count; i++) say_change(&changes[i]);
  change_count = seen_count = 0;
  compare_layers(source, tell_seen);
  if (overflows + more > 0) line("unseen\t%llu\t%llu", (unsigned long long)overflows, (unsigned long long)more);
  overflows = more = 0;
  line("ok");
}

// On the overlay's file system, and no mount: steps have mounts of their own. No permission is asked for: nothing waits for us.
int mark_source(int merged) {
  int events = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME | FAN_REPORT_PIDFD | FAN_NONBLOCK | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC);
  if (events < 0) return -1;
  uint64_t mask = FAN_MODIFY | FAN_ATTRIB | FAN_CLOSE_WRITE | FAN_CREATE | FAN_DELETE | FAN_RENAME | FAN_ONDIR;
  if (fanotify_mark(events, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, mask, merged, NULL) == 0) return events;
  int error = errno;
  close(events);
  errno = error;
  return -1;
}

static const uint64_t POWERS = 1ull << CAP_DAC_READ_SEARCH | 1ull << CAP_SYS_PTRACE | 1ull << CAP_SYS_ADMIN;

void watch_source(struct source *watched, int events, int answers, const char *merged_path, ino_t namespace) {
  char why[256] = "out of memory";
  source = watched, control = answers, prefix = merged_path, pid_namespace = namespace;
  signal(SIGPIPE, SIG_IGN);
  // A process that changes a file and ends is read before it is gone, as often as can be. Not more: a job decides how much there is to do.
  (void)setpriority(PRIO_PROCESS, 0, -10);
  if (map_make(&known, KNOWN_MAX) != 0 || read_source(source, why, sizeof why) != 0) {
    line("refused\t%s", why);
    _exit(0);
  }
  if (bound_capabilities(POWERS) != 0 || set_capabilities(POWERS) != 0) {
    line("refused\tthe watch cannot give up its powers: %s", strerror(errno));
    _exit(0);
  }
  line("ready\t%zu", source->files);
  struct pollfd fds[2] = {{.fd = events, .events = POLLIN}, {.fd = control, .events = POLLIN}};
  for (;;) {
    if (poll(fds, 2, -1) < 0 && errno != EINTR) _exit(125);
    drain(events);
    if (fds[1].revents == 0) continue;
    char ask;
    if (read_exact(control, &ask, 1) != 1) _exit(0);
    drain(events);
    if (ask == 't') answer_changes();
    else line("%s", probe_made && probe_removed ? "ok" : "refused\tno event of a change was seen");
  }
}
