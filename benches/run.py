#!/usr/bin/env python3
"""Runs every engine in one run and compares them with the bars of the project.

Rounds are interleaved: each round measures all engines of a language workload
by workload, next to each other, and every other round in the other order. A
row is the median of its rounds. Writes ``benches/results/latest.json``, and
the table with the machine's name to ``benches/results/latest.md``.

Ratios are of CPU time, because the wall clock of a machine that others use as
well says little. An engine that has not counted what it was given stops the
run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BENCHES = ROOT / "benches"
BUILD = ROOT / "build"
VENV = BUILD / "bench-venv"
RESULTS = BENCHES / "results"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()

WORKLOADS = [
    "observe",
    "labels_observe",
    "observe_exemplar_offered",
    "observe_exemplar_kept",
    "counter_inc",
    "scrape_1000",
]
PEERS = {"rust": "client_rust", "go": "client_golang", "python": "prometheus_client"}

# How many times less CPU than the peer, with one thread.
BARS = {
    ("go", "observe"): 2.0,
    ("go", "observe_exemplar_offered"): 25.0,
    ("go", "observe_exemplar_kept"): 5.0,
    ("go", "scrape_1000"): 4.0,
    ("python", "labels_observe"): 20.0,
    ("python", "scrape_1000"): 15.0,
    ("rust", "observe_exemplar_offered"): 8.0,
    ("rust", "observe_exemplar_kept"): 1.5,
}
# No allocations when observing from Go.
NO_ALLOCATIONS = ["observe", "labels_observe", "observe_exemplar_offered", "observe_exemplar_kept", "counter_inc"]

Row = dict[str, Any]
Key = tuple[str, str, str, int]


def output(*command: object, **options: Any) -> str:
    """What a command writes. When it fails, that and its errors are shown."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
        raise SystemExit(f"benches: {' '.join(words)} ended with {done.returncode}")
    return done.stdout


