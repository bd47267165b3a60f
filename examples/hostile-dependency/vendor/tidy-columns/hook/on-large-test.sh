#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
set -u
"$(dirname "$0")/../build/probe" memory-bomb
