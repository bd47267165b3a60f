#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
beats=0
while [ "$beats" -lt 300 ]; do
  beats=$((beats + 1))
  echo "$beats" > out/watcher.beat
  sleep 0.2
done
