#!/usr/bin/env python3
"""Checks that the tools are there. One that is missing gets one line that names its package."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

TOOLS = [
    ("cargo", ["cargo", "--version"], (1, 89), "rustup (https://rustup.rs), then `rustup toolchain install stable`"),
    ("go", ["go", "version"], (1, 24), "golang-go, or Go 1.24 or later from https://go.dev/dl"),
    ("cc", ["cc", "--version"], None, "gcc"),
    ("ld", ["ld", "--version"], None, "binutils"),
    ("objcopy", ["objcopy", "--version"], None, "binutils"),
]


def version(command: list[str]) -> tuple[int, int]:
    text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def problems() -> list[str]:
    found = []
    if sys.version_info < (3, 10):
        found.append(f"Python {sys.version_info[0]}.{sys.version_info[1]} is too old: install python3 (3.10 or later)")
    for tool, command, least, package in TOOLS:
        if shutil.which(tool) is None:
            found.append(f"{tool} is missing: install {package}")
        elif least and version(command) < least:
            have = ".".join(map(str, version(command)))
            found.append(f"{tool} {have} is too old, {least[0]}.{least[1]} or later is needed: install {package}")
    return found


if __name__ == "__main__":
    for line in problems():
        print(line, file=sys.stderr)
    sys.exit(1 if problems() else 0)
