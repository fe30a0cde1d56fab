#!/usr/bin/env python3
"""Makes build/venv: the Python package, built from this tree, and what the tests need.

Does nothing while nothing that goes into it has changed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / "build" / "venv"
STAMP = VENV / "built-from"
REQUIREMENTS = ["python/requirements-dev.txt", "tests/requirements.txt"]
REQUIREMENTS += ["tests/deploy/requirements.txt", "tests/e2e/requirements.txt"]
SOURCES = ["Cargo.toml", "Cargo.lock", "rust-core/Cargo.toml", "rust-core/src", "python/Cargo.toml", "python/src"]
SOURCES += ["python/package", "python/pyproject.toml", "python/README.md", *REQUIREMENTS]


def files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(p for p in path.rglob("*") if p.is_file() and p.suffix not in {".pyc", ".so"})
    return [path]


def digest() -> str:
    hashed = hashlib.sha256(sys.version.encode())
    for source in SOURCES:
        for file in files(ROOT / source):
            hashed.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return hashed.hexdigest()


def main() -> int:
    wanted = digest()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return 0
    python = VENV / "bin" / "python"
    if not python.exists():
        made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False)
        if made.returncode:
            print(f"python3 -m venv failed: install python3-venv\n{made.stdout}{made.stderr}", file=sys.stderr)
            return 1
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    for requirements in REQUIREMENTS:
        subprocess.run([*pip, "-r", str(ROOT / requirements)], check=True)
    target = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target"))
    # pip and cargo build PyO3 with other settings; one folder for both would build it again each time.
    env = {**os.environ, "CARGO_TARGET_DIR": f"{target}/python"}
    subprocess.run([*pip, "--force-reinstall", "--no-deps", str(ROOT / "python")], check=True, env=env)
    STAMP.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
