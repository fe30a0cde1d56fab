#!/usr/bin/env python3
"""Builds and runs the four runners, and compares their bytes with the expected files.

    run.py [--lang rust,c,python,go] [--cases DIR] [--python INTERPRETER] [--only-runners]

One test is one case in one language; the checks of the expected files count as
one each. Prints a line for each mismatch and ends with
`conformance: N passed, M failed, K skipped`.

The C library is expected in build/c (`make c`), its copy for Go where the Go
module looks for it, and the Python package in the interpreter that is used.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "conformance"
TIMEOUT = 900


class Missing(Exception):
    """A tool that the language needs is not installed."""


def run(command, **options):
    result = subprocess.run(
        [str(part) for part in command], timeout=TIMEOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )
    if result.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} ends in {result.returncode}:\n{result.stdout}")
    return result.stdout


def need(tool):
    if not shutil.which(tool):
        raise Missing(tool)


def rust(options, output):
    need("cargo")
    return run(["cargo", "run", "--quiet", "--release", "-p", "spanpin-conformance", "--", options.cases, output], cwd=ROOT)


def c(options, output):
    compiler = os.environ.get("CC", "cc")
    need(compiler)
    library, runner, ops = ROOT / "build" / "c", BUILD / "c-runner", BUILD / "ops.txt"
    warnings = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    sources = [HERE / "runners" / "c" / "runner.c", library / "lib" / "libspanpin.a"]
    run([compiler, *warnings, "-O1", "-I", library / "include", *sources, "-pthread", "-lm", "-o", runner])
    run([sys.executable, HERE / "flatten.py", options.cases, ops])
    return run([runner, ops, output])


def python(options, output):
    return run([options.python, HERE / "runners" / "python" / "runner.py", options.cases, output])


def go(options, output):
    need("go")
    run(["go", "build", "-o", BUILD / "go-runner", "."], cwd=HERE / "runners" / "go")
    return run([BUILD / "go-runner", options.cases, output])


RUNNERS = {"rust": rust, "c": c, "python": python, "go": go}


def oracle(options):
    return run([sys.executable, HERE / "oracle.py", "--check", options.cases])


def prometheus_client(options):
    return run([options.python, HERE / "check_expected.py", options.cases])


def textparse(options):
    need("go")
    run(["go", "build", "-o", BUILD / "textparse", "."], cwd=HERE / "textparse")
    return run([BUILD / "textparse", options.cases])


def listed(options):
    """Every case is in the README's table of rules."""
    table = (HERE / "README.md").read_text("utf-8")
    absent = [path.parent.name for path in options.cases.glob("*/ops.json") if f"`{path.parent.name}`" not in table]
    if absent:
        raise RuntimeError(f"README.md does not name {', '.join(absent)}")
    return ""


def difference(expected, got):
    """Where two files part, or None."""
    if not got.exists():
        return "wrote nothing"
    wanted, written = expected.read_bytes(), got.read_bytes()
    if wanted == written:
        return None
    wanted, written = wanted.split(b"\n"), written.split(b"\n")
    at = next((i for i, (a, b) in enumerate(zip(wanted, written)) if a != b), min(len(wanted), len(written)))
    shown = [repr(lines[at].decode("utf-8", "replace")) if at < len(lines) else "the end" for lines in (wanted, written)]
    return f"{expected.name}:{at + 1}: expected {shown[0]}, got {shown[1]}"


def run_language(language, options, cases):
    """(passed, failed, skipped) cases."""
    output = BUILD / language
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    try:
        print(RUNNERS[language](options, output), end="")
    except Missing as tool:
        print(f"{language}: skipped, {tool} is not installed")
        return 0, 0, len(cases)
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        print(f"{language}: {error}")
    failed = 0
    for case in cases:
        files = [(case / f"expected.{kind}.txt", output / f"{case.name}.{kind}.txt") for kind in ("om", "prom")]
        found = [text for text in (difference(*pair) for pair in files) if text]
        failed += bool(found)
        for text in found:
            print(f"{language}: {case.name}: {text}")
    return len(cases) - failed, failed, 0


def run_check(check, options):
    try:
        print(check(options), end="")
        return 1, 0, 0
    except Missing as tool:
        print(f"{check.__name__}: skipped, {tool} is not installed")
        return 0, 0, 1
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        print(f"{check.__name__}: {error}")
        return 0, 1, 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lang", default=",".join(RUNNERS), help="languages to run, separated by commas")
    parser.add_argument("--cases", type=pathlib.Path, default=HERE / "cases")
    parser.add_argument("--python", default=sys.executable, help="interpreter with spanpin and prometheus_client")
    parser.add_argument("--only-runners", action="store_true", help="leave out the checks of the expected files")
    options = parser.parse_args()
    options.cases = options.cases.resolve()
    BUILD.mkdir(parents=True, exist_ok=True)
    cases = sorted(path.parent for path in options.cases.glob("*/ops.json"))
    if not cases:
        parser.error(f"no cases in {options.cases}")
    checks = [] if options.only_runners else [listed, oracle, prometheus_client, textparse]
    results = [run_check(check, options) for check in checks]
    results += [run_language(language, options, cases) for language in options.lang.split(",")]
    passed, failed, skipped = map(sum, zip(*results))
    print(f"conformance: {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
