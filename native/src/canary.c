// SPDX-License-Identifier: Apache-2.0
// `canary`: runs like a step inside the finished sandbox, before any code of the job, and proves that each wall stands by trying to
// pass it. One line for each check on stdout, then `done COUNT`: without that last line the self-check did not happen.
#include "canary.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "beneath.h"
#include "sallyport.h"

#define TARGET_SECONDS 30

static unsigned reported;

void report(const char *guarantee, int holds, const char *fmt, ...) {
  printf("%s %s ", guarantee, holds ? "holds" : "fails");
  va_list args;
  va_start(args, fmt);
  vprintf(fmt, args);
  va_end(args);
  putchar('\n');
  reported++;
}

int is_refusal(int error) {
  return error == EPERM || error == EACCES || error == ENOSYS;
}

void report_refused(const char *guarantee, const char *what, long result) {
  int error = errno;
  if (result != -1) report(guarantee, 0, "%s: allowed", what);
  else if (!is_refusal(error)) report(guarantee, 0, "%s: reached the kernel: %s", what, strerror(error));
  else report(guarantee, 1, "%s: %s", what, strerror(error));
}

ssize_t read_text(const char *path, char *text, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return -1;
  size_t used = 0;
  ssize_t got = 0;
  while (used < size - 1 && (got = read(fd, text + used, size - 1 - used)) > 0) used += (size_t)got;
  int saved = errno;
  close(fd);
  errno = saved;
  text[used] = 0;
  return got < 0 ? -1 : (ssize_t)used;
}

// ---- options: all are required, since a check that is left out would be a wall that nobody tested

static uint64_t parse_hex(const char *text) {
  char *end;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 16);
  if (!*text || strspn(text, "0123456789abcdefABCDEF") != strlen(text) || errno != 0) die_msg("canary: \"%s\" is no hexadecimal mask", text);
  return value;
}

// `user=4026531837`
static void add_namespace(struct canary_options *options, const char *text) {
  size_t size = strcspn(text, "=");
  int index = namespace_index(text, size);
  if (index < 0 || text[size] != '=') die_msg("canary: --host-ns takes NAME=INODE, not \"%s\"", text);
  options->host_namespaces[index] = parse_count(text + size + 1, UINT64_MAX, "--host-ns");
}

static void add_disk(struct canary_options *options, const char *path) {
  if (options->disk_count == DISKS_MAX) die_msg("canary: too many --disk");
  options->disks[options->disk_count++] = path;
}

static void add_option(struct canary_options *options, const char *name, const char *value) {
  if (strcmp(name, "--hostname") == 0) options->hostname = value;
  else if (strcmp(name, "--network") == 0) options->network = value;
  else if (strcmp(name, "--kernel") == 0) options->kernel = value;
  else if (strcmp(name, "--host-version") == 0) options->host_version = value;
  else if (strcmp(name, "--caps") == 0) options->capabilities = parse_hex(value);
  else if (strcmp(name, "--open-files") == 0) options->open_files = parse_count(value, INT64_MAX, name);
  else if (strcmp(name, "--root") == 0 && (strcmp(value, "tmpfs") == 0 || strcmp(value, "overlay") == 0)) options->root = value;
  else if (strcmp(name, "--ids") == 0) options->ids = parse_count(value, 65536, name);
  else if (strcmp(name, "--processes") == 0) options->processes = parse_count(value, INT32_MAX, name);
  else if (strcmp(name, "--disk") == 0) add_disk(options, value);
  else if (strcmp(name, "--image") == 0) options->is_image = strcmp(value, "tree") == 0;
  else if (strcmp(name, "--disk-bytes") == 0) options->disk_bytes = parse_count(value, INT64_MAX, name);
  else if (strcmp(name, "--inodes") == 0) options->inodes = parse_count(value, INT64_MAX, name);
  else if (strcmp(name, "--peer") == 0 && strcmp(value, "-") == 0) options->peer_on_stdin = 1;
  else if (strcmp(name, "--peer") == 0) options->peer = (pid_t)parse_count(value, INT32_MAX, name);
  else if (strcmp(name, "--host-ns") == 0) add_namespace(options, value);
  else die_msg("canary: unknown option \"%s\"", name);
}

static struct canary_options parse_options(int argc, char **argv) {
  struct canary_options options = {0};
  if (argc % 2 == 0) die_msg("canary: each option takes a value");
  for (int i = 1; i < argc; i += 2) add_option(&options, argv[i], argv[i + 1]);
  int complete = options.hostname && options.network && options.kernel && options.host_version && options.open_files && options.disk_count && options.disk_bytes && options.inodes && options.ids && (options.peer || options.peer_on_stdin);
  for (int i = 0; i < NAMESPACE_COUNT; i++) complete = complete && options.host_namespaces[i];
  if (!complete) {
    die_msg(
        "usage: canary --hostname NAME --network none|gate --kernel shared|own --host-version TEXT --caps HEX --open-files N --disk PATH... --disk-bytes N --inodes N --ids N [--processes N] [--root overlay|tmpfs] --peer PID|- "
        "[--image host|tree] --host-ns user=INODE (and pid, mnt, net, ipc, uts, cgroup)");
  }
  if (strcmp(options.network, "none") != 0 && strcmp(options.network, "gate") != 0)
    die_msg("canary: --network must be \"none\" or \"gate\", not \"%s\"", options.network);
  options.has_own_kernel = strcmp(options.kernel, "own") == 0;
  if (!options.has_own_kernel && strcmp(options.kernel, "shared") != 0) die_msg("canary: --kernel must be \"shared\" or \"own\", not \"%s\"", options.kernel);
  return options;
}

static pid_t read_peer(void) {
  char line[32];
  size_t used = 0;
  while (used < sizeof line - 1 && read_exact(0, line + used, 1) == 1 && line[used] != '\n') used++;
  line[used] = 0;
  return (pid_t)parse_count(line, INT32_MAX, "the peer on stdin");
}

int canary_main(int argc, char **argv) {
  struct canary_options options = parse_options(argc, argv);
  check_namespaces(&options);
  check_mounts(&options);
  check_network(&options);
  check_privileges(&options);
  check_system_calls();
  check_kernel_files();
  check_host_files(&options);
  check_devices();
  check_limits(&options);
  check_init(&options);
  if (options.peer_on_stdin) options.peer = read_peer();
  check_peer(&options);
  check_private_files(&options);
  printf("done %u\n", reported);
  return fflush(stdout) == 0 ? 0 : 1;
}

// `canary-target`: what another step looks like to the canary. SIGUSR1 keeps its default action: were signals to pass, this would die.
int canary_target_main(int argc, char **argv) {
  (void)argv;
  if (argc != 1) die_msg("usage: canary-target");
  signal(SIGUSR1, SIG_DFL);
  printf("%d\n", (int)getpid());
  if (fflush(stdout) != 0) return 1;
  for (unsigned left = TARGET_SECONDS; left > 0;) left = sleep(left);
  return 0;
}
