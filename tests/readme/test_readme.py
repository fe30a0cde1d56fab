"""The first programs of the README run as they stand there, and say the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text()
EXEMPLAR = '# {trace_id="0af7651916cd43dd8448eb211c80319c",span_id="b7ad6b7169203331"} 0.67 '


def program(language: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 1, f"the README has {len(blocks)} programs in {language}"
    return str(blocks[0])


def run(command: list[str], cwd: Path, **env: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check(output: str, labels: str) -> None:
    line = f'http_request_duration_seconds_bucket{{{labels}le="1.0"}} 1 {EXEMPLAR}'
    assert any(found.startswith(line) for found in output.splitlines()), output
    assert output.rstrip("\n").endswith("# EOF"), output


def test_python(tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text(program("python"))
    check(run([sys.executable, "first.py"], tmp_path), 'route="/orders",')


def test_go(tmp_path: Path) -> None:
    (tmp_path / "main.go").write_text(program("go"))
    (tmp_path / "go.mod").write_text(
        "module first\n\ngo 1.24\n\nrequire github.com/spanpin/spanpin/go-bindings v0.0.0\n\n"
        f"replace github.com/spanpin/spanpin/go-bindings => {ROOT / 'go-bindings'}\n"
    )
    run(["go", "mod", "tidy"], tmp_path)
    check(run(["go", "run", "."], tmp_path), 'route="/orders",')


def test_rust(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.rs").write_text(program("rust"))
    (tmp_path / "Cargo.toml").write_text(
        '[package]\nname = "first"\nversion = "0.1.0"\nedition = "2024"\n\n'
        f'[dependencies]\nspanpin = {{ path = "{ROOT / "rust-core"}" }}\n\n[workspace]\n'
    )
    target = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target"))
    check(run(["cargo", "run", "-q"], tmp_path, CARGO_TARGET_DIR=f"{target}/readme"), 'route="/orders",')


def test_c(tmp_path: Path) -> None:
    (tmp_path / "first.c").write_text(program("c"))
    command = re.search(r"^C: `make archive`, then `cc first\.c (.*)`$", README, re.MULTILINE)
    assert command, "the README does not say how to build the C program"
    flags = command[1].replace("build/c", str(ROOT / "build" / "c"))
    run(["sh", "-c", f"cc -std=c11 -Wall -Wextra -Werror -o first first.c {flags}"], tmp_path)
    check(run(["./first"], tmp_path), "")


@pytest.mark.parametrize("command", ["make demo", "make test"])
def test_both_commands_are_named(command: str) -> None:
    assert command in README
    target = command.split()[1]
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
