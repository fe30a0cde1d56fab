#!/usr/bin/env python3
"""What an exemplar costs over a plain observation, in each language.

Each program observes at a high rate with one thread, in five ways: without an exemplar (``none``), with the filter
``always_off``, with no span, in an unsampled span, and in a sampled span whose exemplar seldom wins its window. Rounds are
interleaved, every other one in the other order; some languages add ways of their own. The cost is the difference of the
medians of ``cpu_ns_per_op`` to that of ``none``; the spread beside it is that of the differences inside the rounds, the
middle half of them.

    benches/cost.py                       every language, 21 rounds
    benches/cost.py --languages rust,c    a part of them
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benches"))

import run  # noqa: E402

# The most nanoseconds over none.
BARS = {"rust": 3.0, "c": 3.0, "go": 3.0, "python": 6.0}
LEAST_ROUNDS = 15


def prepare_rust() -> list[str]:
    run.output("cargo", "build", "-q", "--release", "-p", "spanpin-benches", "--bin", "cost", cwd=ROOT)
    return [str(run.TARGET / "release" / "cost")]


def prepare_c() -> list[str]:
    program = run.BUILD / "bench-cost-c"
    library = run.BUILD / "c"
    if not (library / "lib" / "libspanpin.a").exists():
        raise SystemExit("benches: the C library is missing: run `cargo xtask archive` first")
    source = ROOT / "benches" / "c" / "cost.c"
    flags = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", f"-I{library / 'include'}"]
    run.output("cc", *flags, source, library / "lib" / "libspanpin.a", "-lm", "-o", program)
    return [str(program)]


def prepare_go() -> list[str]:
    run.Go().prepare()
    return [str(run.Go.program), "-cost"]


def prepare_python() -> list[str]:
    run.Python().prepare()
    # In Python every observation looks for a span, so that ``none`` stands for a first ``always_off``.
    return [str(run.VENV / "bin" / "python"), str(ROOT / "benches" / "python" / "cost.py")]


PREPARE = {"rust": prepare_rust, "c": prepare_c, "go": prepare_go, "python": prepare_python}


def table(rows: list[run.Row]) -> tuple[list[str], list[dict[str, object]], int]:
    """Lines of Markdown, the figures, and how many bars were not met."""
    lines = ["| language | way | ns, median | over none | middle half of the rounds | bar | |", "|---|---|---|---|---|---|---|"]
    figures: list[dict[str, object]] = []
    missed = 0
    for language in BARS:
        rounds: dict[int, dict[str, float]] = {}
        for row in rows:
            if row["language"] == language:
                rounds.setdefault(row["round"], {})[row["variant"]] = row["cpu_ns_per_op"]
        if not rounds:
            continue
        plain = median(values["none"] for values in rounds.values())
        spread_of_none = quantiles((values["none"] for values in rounds.values()), n=4)
        noise = spread_of_none[2] - spread_of_none[0]
        for variant in next(iter(rounds.values())):
            own = median(values[variant] for values in rounds.values())
            low, _, high = quantiles((values[variant] - values["none"] for values in rounds.values()), n=4)
            over = own - plain
            # The filter that switches exemplars off must be lost in the noise of none.
            bar = None if variant == "none" else max(noise, 0.5) if variant == "always_off" else BARS[language]
            met = bar is None or over <= bar
            missed += not met
            verdict = "" if bar is None else "met" if met else "**NOT met**"
            cells = [language, variant, f"{own:.2f}", f"{over:+.2f}", f"{low:+.2f} to {high:+.2f}"]
            lines.append("| " + " | ".join([*cells, "" if bar is None else f"{bar:.2f}", verdict]) + " |")
            figures.append(
                {"language": language, "variant": variant, "cpu_ns_per_op": round(own, 3), "over_none_ns": round(over, 3)}
                | {"low_ns": round(low, 3), "high_ns": round(high, 3), "rounds": len(rounds)}
            )
    return lines, figures, missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--languages", default=",".join(BARS), help="a part of them; cost.json is then not written")
    parser.add_argument("--strict", action="store_true", help="fail if a bar is not met")
    options = parser.parse_args()
    if options.rounds < LEAST_ROUNDS:
        parser.error(f"--rounds is {options.rounds}: at least {LEAST_ROUNDS} are needed for a median to mean something")
    run.BUILD.mkdir(exist_ok=True)
    about = run.machine()
    languages = options.languages.split(",")
    rows: list[run.Row] = []
    for language in languages:
        command = PREPARE[language]()
        print(f"measuring {language}", file=sys.stderr)
        done = subprocess.run([*command, str(options.rounds)], capture_output=True, text=True, check=False, cwd=run.BUILD)
        if done.returncode:
            raise SystemExit(f"benches: {language} ended with {done.returncode}\n{done.stdout}{done.stderr}")
        rows += [json.loads(line) for line in done.stdout.splitlines()]
    lines, figures, missed = table(rows)
    report = [*(f"- {line}" for line in about), f"- {options.rounds} rounds", "", *lines, ""]
    report.append(f"{missed} bars NOT met." if missed else "All bars met.")
    print("\n".join(report))
    if set(languages) == set(BARS):
        (run.RESULTS / "cost.json").write_text("[\n" + ",\n".join(json.dumps(figure) for figure in figures) + "\n]\n")
        (run.RESULTS / "cost.md").write_text("# What an exemplar costs: the last run\n\n" + "\n".join(report) + "\n")
    return 1 if missed and options.strict else 0


if __name__ == "__main__":
    sys.exit(main())
