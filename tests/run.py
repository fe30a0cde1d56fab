#!/usr/bin/env python3
"""Runs the suites of the project and counts what really ran.

    tests/run.py                 every suite of `make test`
    tests/run.py cargo python    only these
    tests/run.py --list          their names

Each suite is a command; its tests are counted from what the command prints. A suite whose tool is missing is named, with
the package that has the tool, and counted as one skipped. The last line is `N passed, N failed, N skipped`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / "build" / "venv"
PYTHON = str(VENV / "bin" / "python")
LOGS = ROOT / "build" / "test-logs"

# Which package has a tool, as Debian names it.
PACKAGES = {
    "cargo": "rustup or cargo (Rust 1.89 or later)",
    "rustfmt": "rustfmt (rustup component add rustfmt)",
    "go": "golang-go (Go 1.24 or later)",
    "gofmt": "golang-go",
    "cc": "gcc",
    "gcc": "gcc",
    "valgrind": "valgrind",
    "objcopy": "binutils",
    "pkg-config": "pkg-config",
}


@dataclasses.dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)


def count_cargo(output: str) -> Count:
    pattern = r"test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored"
    return sum((Count(*map(int, m)) for m in re.findall(pattern, output)), Count())


def count_pytest(output: str) -> Count:
    lines = [line for line in output.splitlines() if re.search(r" in [\d.]+s", line)]
    if not lines:
        return Count()
    found = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|skipped|error|errors|xfailed)", lines[-1])}
    failed = found.get("failed", 0) + found.get("error", 0) + found.get("errors", 0)
    return Count(found.get("passed", 0), failed, found.get("skipped", 0) + found.get("xfailed", 0))


def count_go(output: str) -> Count:
    """Counts tests, not their parts, of `go test -json`."""
    count = Count()
    for line in output.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if not isinstance(event, dict) or not event.get("Test") or "/" in event["Test"]:
            continue
        match event.get("Action"):
            case "pass":
                count.passed += 1
            case "fail":
                count.failed += 1
            case "skip":
                count.skipped += 1
    return count


def count_summary(output: str) -> Count:
    """Sums lines such as `c: 12 passed, 0 failed, 1 skipped`."""
    pattern = r"^(?:[\w-]+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$"
    found = re.findall(pattern, output, re.MULTILINE)
    return sum((Count(int(p), int(f), int(s or 0)) for p, f, s in found), Count())


def count_one(output: str) -> Count:
    """A check: passed if its command succeeded."""
    return Count(passed=1)


@dataclasses.dataclass
class Suite:
    name: str
    command: list[str]
    count: Callable[[str], Count] = count_one
    cwd: str = "."
    needs: tuple[str, ...] = ()
    env: dict[str, str] = dataclasses.field(default_factory=dict)
    minutes: int = 15


def cargo(name: str, *arguments: str, **more: object) -> Suite:
    return Suite(name, ["cargo", *arguments], needs=("cargo",), **more)  # type: ignore[arg-type]


def python(name: str, *arguments: str, **more: object) -> Suite:
    return Suite(name, [PYTHON, *arguments], **more)  # type: ignore[arg-type]


def go(name: str, *arguments: str, **more: object) -> Suite:
    return Suite(name, ["go", *arguments], cwd="go-bindings", needs=("go", "gcc"), **more)  # type: ignore[arg-type]


SUITES = [
    cargo("rust-format", "fmt", "--all", "--check"),
    cargo("rust-lint", "clippy", "--workspace", "--all-targets", "--", "-D", "warnings"),
    cargo("rust-lint-no-std", "clippy", "-p", "spanpin", "--no-default-features", "--", "-D", "warnings"),
    cargo("rust-lint-artifact", "clippy", "-p", "spanpin-static", "--profile", "capi-dev", "--", "-D", "warnings"),
    cargo("rust-lint-bridges", "clippy", "-p", "spanpin", "--all-features", "--all-targets", "--", "-D", "warnings"),
    cargo("rust", "test", "--workspace", "--exclude", "spanpin-loom", count=count_cargo),
    cargo("rust-bridges", "test", "-p", "spanpin", "--all-features", "--test", "bridge", "--test", "opentelemetry", count=count_cargo),
    cargo("rust-docs", "doc", "--no-deps", "-p", "spanpin", "--all-features", env={"RUSTDOCFLAGS": "-D warnings"}),
    cargo("loom", "test", "-p", "spanpin-loom", count=count_cargo, minutes=20),
    cargo(
        "library-mutants",
        *("run", "-q", "-p", "spanpin-loom", "--bin", "library_mutants", "--", "--some"),
        count=count_summary,
        minutes=20,
    ),
    cargo("header", "xtask", "header", "--check"),
    cargo("symbols", "xtask", "symbols", "--check"),
    cargo("layout", "xtask", "layout", "--check"),
    cargo("audit", "xtask", "audit"),
    cargo("no-panic-proof", "xtask", "prove"),
    Suite("c", ["python3", "c-api/tests/run.py"], count_summary, needs=("gcc", "cargo")),
    Suite("link", ["python3", "tests/link/run.py"], count_summary, needs=("gcc", "cargo", "go")),
    Suite("go-format", ["sh", "-c", 'test -z "$(gofmt -l . | tee /dev/stderr)"'], cwd="go-bindings", needs=("gofmt",)),
    go("go-vet", "vet", "./..."),
    go("go", "test", "-count=1", "-json", "./...", count=count_go),
    go("go-race", "test", "-count=1", "-race", "-json", "./...", count=count_go),
    Suite("go-consumer", ["sh", "go-bindings/ci/consumer_test.sh"], count_summary, needs=("go", "gcc")),
    Suite("go-cross", ["sh", "go-bindings/ci/cross_test.sh"], count_summary, needs=("go", "gcc")),
    python("python-lint", "-m", "ruff", "check", "python", "tests", "benches", "examples"),
    python("python-types", "-m", "mypy", cwd="python"),
    python("python-stubs", "-m", "mypy.stubtest", "spanpin", cwd="python"),
    python("python", "-m", "pytest", "-q", "tests", count=count_pytest, cwd="python"),
    python("conformance", "tests/conformance/run.py", count=count_summary, needs=("go", "gcc", "cargo")),
    python("conformance-fuzz", "tests/conformance/fuzz.py", "--seed", "1", "--count", "500", needs=("cargo",)),
    python("runner", "-m", "pytest", "-q", "tests/test_run.py", count=count_pytest),
    python("together", "-m", "pytest", "-q", "-rs", "tests/together", count=count_pytest, needs=("go", "gcc", "cargo")),
    python("readme", "-m", "pytest", "-q", "tests/readme", count=count_pytest, needs=("go", "gcc", "cargo")),
    python("deploy", "-m", "pytest", "-q", "tests/deploy", count=count_pytest),
    python("crash", "-m", "pytest", "-q", "-s", "tests/crash", count=count_pytest, needs=("cargo",), minutes=20),
    python("cli", "-m", "pytest", "-q", "-rs", "tests/cli", count=count_pytest, needs=("cargo", "gcc", "pkg-config")),
    python("e2e-short", "-m", "pytest", "-q", "-rs", "tests/e2e", count=count_pytest, needs=("go", "gcc", "cargo")),
    python("demo-checks", "-m", "pytest", "-q", "-rs", "examples/shop", count=count_pytest),
    Suite("demo", ["python3", "examples/shop/demo.py", "--once"], needs=("go", "gcc", "cargo")),
]


def missing(suite: Suite) -> str | None:
    for tool in suite.needs:
        if shutil.which(tool) is None:
            return f"{tool} is missing: install {PACKAGES.get(tool, tool)}"
    return None


def run(suite: Suite) -> Count:
    why = missing(suite)
    if why:
        print(f"{suite.name:18} skipped: {why}", flush=True)
        return Count(skipped=1)
    started = time.monotonic()
    log = LOGS / f"{suite.name}.log"
    with log.open("wb") as out:
        try:
            ended = subprocess.run(
                suite.command,
                cwd=ROOT / suite.cwd,
                env={**os.environ, **suite.env},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                timeout=suite.minutes * 60,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            out.write(f"\nstopped after {suite.minutes} minutes\n".encode())
            ended = -1
    output = log.read_text(errors="replace")
    count = suite.count(output)
    if ended != 0 and count.failed == 0:
        # It broke outside of a test, or before the first.
        if suite.count is count_one:
            count.passed = 0
        count.failed += 1
    elif ended == 0 and count == Count():
        output += "\nno test ran\n"
        count.failed = 1
    took = time.monotonic() - started
    print(
        f"{suite.name:18} {count.passed} passed, {count.failed} failed, {count.skipped} skipped ({took:.0f} s)",
        flush=True,
    )
    if count.failed:
        tail = "\n".join(output.splitlines()[-80:])
        print(f"--- the end of {log.relative_to(ROOT)}\n{tail}\n---", flush=True)
    if count.skipped:
        for line in output.splitlines():
            if line.startswith("SKIPPED") or "... ignored" in line or line.lower().startswith("skipped"):
                print(f"    {line}", flush=True)
    return count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", help="names of suites; all by default")
    parser.add_argument("--list", action="store_true", help="print the names of the suites")
    arguments = parser.parse_args()
    names = [suite.name for suite in SUITES]
    if arguments.list:
        print("\n".join(names))
        return 0
    unknown = sorted(set(arguments.suites) - set(names))
    if unknown:
        print(f"no suite {', '.join(unknown)}; there are: {', '.join(names)}", file=sys.stderr)
        return 2
    LOGS.mkdir(parents=True, exist_ok=True)
    total = Count()
    for suite in SUITES:
        if not arguments.suites or suite.name in arguments.suites:
            total += run(suite)
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 1 if total.failed or total.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
