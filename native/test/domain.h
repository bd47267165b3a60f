// SPDX-License-Identifier: Apache-2.0
// The product's own source, so that the branch for older kernels is tested on a newer one: a newer kernel accepts it as well.
#ifndef SALLYPORT_TEST_DOMAIN_H
#define SALLYPORT_TEST_DOMAIN_H

#include "../src/landlock.c"

#include <stdlib.h>

// With `abi` NULL as on this kernel, else as on one with that ABI. Returns the ABI, or -1.
static int isolate_as(const char *abi) {
  if (!abi) return landlock_isolate();
  return restrict_self(legacy_ruleset(atoi(abi))) == 0 ? atoi(abi) : -1;
}

#endif
