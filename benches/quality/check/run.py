#!/usr/bin/env python3
"""Compares the models of other libraries with the libraries: the same requests, the same collections, and of each
collection which requests are shown. `make quality-check` runs it with the interpreter of build/venv.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
BUILD = ROOT / "build" / "quality" / "check"
# The model's answers and those of the libraries.
PAIRS = [
    ("classic.txt", "classic.client_golang"),
    ("classic.txt", "classic.prometheus_client"),
    ("native.txt", "native.client_golang"),
    ("aligned.txt", "aligned.opentelemetry"),
]


def run(*command: object, cwd: Path = ROOT) -> None:
    subprocess.run([str(word) for word in command], cwd=cwd, check=True)


def compare(model: str, library: str) -> bool:
    expected, got = ((BUILD / name).read_text().splitlines() for name in (model, library))
    shown = sum(word != "-" for line in got for word in line.split())
    changed = sum(before != after for before, after in zip(got, got[1:]))
    different = [at for at, (a, b) in enumerate(zip(expected, got), 1) if a != b]
    print(f"{library}: {len(got)} collections, {shown} exemplars, {len(different)} collections differ from the model")
    if different:
        at = different[0]
        print(f"  the first, {at}: model {expected[at - 1]!r}, library {got[at - 1]!r}")
    # An empty or constant answer would compare well and prove nothing.
    return not different and len(expected) == len(got) and shown > len(got) and changed > len(got) // 2


def main() -> int:
    BUILD.mkdir(parents=True, exist_ok=True)
    run("cargo", "run", "-q", "--release", "-p", "spanpin-quality", "--", "--write-operations", BUILD)
    run("go", "build", "-o", BUILD / "client_golang", ".", cwd=HERE / "go")
    run(BUILD / "client_golang", BUILD, BUILD)
    run(sys.executable, HERE / "libraries.py", BUILD, BUILD)
    return 0 if all([compare(*pair) for pair in PAIRS]) else 1


if __name__ == "__main__":
    sys.exit(main())
