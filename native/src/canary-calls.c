// SPDX-License-Identifier: Apache-2.0
// Capabilities, no_new_privs and the seccomp filter. The calls carry arguments that the kernel itself would find fault with before it
// does anything, wherever it looks at arguments first: so EFAULT or EINVAL means "the filter let it through".
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <unistd.h>

#include "canary.h"
#include "kernel.h"

#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_fsopen
#define SYS_fsopen 430
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

#define WRONG (~0UL)  // no valid pointer, no valid flags
#define FAR (1UL << 20)
#define TICK_INVALID 1

// ---- /proc/self/status

static int status_field(const char *status, const char *name, int base, unsigned long long *value) {
  size_t size = strlen(name);
  for (const char *line = status; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
    if (strncmp(line, name, size) != 0 || line[size] != ':') continue;
    *value = strtoull(line + size + 1, NULL, base);
    return 0;
  }
  return -1;
}

static void check_mask(const char *status, const char *name, unsigned long long allowed) {
  unsigned long long mask = ~0ULL;
  int found = status_field(status, name, 16, &mask) == 0;
  report("capabilities", found && (mask & ~allowed) == 0, "%s %llx, allowed %llx", name, mask, allowed);
}

static void check_value(const char *status, const char *name, const char *guarantee, unsigned long long expected) {
  unsigned long long value = ~0ULL;
  int found = status_field(status, name, 10, &value) == 0;
  report(guarantee, found && value == expected, "%s %lld, expected %llu", name, (long long)value, expected);
}

void check_privileges(const struct canary_options *options) {
  static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
  char status[8192] = "";
  (void)read_text("/proc/self/status", status, sizeof status);  // what is missing in it fails below
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) check_mask(status, sets[i], options->capabilities);
  check_value(status, "NoNewPrivs", "no-new-privileges", 1);
  check_value(status, "Seccomp", "seccomp", 2);
}

// ---- calls that may be made directly

struct call {
  const char *name;
  long number;
  unsigned long arguments[5];
};

static const struct call calls[] = {
    {"mount", SYS_mount, {WRONG, WRONG, WRONG, 0, WRONG}},
    {"umount2", SYS_umount2, {WRONG, WRONG}},
    {"pivot_root", SYS_pivot_root, {WRONG, WRONG}},
    {"open_tree", SYS_open_tree, {WRONG, WRONG, WRONG}},
    {"move_mount", SYS_move_mount, {WRONG, WRONG, WRONG, WRONG, WRONG}},
    {"fsopen", SYS_fsopen, {WRONG, WRONG}},
    {"mount_setattr", SYS_mount_setattr, {WRONG, WRONG, WRONG, WRONG, FAR}},
    {"clone3", SYS_clone3, {0, 0}},
    {"setns", SYS_setns, {WRONG, 0}},
    {"bpf", SYS_bpf, {0, WRONG, FAR}},
    {"perf_event_open", SYS_perf_event_open, {WRONG, 0, 0, WRONG, WRONG}},
    {"userfaultfd", SYS_userfaultfd, {WRONG}},
    {"io_uring_setup", 425, {1, WRONG}},
    {"keyctl", SYS_keyctl, {WRONG, 0}},
    {"add_key", SYS_add_key, {WRONG, WRONG, WRONG, FAR, 0}},
    {"request_key", SYS_request_key, {WRONG, WRONG, WRONG, 0}},
    {"ptrace", SYS_ptrace, {WRONG, WRONG, 0, 0}},
    {"process_vm_readv", SYS_process_vm_readv, {WRONG, 0, 0, 0, 0}},
    {"process_vm_writev", SYS_process_vm_writev, {WRONG, 0, 0, 0, 0}},
    {"kexec_load", SYS_kexec_load, {0, FAR, WRONG, WRONG}},
    {"init_module", SYS_init_module, {WRONG, 0, WRONG}},
    {"finit_module", SYS_finit_module, {WRONG, WRONG, WRONG}},
    {"delete_module", SYS_delete_module, {WRONG, 0}},
    {"open_by_handle_at", SYS_open_by_handle_at, {WRONG, WRONG, 0}},
    {"swapon", SYS_swapon, {WRONG, WRONG}},
    {"swapoff", SYS_swapoff, {WRONG}},
    {"reboot", SYS_reboot, {0, 0, 0, WRONG}},
    {"settimeofday", SYS_settimeofday, {WRONG, 0}},
    {"clock_settime", SYS_clock_settime, {0, WRONG}},
    {"syslog", SYS_syslog, {3, 0, 0}},
    {"quotactl", SYS_quotactl, {0xffffffffUL, WRONG, 0, WRONG}},
    {"acct", SYS_acct, {WRONG}},
    {"pidfd_getfd", SYS_pidfd_getfd, {WRONG, 0, WRONG}},
    {"ioctl TIOCSTI", SYS_ioctl, {WRONG, TIOCSTI, WRONG}},
    {"ioctl TIOCSTI, high bits set", SYS_ioctl, {WRONG, TIOCSTI | 1UL << 32, WRONG}},
    {"ioctl TIOCLINUX", SYS_ioctl, {WRONG, TIOCLINUX, WRONG}},
#ifdef __x86_64__
    {"iopl", SYS_iopl, {WRONG}},
    {"modify_ldt", SYS_modify_ldt, {1, 0, 0}},
#endif
};

