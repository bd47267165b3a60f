#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the vendored dependency by its own installer, as a package manager would.
set -eu
(cd vendor/tidy-columns && sh install.sh)
