// SPDX-License-Identifier: Apache-2.0
// `domain-move FROM TO`: renames a file from within a step's Landlock domain.
#include <stdio.h>
#include <sys/prctl.h>

#include "sallyport.h"

int main(int argc, char **argv) {
  if (argc != 3) die_msg("usage: domain-move FROM TO");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || landlock_isolate() < 0) die("landlock_isolate");
  if (rename(argv[1], argv[2]) != 0) die("rename");
  return 0;
}
