#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The project's test, by the dependency's own test hook. This step was given no secret.
set -eu
test "$(vendor/tidy-columns/build/tidy-columns < data/invoices.tsv | wc -l)" -eq 4
sh vendor/tidy-columns/hook/on-test.sh
