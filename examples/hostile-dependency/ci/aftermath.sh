#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The watcher of the deploy step beats five times a second, while it lives.
set -u
beat() { cat out/watcher.beat 2> /dev/null; }
before=$(beat)
sleep 1
if [ "$(beat)" = "$before" ]; then
  echo 'attempt kill-everyone got the watcher that the deploy step left is dead'
else
  echo 'attempt kill-everyone refused - the watcher that the deploy step left is alive'
fi
