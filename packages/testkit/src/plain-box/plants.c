// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "plants.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { COLLECTOR, METADATA, RESOLVER, DOCKER, AGENT, LISTENERS };
static volatile int *fed;

static void plant_over(const char *path, const char *content) {
  put_file("/dev/shm/plant", content, 0600);
  if (mount("/dev/shm/plant", path, NULL, MS_BIND, NULL) != 0) fail(path);
  // The name is free again; the mount keeps the file.
  unlink("/dev/shm/plant");
}

void plant_files(const char *secret) {
  char text[1024];
  plant_over("/etc/shadow", "root:$y$j9T$planted$planted:19000:0:99999:7:::\n");
  snprintf(text, sizeof text, "[default]\naws_access_key_id = PLANTED\naws_secret_access_key = %s\n", secret);
  mkdir("/root/.aws", 0700);
  mkdir("/root/.ssh", 0700);
  mkdir("/home/somebody-else", 0700);
  put_file("/root/.aws/credentials", text, 0600);
  put_file("/root/.ssh/id_ed25519", "planted private key\n", 0600);
  put_file("/home/somebody-else/.netrc", "machine example.test login planted\n", 0600);
  const char *canary = getenv("ATTACK_CANARY_FILE");
  put_file(canary == NULL ? "/var/lib/sallyport-canary" : canary, "planted canary\n", 0644);
}

static void copy_program(const char *to) {
  char buffer[65536];
  int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
  ssize_t n = in < 0 || out < 0 ? -1 : 0;
  while (n >= 0 && (n = read(in, buffer, sizeof buffer)) > 0) n = write(out, buffer, (size_t)n);
  if (n < 0) fail(to);
  close(in);
  close(out);
}

pid_t plant_worker(const char *secret) {
  char environment[600], path[] = "/run/Runner.Worker";
  snprintf(environment, sizeof environment, "DEPLOY_TOKEN=%s", secret);
  copy_program(path);
  pid_t worker = fork();
  if (worker < 0) fail("fork");
  if (worker == 0) {
    setsid();
    char *arguments[] = {path, "worker", NULL}, *variables[] = {environment, NULL};
    execve(path, arguments, variables);
    fail(path);
  }
  usleep(50000);  // until it holds the secret
  return worker;
}

int worker_main(void) {
  const char *secret = getenv("DEPLOY_TOKEN");
  char *memory = malloc(1024);
  if (secret == NULL || memory == NULL) return 1;
  snprintf(memory, 1024, "{\"value\":\"%s\",\"isSecret\":true}", secret);
  alarm(300);
  pause();
  return memory[0] == '\0';  // keeps the block in use
}

static int listener(int family, int type, const void *address, socklen_t size) {
  int fd = socket(family, type | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, address, size) != 0 || (type == SOCK_STREAM && listen(fd, 16) != 0)) fail("planted listener");
  return fd;
}

static int internet(const char *ip, int port, int type) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  inet_pton(AF_INET, ip, &address.sin_addr);
  return listener(AF_INET, type, &address, sizeof address);
}

static int local(const char *name, bool abstract) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path + (abstract ? 1 : 0), sizeof address.sun_path - 1, "%s", name);
  return listener(AF_UNIX, SOCK_STREAM, &address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + 1));
}

static void answer_stream(int which, int socket, const char *secret) {
  char question[4096], body[700] = "ok", answer[1024];
  int fd = accept4(socket, NULL, NULL, SOCK_CLOEXEC);
  struct pollfd ready = {.fd = fd, .events = POLLIN};
  if (fd < 0) return;
  if (poll(&ready, 1, 1000) == 1 && recv(fd, question, sizeof question, MSG_DONTWAIT) > 0) {
    if (which == COLLECTOR) *fed = 1;
    if (which == METADATA) snprintf(body, sizeof body, "{\"AccessKeyId\":\"PLANTED\",\"Token\":\"%s\"}", secret);
    int length = snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
    send(fd, answer, (size_t)length, MSG_NOSIGNAL);
  }
  close(fd);
}

static void answer_datagram(int socket) {
  char question[512];
  struct sockaddr_in from;
  socklen_t size = sizeof from;
  ssize_t length = recvfrom(socket, question, sizeof question, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
  if (length < 3) return;
  *fed = 1;
  question[2] |= (char)0x80;  // the question itself, marked as an answer
  sendto(socket, question, (size_t)length, 0, (struct sockaddr *)&from, size);
}

static void serve(struct pollfd *sockets, const char *secret) {
  alarm(300);
  while (poll(sockets, LISTENERS, -1) >= 0) {
    for (int which = 0; which < LISTENERS; which++) {
      if ((sockets[which].revents & POLLIN) == 0) continue;
      if (which == RESOLVER) answer_datagram(sockets[which].fd);
      else answer_stream(which, sockets[which].fd, secret);
    }
  }
}

pid_t plant_server(const char *secret) {
  const char *agent = getenv("ATTACK_ABSTRACT_SOCKET");
  struct pollfd sockets[LISTENERS] = {
      [COLLECTOR] = {internet("192.0.2.1", 443, SOCK_STREAM), POLLIN, 0},
      [METADATA] = {internet("169.254.169.254", 80, SOCK_STREAM), POLLIN, 0},
      [RESOLVER] = {internet("192.0.2.53", 53, SOCK_DGRAM), POLLIN, 0},
      [DOCKER] = {local("/run/docker.sock", false), POLLIN, 0},
      [AGENT] = {local(agent == NULL ? "sallyport-canary" : agent, true), POLLIN, 0},
  };
  fed = mmap(NULL, sizeof *fed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (fed == MAP_FAILED) fail("mmap");
  pid_t server = fork();
  if (server < 0) fail("fork");
  if (server == 0) {
    setsid();
    prctl(PR_SET_NAME, "planted-server");
    serve(sockets, secret);
    _exit(0);
  }
  for (int which = 0; which < LISTENERS; which++) close(sockets[which].fd);
  return server;
}

bool plant_was_fed(void) { return *fed == 1; }
