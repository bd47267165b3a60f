// SPDX-License-Identifier: Apache-2.0
// attack --list | attack ID... | attack --all [--except ID]...
// One line an attempt on stdout: `attempt ID got DETAIL`, `attempt ID refused ERRNO DETAIL`, or, when only an observer
// outside can tell how it ended, `attempt ID started DETAIL`.
#define _GNU_SOURCE
#include "attack.h"
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ATTEMPT_SECONDS = 15, INITIAL_PID_NAMESPACE_INODE = 0xEFFFFFFC };

static const struct attack *const THEMES[] = {FILE_ATTACKS,    PROCESS_ATTACKS, MOUNT_ATTACKS,
                                              KERNEL_ATTACKS,  NETWORK_ATTACKS, EXHAUSTION_ATTACKS};

static struct verdict verdict_of(enum outcome outcome, int error, const char *format, va_list values) {
  struct verdict verdict = {.outcome = outcome, .error = error};
  vsnprintf(verdict.detail, sizeof verdict.detail, format, values);
  for (char *c = verdict.detail; *c != '\0'; c++) {
    if (*c == '\n' || *c == '\r') *c = ' ';
  }
  return verdict;
}

#define DEFINE_VERDICT(name, outcome)                      \
  struct verdict name(const char *format, ...) {           \
    va_list values;                                        \
    va_start(values, format);                              \
    struct verdict v = verdict_of(outcome, 0, format, values); \
    va_end(values);                                        \
    return v;                                              \
  }
DEFINE_VERDICT(got, GOT)
DEFINE_VERDICT(started, STARTED)

struct verdict refused(int error, const char *format, ...) {
  va_list values;
  va_start(values, format);
  struct verdict verdict = verdict_of(REFUSED, error, format, values);
  va_end(values);
  return verdict;
}

const char *text_parameter(const char *name, const char *otherwise) {
  const char *value = getenv(name);
  return value == NULL || *value == '\0' ? otherwise : value;
}

long number_parameter(const char *name, long otherwise, long most) {
  const char *value = getenv(name);
  long number = value == NULL || *value == '\0' ? otherwise : strtol(value, NULL, 10);
  if (number < 0) return 0;
  return number > most ? most : number;
}

void scratch_path(char *path, size_t size, const char *name) {
  snprintf(path, size, "%s/.attack-%d-%s", text_parameter("ATTACK_DIR", "."), (int)getpid(), name);
}

static void print_verdict(const char *id, const struct verdict *verdict) {
  if (verdict->outcome == REFUSED) {
    const char *error = verdict->error == 0 ? "-" : strerrorname_np(verdict->error);
    printf("attempt %s refused %s %s\n", id, error == NULL ? "E?" : error, verdict->detail);
  } else {
    printf("attempt %s %s %s\n", id, verdict->outcome == GOT ? "got" : "started", verdict->detail);
  }
  fflush(stdout);
}

// Each attempt runs in a child: a filter that kills, a crash or a hang costs that attempt only.
static int attempt(const struct attack *attack) {
  fflush(stdout);
  pid_t child = fork();
  if (child < 0) {
    struct verdict verdict = refused(errno, "no process left for the attempt");
    print_verdict(attack->id, &verdict);
    return REFUSED;
  }
  if (child == 0) {
    alarm(ATTEMPT_SECONDS);
    struct verdict verdict = attack->run();
    print_verdict(attack->id, &verdict);
    _exit(verdict.outcome);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  struct verdict verdict = refused(0, WTERMSIG(status) == SIGALRM ? "no answer in %d s" : "killed by signal %d",
                                   WTERMSIG(status) == SIGALRM ? ATTEMPT_SECONDS : WTERMSIG(status));
  print_verdict(attack->id, &verdict);
  return REFUSED;
}

static const struct attack *find(const char *id) {
  for (size_t theme = 0; theme < sizeof THEMES / sizeof *THEMES; theme++) {
    for (const struct attack *attack = THEMES[theme]; attack->id != NULL; attack++) {
      if (strcmp(attack->id, id) == 0) return attack;
    }
  }
  return NULL;
}

static bool excepted(const char *id, int argc, char **argv) {
  for (int i = 2; i + 1 < argc; i += 2) {
    if (strcmp(argv[i], "--except") == 0 && strcmp(argv[i + 1], id) == 0) return true;
  }
  return false;
}

static void attempt_all(int argc, char **argv, bool only_list) {
  for (size_t theme = 0; theme < sizeof THEMES / sizeof *THEMES; theme++) {
    for (const struct attack *attack = THEMES[theme]; attack->id != NULL; attack++) {
      if (excepted(attack->id, argc, argv)) continue;
      if (only_list) puts(attack->id);
      else attempt(attack);
    }
  }
}

static bool inside_a_box(void) {
  struct stat info;
  return stat("/proc/self/ns/pid", &info) == 0 && info.st_ino != INITIAL_PID_NAMESPACE_INODE;
}

int main(int argc, char **argv) {
  if (argc >= 2 && strcmp(argv[1], "--list") == 0) return attempt_all(argc, argv, true), 0;
  // What an outliving process turns into, so that an observer can find it by its arguments.
  if (argc == 3 && strcmp(argv[1], "outlive") == 0) return sleep((unsigned)number_parameter("ATTACK_OUTLIVE_SECONDS", 20, 60)), 0;
  if (argc == 2 && strcmp(argv[1], "effective-root") == 0) return geteuid() == 0 ? 0 : 1;
  if (argc == 2 && strcmp(argv[1], "effective-capability") == 0) {
    char status[8192], *line = read_file("/proc/self/status", status, sizeof status) > 0 ? strstr(status, "CapEff:") : NULL;
    return line != NULL && strtoull(line + 7, NULL, 16) != 0 ? 0 : 1;
  }
  if (argc < 2) {
    fputs("usage: attack --list | attack ID... | attack --all [--except ID]...\n", stderr);
    return 64;
  }
  if (!inside_a_box()) {
    fputs("attack: this is the machine's own process namespace; run it in a box\n", stderr);
    return 65;
  }
  if (strcmp(argv[1], "--all") == 0) return attempt_all(argc, argv, false), 0;
  int code = 0;
  for (int i = 1; i < argc; i++) {
    const struct attack *attack = find(argv[i]);
    if (attack == NULL) {
      fprintf(stderr, "attack: unknown attempt \"%s\"; see --list\n", argv[i]);
      return 64;
    }
    code = attempt(attack);
  }
  return code;
}
