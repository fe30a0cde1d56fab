"""Builds the four services and says how each is started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SHOP = Path(__file__).resolve().parent.parent
ROOT = SHOP.parent.parent
BUILD = ROOT / "build"
BINARIES = BUILD / "demo" / "bin"
VENV_PYTHON = BUILD / "venv" / "bin" / "python"


class BuildError(Exception):
    """A step that failed. The message holds its command and the end of its output."""


def _run(command: list[str], folder: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        end = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
        raise BuildError(f"`{' '.join(command)}` in {folder} ended with status {done.returncode}:\n{end}")
    return done.stdout


def check_tools() -> None:
    """Name the package of each tool that is missing."""
    done = subprocess.run([sys.executable, str(ROOT / "tools" / "setup.py")], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(done.stderr.strip())


def build_library() -> None:
    """Build what the services use: the C library, the archive of the Go module, the Python package."""
    _run(["cargo", "xtask", "archive"])
    _run([sys.executable, str(ROOT / "tools" / "venv.py")])


def users_python() -> list[str]:
    return [str(VENV_PYTHON), str(SHOP / "python" / "users.py")]


def users_go() -> list[str]:
    _run(["go", "build", "-o", str(BINARIES / "users-go"), "."], SHOP / "go")
    return [str(BINARIES / "users-go")]


def orders_c() -> list[str]:
    sources = [str(source) for source in sorted((SHOP / "c").glob("*.c"))]
    library = BUILD / "c"
    flags = ["-std=c11", "-O2", "-g", "-Wall", "-Wextra", f"-I{library / 'include'}"]
    binary = str(BINARIES / "orders-c")
    _run([os.environ.get("CC", "cc"), *flags, *sources, str(library / "lib" / "libspanpin.a"), "-pthread", "-o", binary])
    return [binary]


def orders_rust() -> list[str]:
    messages = _run(["cargo", "build", "--locked", "-p", "shop-orders", "--message-format=json-render-diagnostics"])
    for line in messages.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "shop-orders":
            return [message["executable"]]
    raise BuildError("cargo built no executable shop-orders")


SERVICES = {"orders-c": orders_c, "orders-rust": orders_rust, "users-python": users_python, "users-go": users_go}
