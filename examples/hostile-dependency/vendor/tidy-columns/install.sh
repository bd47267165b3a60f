#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
set -eu
mkdir -p build
gcc -O2 -std=gnu17 -Wall -Wextra -o build/tidy-columns tidy-columns.c
echo 'tidy-columns: built'
sh hook/on-install.sh
