#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What reached this step of all that the dependency planted in earlier ones.
set -u
report() { # id, whether it reached us, words
  if [ -n "$2" ]; then echo "attempt $1 got $3"; else echo "attempt $1 refused - $3"; fi
}
report set-env-command "${TIDY_COLUMNS_SET_ENV:-}" 'a variable by a printed ::set-env:: command'
report github-env-node-options "${NODE_OPTIONS:-}" 'NODE_OPTIONS by GITHUB_ENV'
report github-env-ld-preload "${LD_PRELOAD:-}" 'LD_PRELOAD by GITHUB_ENV'
case ":$PATH:" in
*tidy-columns*) echo 'attempt github-path got a directory at the front of PATH' ;;
*) echo 'attempt github-path refused - a directory at the front of PATH' ;;
esac
if grep -qs DEPLOY_TOKEN= "${TMPDIR:-/tmp}/.tidy-columns-loot"; then
  echo 'attempt lurk-for-later-step got the environment of the step that deployed, read while it ran'
else
  echo 'attempt lurk-for-later-step refused - no environment of the step that deployed'
fi
# What matters of the traps is that the question came to an end, and that a link out of the workspace has no content here.
echo "attempt fifo-trap refused - the runner's file functions returned (${REPORTS:-no hash})"
report symlink-trap "${SUMMARY:-}" 'the content of what a link to /etc/shadow names'
