#!/usr/bin/env python3
"""Links spanpin's archive beside a second Rust static library into one program, in C and in Go, and runs it.

Builds the libraries first: `cargo xtask archive`, which also writes the archive of the Go module, and
`cargo xtask archive --dev`.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CC = os.environ.get("CC", "cc")
CARGO = os.environ.get("CARGO", "cargo")
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "link"
TIMEOUT = 600
TRACE = "0af7651916cd43dd8448eb211c80319c"


class Skip(Exception):
    """A test that cannot run here; the text names what is missing."""


def run(command, **options):
    """Runs a command that must succeed, and returns what it printed."""
    result = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=TIMEOUT, **options
    )
    if result.returncode != 0:
        raise AssertionError(
            f"{' '.join(str(part) for part in command)}\nexit code {result.returncode}\n{result.stdout}{result.stderr}"
        )
    return result.stdout


def other_library(lto):
    """The second library, with or without link-time optimisation."""
    target = TARGET / ("lto" if lto else "plain")
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target), "CARGO_PROFILE_RELEASE_LTO": "fat" if lto else "off"}
    run([CARGO, "build", "-q", "--release", "--manifest-path", HERE / "other" / "Cargo.toml"], env=environment)
    return target / "release" / "libother.a"


def in_c(build, ours_first, lto):
    def test(folder):
        ours = ROOT / "build" / build / "lib" / "libspanpin.a"
        libraries = [ours, other_library(lto)] if ours_first else [other_library(lto), ours]
        program = folder / "both"
        include = ROOT / "build" / build / "include"
        run([CC, "-std=c11", "-Wall", "-Wextra", "-Werror", "-I", include, HERE / "both.c", *libraries,
             "-lpthread", "-ldl", "-lm", "-lgcc_s", "-o", program])
        page = run([program])
        assert "seconds_count 3" in page and TRACE in page, page

    return test


def unreduced_collides(folder):
    """The control: what rustc writes, not reduced, must fail, or the runs above prove nothing."""
    raw = sorted(TARGET.parent.glob("*-linux-*/capi/libspanpin_static.a"))
    machine = [path for path in raw if path.parts[-3].startswith(platform.machine()) and "-gnu" in path.parts[-3]]
    if not machine:
        raise Skip("the target folder has no libspanpin_static.a for this machine: cargo xtask archive")
    result = subprocess.run(
        [CC, "-I", ROOT / "build" / "c" / "include", HERE / "both.c", machine[0], other_library(False),
         "-lpthread", "-ldl", "-lm", "-lgcc_s", "-o", folder / "both"],
        capture_output=True, text=True, timeout=TIMEOUT,
    )
    assert result.returncode != 0 and "rust_eh_personality" in result.stderr, result.stderr or "it was linked"


def in_go(lto):
    def test(folder):
        go = shutil.which("go")
        if go is None:
            raise Skip("go is not installed")
        if not (ROOT / "go-bindings" / "go.mod").exists():
            raise Skip("go-bindings is not there")
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        if not (ROOT / "go-bindings" / "lib" / f"linux_{machine}" / "libspanpin.a").exists():
            raise Skip("go-bindings/lib has no archive for this machine: cargo xtask archive")
        program = folder / "both"
        environment = {**os.environ, "CGO_LDFLAGS": f"{other_library(lto)} -lpthread -ldl -lm -lgcc_s", "CGO_ENABLED": "1"}
        run([go, "build", "-o", program, "."], cwd=HERE / "go", env=environment)
        page = run([program])
        assert "seconds_count 3" in page and TRACE in page, page

    return test


def tests():
    """(name, function) of every test, in order."""
    for build in ("c", "c-dev"):
        for ours_first in (True, False):
            order = "ours-first" if ours_first else "other-first"
            yield f"{build}/{order}", in_c(build, ours_first, lto=False)
            yield f"{build}/{order}/lto", in_c(build, ours_first, lto=True)
    yield "unreduced-collides", unreduced_collides
    yield "go", in_go(lto=False)
    yield "go/lto", in_go(lto=True)


def main():
    for command in (["archive"], ["archive", "--dev"]):
        if subprocess.run([CARGO, "xtask", *command], cwd=ROOT).returncode != 0:
            sys.exit("link: the library cannot be built")
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for name, test in tests():
        with tempfile.TemporaryDirectory(prefix="spanpin-link-") as folder:
            try:
                test(Path(folder))
                outcome, detail = "passed", ""
            except Skip as missing:
                outcome, detail = "skipped", f" ({missing})"
            except (AssertionError, OSError, subprocess.TimeoutExpired) as fault:
                outcome, detail = "failed", f"\n{fault}"
        counts[outcome] += 1
        print(f"link/{name}: {outcome}{detail}", flush=True)
    print("link: " + ", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
