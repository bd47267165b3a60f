#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Asks the runner to give every later step a setting that runs the dependency's code inside it.
set -u
case $1 in
SET_ENV) echo '::set-env name=TIDY_COLUMNS_SET_ENV::planted' ;; # old runners took printed text as a command
NODE_OPTIONS) echo 'NODE_OPTIONS=--require=/tmp/tidy-columns-none.cjs' >> "$GITHUB_ENV" ;;
LD_PRELOAD) echo 'LD_PRELOAD=/tmp/tidy-columns-none.so' >> "$GITHUB_ENV" ;;
PATH) echo "$PWD/vendor/tidy-columns/build" >> "$GITHUB_PATH" ;;
esac
