// SPDX-License-Identifier: Apache-2.0
// The host's files: passwords, keys, other people's homes.
#define _GNU_SOURCE
#include "attack.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct verdict reads(const char *path) {
  char content[4096];
  ssize_t length = read_file(path, content, sizeof content);
  if (length < 0) return refused(errno, "%s", path);
  if (length == 0) return refused(ENODATA, "%s is empty", path);
  return got("%s, %zd bytes: %.90s", path, length, content);
}

static struct verdict read_shadow(void) { return reads("/etc/shadow"); }
static struct verdict read_ssh_key(void) { return reads("/root/.ssh/id_ed25519"); }
static struct verdict read_cloud_credentials(void) { return reads("/root/.aws/credentials"); }

// A file of the host whose place the test chose; only its name is told.
static struct verdict read_canary_file(void) { return reads(text_parameter("ATTACK_CANARY_FILE", "/var/lib/sallyport-canary")); }

static struct verdict read_other_homes(void) {
  DIR *directory = opendir("/home");
  if (directory == NULL) return refused(errno, "/home");
  const char *own = text_parameter("HOME", "/home/runner");
  struct verdict verdict = refused(ENOENT, "no home but the job's own");
  for (struct dirent *entry; verdict.outcome == REFUSED && (entry = readdir(directory)) != NULL;) {
    char path[300];
    snprintf(path, sizeof path, "/home/%s", entry->d_name);
    if (entry->d_name[0] == '.' || strcmp(path, own) == 0) continue;
    DIR *home = opendir(path);
    verdict = home == NULL ? refused(errno, "%s", path) : got("%s can be listed", path);
    if (home != NULL) closedir(home);
  }
  closedir(directory);
  return verdict;
}

const struct attack FILE_ATTACKS[] = {
    {"read-shadow", read_shadow},
    {"read-ssh-key", read_ssh_key},
    {"read-cloud-credentials", read_cloud_credentials},
    {"read-other-homes", read_other_homes},
    {"read-canary-file", read_canary_file},
    {NULL, NULL},
};
