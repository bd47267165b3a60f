#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
set -eu
mkdir -p out
vendor/tidy-columns/build/tidy-columns < data/invoices.tsv > out/invoices.txt
cat out/invoices.txt
grep -q 'Tidewater & Sons' out/invoices.txt
