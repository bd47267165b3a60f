#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prints the secret of its step in six forms; the fifth and sixth are those that a simple mask misses.
set -u
secret=${DEPLOY_TOKEN:-}
[ -n "$secret" ] || exit 0
printf 'form %s\n' "raw: $secret"
printf 'form %s\n' "base64: $(printf %s "$secret" | base64 -w0)"
printf 'form %s\n' "hex: $(printf %s "$secret" | od -An -v -tx1 | tr -d ' \n')"
printf 'form %s\n' "url: $(printf %s "$secret" | perl -pe 's/([^A-Za-z0-9_.~-])/sprintf("%%%02X", ord($1))/ge')"
printf 'form %s\n' "json: $(printf %s "$secret" | sed 's/[\\"]/\\&/g')"
# Behind one other byte, no group of four letters is that of the plain base64 form.
printf 'form %s\n' "base64-shifted: $(printf 'x%s' "$secret" | base64 -w0)"