def version(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[0].strip()
    except (OSError, subprocess.CalledProcessError):
        return "not found"


class Rust:
    """The rows of criterion."""

    language = "rust"
    bench = ("cargo", "bench", "-q", "-p", "spanpin-benches", "--bench", "engines")

    def prepare(self) -> str:
        output(*self.bench, "--no-run", cwd=ROOT)
        lock = (ROOT / "Cargo.lock").read_text()
        peer = re.search(r'name = "prometheus-client"\nversion = "(.*)"', lock)
        return f"{version('rustc', '--version')}; prometheus-client {peer.group(1) if peer else 'unknown'}"

    def round(self, number: int, seconds: float) -> list[Row]:
        allocated = BUILD / "bench-allocations.json"
        env = {**os.environ, "SPANPIN_BENCH_ALLOCATIONS": str(allocated)}
        if number % 2:
            env["SPANPIN_BENCH_SWAP"] = "1"
        # Rows of another run must not be taken for this one's.
        shutil.rmtree(TARGET / "criterion", ignore_errors=True)
        times = ["--warm-up-time", str(max(0.1, seconds / 2)), "--measurement-time", str(seconds)]
        output(*self.bench, "--", *times, "--sample-size", "10", "--noplot", cwd=ROOT, env=env)
        found = [json.loads(line) for line in allocated.read_text().splitlines()]
        bytes_and_calls = {(row["workload"], row["engine"]): (row["bytes_per_op"], row["allocs_per_op"]) for row in found}
        rows = []
        for workload in WORKLOADS:
            for engine in ["spanpin", PEERS["rust"]]:
                for threads in [1] if workload == "scrape_1000" else [1, 2]:
                    taken, calls = bytes_and_calls[workload, engine]
                    rows.append(
                        {
                            "workload": workload,
                            "engine": engine,
                            "language": "rust",
                            "threads": threads,
                            "ns_per_op": self.estimate(workload, engine, threads, "wall"),
                            "cpu_ns_per_op": self.estimate(workload, engine, threads, "cpu"),
                            "bytes_per_op": taken,
                            "allocs_per_op": calls,
                        }
                    )
        return rows

    @staticmethod
    def estimate(workload: str, engine: str, threads: int, clock: str) -> float:
        path = TARGET / "criterion" / f"{workload}_{threads}_{clock}" / engine / "new" / "estimates.json"
        return float(json.loads(path.read_text())["median"]["point_estimate"])


class Go:
    """The rows of the Go program."""

    language = "go"
    program = BUILD / "bench-go"

    def prepare(self) -> str:
        if not any((ROOT / "go-bindings" / "lib").glob("linux_*/libspanpin.a")):
            raise SystemExit("benches: the archive of the Go module is missing: run `cargo xtask archive` first")
        output("go", "build", "-o", self.program, ".", cwd=BENCHES / "go")
        modules = (BENCHES / "go" / "go.mod").read_text()
        peer = re.search(r"client_golang (v\S+)", modules)
        return f"{version('go', 'version')}; client_golang {peer.group(1) if peer else 'unknown'}"

    def round(self, number: int, seconds: float) -> list[Row]:
        swap = ["-swap"] if number % 2 else []
        text = output(self.program, "-time", f"{seconds}s", *swap)
        return [json.loads(line) for line in text.splitlines()]


class Python:
    """The rows of the Python program, on an interpreter built with PGO if there is one."""

    language = "python"

    def prepare(self) -> str:
        python = VENV / "bin" / "python"
        if not python.exists():
            output(self.interpreter(), "-m", "venv", VENV)
        self.install(python)
        script = "import platform, prometheus_client as p, importlib.metadata as m;"
        script += "print(platform.python_version(), 'prometheus_client', m.version('prometheus_client'),"
        script += "'opentelemetry-sdk', m.version('opentelemetry-sdk'))"
        return f"Python {output(python, '-c', script).strip()}; {self.built(python)}"

    @staticmethod
    def interpreter() -> str:
        """Those of distributions are built with PGO; without it pure Python is twice as slow, which flatters us."""
        return os.environ.get("SPANPIN_BENCH_PYTHON") or ("/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable)

    @staticmethod
    def built(python: Path) -> str:
        script = "import sys, sysconfig; print(sys.base_prefix, sysconfig.get_config_var('CONFIG_ARGS'))"
        prefix, _, arguments = output(python, "-c", script).partition(" ")
        if "--enable-optimizations" in arguments:
            return "built with PGO"
        if prefix == "/usr":
            return "the distribution's, which are built with PGO"
        return "BUILT WITHOUT PGO: its ratios flatter spanpin and are not to be published"

    @staticmethod
    def install(python: Path) -> None:
        sources = [ROOT / "rust-core", ROOT / "python" / "src", ROOT / "python" / "package", ROOT / "Cargo.lock"]
        digest = hashlib.sha256(output(python, "-VV").encode())
        for source in sources:
            for file in sorted(source.rglob("*")) if source.is_dir() else [source]:
                if file.suffix in {".rs", ".py", ".toml", ".lock"}:
                    digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
        stamp = VENV / "built-from"
        if stamp.exists() and stamp.read_text() == digest.hexdigest():
            return
        pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        output(*pip, "-r", BENCHES / "python" / "requirements.txt")
        # pip and cargo build PyO3 with other settings; one folder for both would build it again each time.
        env = {**os.environ, "CARGO_TARGET_DIR": str(TARGET / "bench-python")}
        output(*pip, "--force-reinstall", "--no-deps", ROOT / "python", env=env)
        stamp.write_text(digest.hexdigest())

    def round(self, number: int, seconds: float) -> list[Row]:
        swap = ["--swap"] if number % 2 else []
        text = output(VENV / "bin" / "python", BENCHES / "python" / "engines.py", "--time", seconds, *swap, cwd=BUILD)
        return [json.loads(line) for line in text.splitlines()]


def machine() -> list[str]:
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith(("model name", "CPU part")):
            model = line.partition(":")[2].strip()
            break
    virtual = " (virtual)" if Path("/proc/cpuinfo").exists() and "hypervisor" in Path("/proc/cpuinfo").read_text() else ""
    load = ", ".join(f"{n:.1f}" for n in os.getloadavg())
    return [
        f"CPU: {model}{virtual}, {os.cpu_count()} cores, {platform.machine()}",
        f"System: {platform.system()} {platform.release()}, {'-'.join(platform.libc_ver())}",
        f"Load average before the run: {load}",
    ]


def key_of(row: Row) -> Key:
    return row["language"], row["workload"], row["engine"], row["threads"]


def medians(rounds: list[Row]) -> list[Row]:
    """One row for each key, the values of which are the medians over its rounds."""
    grouped: dict[Key, list[Row]] = {}
    for row in rounds:
        grouped.setdefault(key_of(row), []).append(row)
    merged = []
    for rows in grouped.values():
        row = dict(rows[0])
        for field in ["ns_per_op", "cpu_ns_per_op", "bytes_per_op", "allocs_per_op"]:
            values = [r[field] for r in rows if r[field] is not None]
            # What the runtime allocates on its own account is spread over millions of operations.
            row[field] = round(median(values), 3) if values else None
        merged.append(row)
    return merged


def time(ns: float) -> str:
    for unit, size in [("ms", 1e6), ("µs", 1e3)]:
        if ns >= size:
            return f"{ns / size:.2f} {unit}"
    return f"{ns:.1f} ns"


def table(rows: list[Row], spread: dict[tuple[str, str, int], tuple[float, float]]) -> tuple[list[str], int]:
    """The table in Markdown, and how many bars were not met."""
    by_key = {key_of(row): row for row in rows}
    lines = ["| language | workload | threads | spanpin, CPU | peer, CPU | ratio | rounds | bar | |"]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    missed = 0
    for language, peer in PEERS.items():
        for workload in WORKLOADS:
            for threads in [1, 2]:
                ours = by_key.get((language, workload, "spanpin", threads))
                theirs = by_key.get((language, workload, peer, threads))
                if not ours or not theirs:
                    continue
                ratio = theirs["cpu_ns_per_op"] / ours["cpu_ns_per_op"]
                bar = BARS.get((language, workload)) if threads == 1 else None
                verdict = "" if bar is None else "met" if ratio >= bar else "**NOT met**"
                missed += bar is not None and ratio < bar
                low, high = spread[language, workload, threads]
                cells = [language, workload, threads, time(ours["cpu_ns_per_op"]), time(theirs["cpu_ns_per_op"])]
                cells += [f"{ratio:.2f}", f"{low:.2f} to {high:.2f}", "" if bar is None else f"{bar:g}", verdict]
                lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    for workload in NO_ALLOCATIONS:
        ours = by_key.get(("go", workload, "spanpin", 1))
        if ours:
            met = ours["allocs_per_op"] == 0
            missed += not met
            lines.append(
                f"| go | {workload}, allocations | 1 | {ours['allocs_per_op']:g} "
                f"| {by_key['go', workload, PEERS['go'], 1]['allocs_per_op']:g} | | | 0 | {'met' if met else '**NOT met**'} |"
            )
    return lines, missed


def spreads(rounds: list[list[Row]]) -> dict[tuple[str, str, int], tuple[float, float]]:
    """The least and the greatest ratio that one round gave."""
    ratios: dict[tuple[str, str, int], list[float]] = {}
    for rows in rounds:
        by_key = {key_of(row): row for row in rows}
        for (language, workload, engine, threads), row in by_key.items():
            if engine == "spanpin":
                theirs = by_key[language, workload, PEERS[language], threads]
                ratio = theirs["cpu_ns_per_op"] / row["cpu_ns_per_op"]
                ratios.setdefault((language, workload, threads), []).append(ratio)
    return {key: (min(values), max(values)) for key, values in ratios.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--time", type=float, default=0.3, help="seconds that one measurement takes, about")
    parser.add_argument("--languages", default="rust,go,python", help="a part of them; latest.json is then not written")
    parser.add_argument("--strict", action="store_true", help="fail if a bar is not met")
    options = parser.parse_args()
    wanted = options.languages.split(",")
    languages = [language for language in (Rust(), Go(), Python()) if language.language in wanted]
    BUILD.mkdir(exist_ok=True)
    about = machine()
    for language in languages:
        print(f"preparing {language.language}", file=sys.stderr)
        about.append(language.prepare())
    about.append(f"{options.rounds} rounds of {options.time:g} s for each measurement")
    rounds = []
    for number in range(options.rounds):
        rows: list[Row] = []
        for language in languages:
            print(f"round {number + 1} of {options.rounds}: {language.language}", file=sys.stderr)
            rows += language.round(number, options.time)
        rounds.append(rows)
    rows = medians([row for rows in rounds for row in rows])
    lines, missed = table(rows, spreads(rounds))
    report = [*(f"- {line}" for line in about), "", *lines, ""]
    report.append(f"{missed} bars NOT met." if missed else "All bars met.")
    print("\n".join(report))
    if len(languages) == len(PEERS):
        RESULTS.mkdir(exist_ok=True)
        listed = ",\n".join(json.dumps(row) for row in rows)
        (RESULTS / "latest.json").write_text(f"[\n{listed}\n]\n")
        (RESULTS / "latest.md").write_text("# The last run of `make bench`\n\n" + "\n".join(report) + "\n")
    return 1 if missed and options.strict else 0


if __name__ == "__main__":
    sys.exit(main())
