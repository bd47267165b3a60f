#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
set -u
sh vendor/tidy-columns/hook/on-uninstall.sh
