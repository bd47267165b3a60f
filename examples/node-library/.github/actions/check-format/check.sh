#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
bad=0 files=0
while IFS= read -r file; do
  files=$((files + 1))
  if grep -nP '[ \t]+$|\t' "$file" | sed "s|^\([0-9]*\):.*|::error file=$file,line=\1::trailing blank or tab|" | grep .; then bad=1; fi
  if [ -n "$(tail -c1 "$file")" ]; then
    echo "::error file=$file::no newline at the end"
    bad=1
  fi
done < "$1"
echo "files=$files" >> "$GITHUB_OUTPUT"
exit "$bad"