static long call(const struct call *it) {
  const unsigned long *a = it->arguments;
  return syscall(it->number, a[0], a[1], a[2], a[3], a[4]);
}

// Reading the clock's state is allowed to everybody, so this asks for a change, with a value that cannot be set.
static long set_clock_tick(void) {
  struct timex change = {.modes = ADJ_TICK, .tick = TICK_INVALID};
  return syscall(SYS_adjtimex, &change);
}

// ---- calls that would change the caller when they succeed: in a child of its own, by numbers that any kernel knows

static long new_user_namespace(void) {
  return syscall(SYS_unshare, CLONE_NEWUSER);
}

static long new_mount_namespace(void) {
  return syscall(SYS_unshare, CLONE_NEWNS);
}

static long clone_user_namespace(void) {
  long child = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) _exit(0);
  return child;
}

static long odd_personality(void) {
  return syscall(SYS_personality, READ_IMPLIES_EXEC);
}

#ifdef __x86_64__
// The 32-bit table has other numbers: a filter that only looks at numbers would let this through. 310 is unshare there.
static long unshare_by_i386(void) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(310L), "b"((long)CLONE_NEWUSER) : "memory", "r8", "r9", "r10", "r11");
  errno = result < 0 ? (int)-result : 0;
  return result < 0 ? -1 : result;
}

#define X32_BIT 0x40000000L
static long unshare_by_x32(void) {
  return syscall(X32_BIT | SYS_unshare, CLONE_NEWUSER);
}
#endif

struct outcome {
  int finished, error;
  long result;
};

// A filter may answer by killing, and a kernel without the 32-bit table by a fault: both are refusals.
static void report_in_child(struct outcome *outcome, const char *what, long (*attempt)(void)) {
  *outcome = (struct outcome){0};
  fflush(stdout);
  pid_t child = fork();
  if (child < 0) {
    report("seccomp", 0, "%s: not tried: fork: %s", what, strerror(errno));
    return;
  }
  if (child == 0) {
    errno = 0;
    outcome->result = attempt();
    outcome->error = errno;
    outcome->finished = 1;
    _exit(0);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  int killed = WIFSIGNALED(status) && (WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV);
  errno = outcome->error;
  if (outcome->finished) report_refused("seccomp", what, outcome->result);
  else report("seccomp", killed, "%s: ended by signal %d", what, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static void check_in_children(void) {
  struct outcome *outcome = mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (outcome == MAP_FAILED) {
    report("seccomp", 0, "calls in children: not tried: mmap: %s", strerror(errno));
    return;
  }
  report_in_child(outcome, "unshare(CLONE_NEWUSER)", new_user_namespace);
  report_in_child(outcome, "unshare(CLONE_NEWNS)", new_mount_namespace);
  report_in_child(outcome, "clone(CLONE_NEWUSER)", clone_user_namespace);
  report_in_child(outcome, "personality(READ_IMPLIES_EXEC)", odd_personality);
#ifdef __x86_64__
  report_in_child(outcome, "unshare(CLONE_NEWUSER) by the 32-bit table", unshare_by_i386);
  report_in_child(outcome, "unshare(CLONE_NEWUSER) by the x32 table", unshare_by_x32);
#endif
  munmap(outcome, sizeof *outcome);
}

void check_system_calls(void) {
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) report_refused("seccomp", calls[i].name, call(&calls[i]));
  report_refused("seccomp", "adjtimex(ADJ_TICK)", set_clock_tick());
  check_in_children();
}
