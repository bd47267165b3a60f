#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The entry of one version out of CHANGELOG.md.
set -eu
awk -v heading="## $1" '$0 == heading { inside = 1; next } /^## / { inside = 0 } inside' CHANGELOG.md
