// SPDX-License-Identifier: Apache-2.0
// The targets that a plain box holds: all fake, all made for one run.
#ifndef PLANTS_H
#define PLANTS_H

#include <stdbool.h>
#include <sys/types.h>

// From plain-box.c.
void fail(const char *what) __attribute__((noreturn));
void put_file(const char *path, const char *content, mode_t mode);

// /etc/shadow, keys and credentials of root, another user's home, a canary.
void plant_files(const char *secret);
// A process that holds the secret in its environment and memory, as a runner's worker does.
pid_t plant_worker(const char *secret);
int worker_main(void);
// One process that answers as metadata service, collector, resolver, container daemon and agent.
pid_t plant_server(const char *secret);
// Whether the collector received anything.
bool plant_was_fed(void);

#endif
