#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# scripts/with-node.sh FILE.ts [ARGUMENT…]: runs one of our scripts on our Node, which its children find as `node`, too.
set -u
root=$(cd "${0%/*}/.." && pwd)
. "$root/scripts/node.sh"
if [ -z "$node" ]; then
  echo "there is no Node 24 here yet; run make build in $root" >&2
  exit 6
fi
PATH=${node%/*}:$PATH
export PATH
exec "$node" --disable-warning=ExperimentalWarning "$@"
