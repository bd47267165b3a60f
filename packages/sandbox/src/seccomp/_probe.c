// SPDX-License-Identifier: Apache-2.0
// Makes system calls and tells how the kernel answered. Arguments: a file with a filter to install first, or "-"; then one call
// each, as numbers joined by commas (number,argument,...), or "i386" for getpid by the 32-bit entry. Prints an errno a line, 0 for success.
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int install(const char *path) {
  static struct sock_filter filter[BPF_MAXINSNS];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t size = read(fd, filter, sizeof filter);
  if (size <= 0) return -1;
  struct sock_fprog program = {(unsigned short)((size_t)size / sizeof *filter), filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

static long i386_getpid(void) {
  long result = 20;
#ifdef __x86_64__
  __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
#endif
  return result;
}

static long call(const char *text) {
  if (strcmp(text, "i386") == 0) return i386_getpid();
  unsigned long long value[7] = {0};
  char *end = (char *)text;
  for (int i = 0; i < 7 && (i == 0 || *end == ','); i++) value[i] = strtoull(i == 0 ? end : end + 1, &end, 0);
  return syscall((long)value[0], value[1], value[2], value[3], value[4], value[5], value[6]);
}

int main(int argc, char **argv) {
  if (argc < 2 || (strcmp(argv[1], "-") != 0 && install(argv[1]) != 0)) return perror("install"), 1;
  setvbuf(stdout, NULL, _IONBF, 0);
  pid_t self = getpid();
  for (int i = 2; i < argc; i++) {
    errno = 0;
    long result = call(argv[i]);
    if (getpid() != self) _exit(0); // The child of a clone that was not refused.
    printf("%d\n", result < 0 ? errno : 0);
  }
  return 0;
}
