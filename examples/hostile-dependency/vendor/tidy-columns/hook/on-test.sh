#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Everything that a job's process can try by itself. `memory-bomb` has a step of its own, because the kernel may take the
# whole step; a log flood would bury this log.
set -u
probe=$(cd "$(dirname "$0")/../build" && pwd)/probe
mkdir -p out/scratch
ATTACK_DIR=$PWD/out/scratch "$probe" --all --except memory-bomb --except log-flood
