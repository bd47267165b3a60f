// SPDX-License-Identifier: Apache-2.0
// Kernel interfaces in which most local privilege escalations begin: each is asked for once, and closed.
#define _GNU_SOURCE
#include "attack.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct verdict of_descriptor(long fd, const char *what) {
  if (fd < 0) return refused(errno, "%s", what);
  close((int)fd);
  return got("%s", what);
}

static struct verdict bpf_load(void) {
  union bpf_attr map = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1};
  return of_descriptor(syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof map), "a BPF map");
}

static struct verdict io_uring(void) {
  struct io_uring_params parameters = {0};
  return of_descriptor(syscall(SYS_io_uring_setup, 2, &parameters), "an io_uring");
}

static struct verdict user_fault(void) { return of_descriptor(syscall(SYS_userfaultfd, O_CLOEXEC), "a userfaultfd"); }

static struct verdict perf_event(void) {
  struct perf_event_attr event = {.type = PERF_TYPE_SOFTWARE, .size = sizeof event, .config = PERF_COUNT_SW_CPU_CLOCK, .disabled = 1};
  return of_descriptor(syscall(SYS_perf_event_open, &event, 0, -1, -1, PERF_FLAG_FD_CLOEXEC), "a performance event");
}

// Keyrings are not namespaced by user alone: a job that reaches them may read what the host's root left there.
static struct verdict keyctl_read(void) {
  long ring = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1);
  if (ring < 0) return refused(errno, "keyctl");
  return got("the user's keyring is %ld", ring);
}

static struct verdict load_module(void) {
  if (syscall(SYS_finit_module, -1, "", 0) == 0 || errno == EBADF) return got("modules are taken; this one was no file");
  return refused(errno, "finit_module");
}

static struct nlmsghdr *append_message(char *buffer, size_t *length, int type, int flags, int family, int resource) {
  struct nlmsghdr *header = (struct nlmsghdr *)(buffer + *length);
  *header = (struct nlmsghdr){.nlmsg_len = NLMSG_LENGTH(sizeof(struct nfgenmsg)), .nlmsg_type = (unsigned short)type,
                              .nlmsg_flags = (unsigned short)(NLM_F_REQUEST | flags), .nlmsg_seq = 1};
  *(struct nfgenmsg *)NLMSG_DATA(header) = (struct nfgenmsg){.nfgen_family = (unsigned char)family, .version = NFNETLINK_V0,
                                                            .res_id = (unsigned short)((resource & 255) << 8)};
  *length += NLMSG_ALIGN(header->nlmsg_len);
  return header;
}

// Adds an empty table to this network namespace: the power that the nf_tables holes need.
static struct verdict nf_tables(void) {
  if (way_out() != NULL) return got("the interface %s leads out; nothing was changed", way_out());
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (fd < 0) return refused(errno, "the netfilter socket");
  char buffer[512] = {0}, answer[4096];
  size_t length = 0;
  append_message(buffer, &length, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
  struct nlmsghdr *table = append_message(buffer, &length, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_ACK, AF_INET, 0);
  struct nlattr *name = (struct nlattr *)(buffer + length);
  *name = (struct nlattr){.nla_len = NLA_HDRLEN + 7, .nla_type = NFTA_TABLE_NAME};
  memcpy((char *)name + NLA_HDRLEN, "attack", 7);
  table->nlmsg_len += NLA_ALIGN(name->nla_len);
  length += NLA_ALIGN(name->nla_len);
  append_message(buffer, &length, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  if (sendto(fd, buffer, length, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0) return refused(errno, "nf_tables request");
  ssize_t n = recv(fd, answer, sizeof answer, 0);
  close(fd);
  const struct nlmsghdr *header = (const struct nlmsghdr *)answer;
  if (n < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) || header->nlmsg_type != NLMSG_ERROR) return refused(EPROTO, "nf_tables answer");
  int error = -((const struct nlmsgerr *)NLMSG_DATA(header))->error;
  return error == 0 ? got("an nf_tables table was added") : refused(error, "nf_tables table");
}

static bool fill_and_drain(const int pipe_ends[2]) {
  char page[4096] = {0};
  long left = fcntl(pipe_ends[1], F_GETPIPE_SZ);
  for (long bytes = left; bytes > 0;) {
    ssize_t n = write(pipe_ends[1], page, sizeof page);
    if (n <= 0) return false;
    bytes -= n;
  }
  while (left > 0) {
    ssize_t n = read(pipe_ends[0], page, sizeof page);
    if (n <= 0) return false;
    left -= n;
  }
  return true;
}

// On a file of its own, opened for reading only: does a write to a pipe reach the page that was spliced into it?
static struct verdict dirty_pipe(void) {
  char path[512], byte = 0;
  int ends[2];
  scratch_path(path, sizeof path, "page");
  int made = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
  if (made < 0 || write(made, "aaaa", 4) != 4) return refused(errno, "no file");
  close(made);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  unlink(path);
  if (fd < 0 || pipe2(ends, O_CLOEXEC) != 0 || !fill_and_drain(ends)) return refused(errno, "no pipe");
  loff_t offset = 0;
  if (splice(fd, &offset, ends[1], NULL, 1, 0) != 1) return refused(errno, "splice");
  if (write(ends[1], "X", 1) != 1 || pread(fd, &byte, 1, 1) != 1) return refused(errno, "write");
  return byte == 'X' ? got("a read-only file was changed through a pipe: this kernel has CVE-2022-0847")
                     : refused(0, "splice works, the page kept its content: this kernel is repaired");
}

const struct attack KERNEL_ATTACKS[] = {
    {"bpf-load", bpf_load},
    {"io-uring-setup", io_uring},
    {"userfaultfd", user_fault},
    {"perf-event-open", perf_event},
    {"keyctl-read", keyctl_read},
    {"load-module", load_module},
    {"nf-tables", nf_tables},
    {"dirty-pipe", dirty_pipe},
    {NULL, NULL},
};
