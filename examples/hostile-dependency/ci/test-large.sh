#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
set -eu
sh vendor/tidy-columns/hook/on-large-test.sh
