#!/usr/bin/env python3
"""What an update costs when two threads, or two processes on one segment in a file, write one series.

Each runs pinned to a processor of its own, after a second of warm-up, in which the series is striped. The cost is CPU time
for an update, the median of the rounds; the factor compares it with one thread, or one process.

    benches/contended.py              5 rounds
    benches/contended.py --rounds 9 --directory /dev/shm
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benches"))

import run  # noqa: E402

# The most that two may cost of what one costs.
BAR = 1.5
PAIRS = {"threads": "thread", "processes": "process"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", default="/dev/shm", help="where the segments lie for the time of the run")
    parser.add_argument("--strict", action="store_true", help="fail if a bar is not met")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds is {options.rounds}: at least 1 is needed")
    run.output("cargo", "build", "-q", "--release", "-p", "spanpin-benches", "--bin", "contended", cwd=ROOT)
    command = [str(run.TARGET / "release" / "contended"), str(options.rounds), options.directory]
    costs: dict[tuple[str, str], list[float]] = {}
    for line in run.output(*command, cwd=ROOT).splitlines():
        row = json.loads(line)
        costs.setdefault((row["kind"], row["way"]), []).append(row["cpu_ns_per_op"])
    report = [*(f"- {line}" for line in run.machine()), f"- {options.rounds} rounds", ""]
    report += ["| series | written by | ns, median | one alone | factor | bar | |", "|---|---|---|---|---|---|---|"]
    missed = 0
    for kind in dict.fromkeys(kind for kind, _ in costs):
        for two, one in PAIRS.items():
            both, alone = median(costs[kind, two]), median(costs[kind, one])
            met = both <= BAR * alone
            missed += not met
            verdict = "met" if met else "**NOT met**"
            report.append(f"| {kind} | 2 {two} | {both:.2f} | {alone:.2f} | {both / alone:.2f} | {BAR} | {verdict} |")
    report += ["", f"{missed} bars NOT met." if missed else "All bars met."]
    print("\n".join(report))
    (run.RESULTS / "contended.md").write_text("# Many writers of one series: the last run\n\n" + "\n".join(report) + "\n")
    return 1 if missed and options.strict else 0


if __name__ == "__main__":
    sys.exit(main())
