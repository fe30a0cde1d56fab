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
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

from streams import KINDS, differences

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
    """The README's table of rules names every case, and no other."""
    table = (HERE / "README.md").read_text("utf-8").split("## Which case is for which rule")[1].split("\n## ")[0]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| ")]
    named = {name for row in rows for name in re.findall("`([a-z0-9_]+)`", row[2])}
    cases = {path.parent.name for path in options.cases.glob("*/ops.json")}
    if options.cases == HERE / "cases" and named != cases:
        raise RuntimeError(f"README.md and the cases differ in {', '.join(sorted(named ^ cases))}")
    return ""


def expected(case):
    """The bytes of each kind; a case that never looks at the history has no file for it."""
    paths = {kind: case / f"expected.{kind}.txt" for kind in KINDS}
    return {kind: path.read_bytes() if kind != "history" or path.exists() else b"" for kind, path in paths.items()}


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
        ops = json.loads((case / "ops.json").read_text("utf-8"))["ops"]
        found = list(differences(expected(case), output, case.name, ops))
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
