#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Style of the C sources: line length, trailing blanks, include guards."""
import pathlib
import re
import sys

LENGTH_MAX = 110


def complaints(path):
    text = path.read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > LENGTH_MAX:
            yield number, f"longer than {LENGTH_MAX} characters"
        if line != line.rstrip():
            yield number, "trailing blank"
    if path.suffix == ".h" and not re.search(rf"#ifndef {path.stem.upper()}_H\n#define", text):
        yield 1, "no include guard"


def main(directories):
    files = sorted(path for directory in directories for path in pathlib.Path(directory).rglob("*.[ch]"))
    found = [(path, number, what) for path in files for number, what in complaints(path)]
    for path, number, what in found:
        print(f"::error file={path},line={number}::{what}")
    print(f"{len(files)} files, {len(found)} complaints")
    return 1 if found or not files else 0


sys.exit(main(sys.argv[1:]))
