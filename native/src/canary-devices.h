// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_CANARY_DEVICES_H
#define SALLYPORT_CANARY_DEVICES_H

#include <sys/stat.h>

// null, zero, full, random, urandom, tty: character devices that give nothing of the host away.
int is_allowed_device(const struct stat *info);

#endif
