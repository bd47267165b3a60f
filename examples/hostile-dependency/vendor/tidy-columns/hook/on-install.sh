#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The hostile half begins: builds its probes, lays traps in the workspace, and leaves a process that waits for the step
# which will hold a secret. Every attempt is bounded and changes nothing outside the job.
set -u
here=$(cd "$(dirname "$0")" && pwd)
workspace=$(cd "$here/../../.." && pwd)
gcc -static -O1 -std=gnu17 -o "$here/../build/probe" "$here"/probes/*.c || exit 1

# Traps for whoever collects, hashes or copies the workspace from outside.
mkdir -p "$workspace/reports"
ln -sf /etc/shadow "$workspace/reports/summary.txt"
ln -sf . "$workspace/reports/loop"
mkfifo "$workspace/reports/coverage.fifo" 2> /dev/null
echo done > "$workspace/reports/$(printf 'two\nlines').txt"

setsid sh "$here/lurk.sh" > /dev/null 2>&1 < /dev/null &
exit 0
