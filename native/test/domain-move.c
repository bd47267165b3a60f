// SPDX-License-Identifier: Apache-2.0
// `domain-move FROM TO [ABI]`: renames a file from within a step's Landlock domain. Exits with the errno.
#include <errno.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "domain.h"
#include "sallyport.h"

int main(int argc, char **argv) {
  if (argc < 3) die_msg("usage: domain-move FROM TO [ABI]");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || isolate_as(argv[3]) < 0) die("landlock_isolate");
  return rename(argv[1], argv[2]) == 0 ? 0 : errno;
}
