#!/usr/bin/env python3
"""Holds a runner against the oracle on random sequences of operations.

    fuzz.py --seed 1 --count 2000 [--runner "COMMAND"] [--traced] [--keep DIR]

COMMAND takes a cases directory and an output directory; by default it is the
Rust runner. With --traced every observation of a histogram or counter names a
trace, as runners need that otherwise take the active span. A sequence on which the two differ is written to DIR as a case.
Sequences on which the documents leave a choice are not used: see README.md.
"""

import argparse
import json
import pathlib
import random
import shlex
import subprocess
import sys
import tempfile

from exemplar_model import CaseError
from oracle import START_MONO_MS, START_WALL_MS, replay
from streams import differences

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUST = f"cargo run --quiet --release --manifest-path {ROOT}/Cargo.toml -p spanpin-conformance --"
BATCH = 500
TRACE_NAMES = ["trace_id", "traceID", "TraceId", "X-B3-TraceId", "otelTraceID", "dd.trace_id", "dd_trace_id"]
SPAN_NAMES = ["span_id", "spanID", "SpanId", "x_b3_spanid", "otelSpanID", "dd.span_id"]


class Sequence:
    """One random case: families, then a timeline of observations and scrapes."""

    def __init__(self, seed, traced=False):
        self.random, self.traced = random.Random(seed), traced
        self.ops, self.spans = [], 0
        self.mono, self.wall_ahead = 0, 0

    def registry_ops(self):
        """Drops are looked at only where every language looks at the same offers."""
        pick = self.random
        if pick.random() < 0.5:
            return []
        op = {"op": "registry", "keep_names": pick.random() < 0.3, "self_metrics": self.traced and pick.random() < 0.5}
        op["segment"] = pick.random() < 0.3
        return [{**op, "scraper_identity": pick.choice(["address", "address", "given", "none"])}]

    def rules(self):
        """Options that some families have; a few have many."""
        pick, much = self.random, self.random.choice([0.05, 0.1, 0.4])
        options = {
            "minimum_value": lambda: pick.choice([-3.5, 0.25, 2, 5.0]),
            "probability": lambda: pick.choice([0.01, 0.3, 0.5, 0.9, 1]),
            "slots": lambda: pick.choice([4, 4, 5, 7, 19]),
            "max_age": lambda: pick.choice([1, 20, 60, 400]),
        }
        return {name: make() for name, make in options.items() if pick.random() < much}

    def adaptive(self):
        pick = self.random
        options = {"lower": pick.choice([0.05, 0.5, 0.95, 1, "p95"]), "window": pick.choice([60, 100, 300]), "p99": 4.5}
        return {name: value for name, value in options.items() if pick.random() < 0.4}

    def family_ops(self):
        pick = self.random
        filter_name = pick.choice(["trace_based"] * 4 + ["always_on", "always_off"])
        histogram = {"op": "register", "kind": "histogram", "name": "h", "filter": filter_name}
        histogram["bounds"] = pick.choice([[1, 10], [5], [-5, 0, 5, 50]])
        histogram["policy"] = pick.choice(["slowest", "slowest", "slowest", "first", "uniform"])
        histogram.update(self.rules())
        if pick.random() < 0.3:
            histogram["adaptive"] = self.adaptive()
        counter = {"op": "register", "kind": "counter", "name": "c", **self.rules()}
        counter["policy"] = pick.choice(["slowest", "first", "uniform"])
        gauge = {"op": "register", "kind": "gauge", "name": "g", "labels": ["a"], "max_series": 2}
        if pick.random() < 0.5:
            histogram["labels"] = ["l"]
            histogram["max_series"] = pick.choice([1, 2, 100])
        self.labelled = "labels" in histogram
        return [histogram, counter, gauge]

    def source(self):
        pick, kind = self.random, self.random.random()
        self.spans += 1
        trace_id, span_id = f"{pick.getrandbits(100):x}".rjust(32, "a"), f"{self.spans:016x}"
        flags = pick.choice([1, 1, 1, 0, 3])
        if kind < 0.2 and not self.traced:
            return {}
        if kind < 0.3:
            return {"traceparent": f"00-{trace_id}-{span_id}-{flags:02x}"}
        if kind < 0.4:
            labels = [["k", str(self.spans)], ["trace_id", trace_id.upper()], ["x" * pick.randint(1, 70), "y" * pick.randint(1, 70)]]
            labels += [[pick.choice(TRACE_NAMES), self.id(32)], [pick.choice(SPAN_NAMES), self.id(16)]]
            chosen = pick.sample(labels, pick.randint(1, 4))
            return {"exemplar": [pair for at, pair in enumerate(chosen) if pair[0] not in dict(chosen[:at])]}
        given = {"trace": {"trace_id": trace_id, "span_id": span_id, "flags": flags}}
        if kind < 0.5:
            given["extra"] = [["r" * pick.randint(1, 40), "é" * pick.randint(1, 40)] for _ in range(pick.randint(1, 3))]
        return given

    def id(self, digits):
        """An id in one of its spellings, or nearly one."""
        pick = self.random
        words = [f"{pick.getrandbits(4 * digits):0{digits}X}", f"{pick.getrandbits(64):016x}", f"{pick.getrandbits(64)}"]
        return pick.choice([*words, *words, "0" * digits, str(pick.randint(0, 10**17)), "none", words[0] + "0"])

    def observation(self):
        pick, kind = self.random, self.random.random()
        if kind < 0.05:
            op = {"op": pick.choice(["set", "add"]), "name": "g", "labels": [pick.choice("abc")]}
            return {**op, "value": pick.choice([-1, 0.5, 3, 1e9])}
        if kind < 0.25:
            return {"op": "add", "name": "c", "value": pick.choice([1, 1, 2, 0.5, 7]), **self.source()}
        value = pick.choice([pick.lognormvariate(1, 1), pick.randint(1, 9), -pick.random() * 9, 5.0, 60])
        op = {"op": "observe", "name": "h", "value": value, **self.source()}
        if self.labelled:
            op["labels"] = [pick.choice("pq")]
        if pick.random() < 0.1:
            op["repeat"] = pick.choice([2, 15, 16, 17, 120])
        return op

    def look(self):
        """The history, or another p99."""
        if self.random.random() < 0.6:
            return {"op": "history"}
        return {"op": "set_p99", "name": "h", "value": self.random.choice([0.5, 3, 8, "NaN", "+Inf"])}

    def timeline(self):
        """(time, operation or scraper), in order."""
        pick = self.random
        length = pick.choice([2_000, 60_000, 300_000, 300_000, 1_500_000])
        events = [(pick.randrange(length), "observation") for _ in range(pick.randint(5, 120))]
        events += [(pick.randrange(length), "look") for _ in range(pick.randint(0, 4))]
        # A text scrape comes as "text", an address for one that says who it is by its request.
        for name in pick.sample(["a", "b", "c", None, "text", "10.0.0.1", "10.0.0.2"], pick.randint(1, 5)):
            interval = pick.choice([1_000, 5_000, 5_000, 15_000, 15_000, 60_000])
            jitter = pick.choice([0, 0, 300, 3_000])
            lost = pick.choice([0, 0, 0.1, 0.5])
            at = pick.randrange(interval)
            while at < length and len(events) < 400:
                if pick.random() >= lost:
                    events.append((max(0, at + pick.randint(-jitter, jitter)), ("scrape", name)))
                if pick.random() < 0.05:
                    events.append((at + pick.randint(0, 25), ("scrape", name)))
                at += interval
        return sorted(events, key=lambda event: event[0])

    def build(self):
        pick = self.random
        self.ops += self.registry_ops() + self.family_ops()
        for at, what in self.timeline():
            if pick.random() < 0.02:
                self.wall_ahead += pick.choice([-3_600_000, -50, 50, 3_600_000, -self.wall_ahead])
            if at != self.mono:
                self.mono = at
                wall = START_WALL_MS + at + self.wall_ahead
                self.ops.append({"op": "clock", "wall_ms": wall, "mono_ms": START_MONO_MS + at})
            if what == "observation":
                self.ops.append(self.observation())
            elif what == "look":
                self.ops.append(self.look())
            elif what[1] and what[1].startswith("10."):
                request = {"user_agent": "Prometheus", "path": "/metrics", "peer": what[1]}
                self.ops.append({"op": "scrape", "accept": "openmetrics", "request": request})
            elif what[1] == "text":
                self.ops.append({"op": "scrape", "accept": "text"})
            else:
                scrape = {"op": "scrape", "accept": "openmetrics", "scraper": what[1]}
                self.ops.append({key: value for key, value in scrape.items() if value is not None})
        return self.ops


def write_case(folder, ops, rule):
    folder.mkdir(parents=True)
    lines = ",\n  ".join(json.dumps(op) for op in ops)
    (folder / "ops.json").write_text(f'{{"rule": {json.dumps(rule)},\n "ops": [\n  {lines}\n]}}\n')


def batch(seeds, runner, traced, keep):
    """The number of sequences that ran, and of those that differed."""
    with tempfile.TemporaryDirectory() as scratch:
        cases, output = pathlib.Path(scratch, "cases"), pathlib.Path(scratch, "output")
        cases.mkdir()
        output.mkdir()
        expected, sequences = {}, {}
        for seed in seeds:
            ops = Sequence(seed, traced).build()
            try:
                bodies = replay(ops)
            except CaseError:
                continue
            name = f"seed_{seed}"
            expected[name], sequences[name] = bodies, ops
            write_case(cases / name, ops, f"random sequence {seed}")
        subprocess.run([*shlex.split(runner), str(cases), str(output)], check=True)
        wrong = 0
        for name, bodies in expected.items():
            wanted = {kind: body.encode() for kind, body in bodies.items()}
            found = list(differences(wanted, output, name, sequences[name]))
            if not found:
                continue
            wrong += 1
            print(f"{name} differs", *found, sep="\n  ")
            if keep:
                write_case(keep / name, sequences[name], f"random sequence {name}")
                for kind, body in wanted.items():
                    (keep / name / f"expected.{kind}.txt").write_bytes(body)
                for path in output.glob(f"{name}.*.txt"):
                    (keep / name / path.name).write_bytes(path.read_bytes())
        return len(expected), wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--runner", default=RUST, help="command of the runner to hold against the oracle")
    parser.add_argument("--traced", action="store_true", help="no observations without a trace")
    parser.add_argument("--keep", type=pathlib.Path, help="where to write sequences that differ")
    options = parser.parse_args()
    ran = wrong = 0
    seeds = range(options.seed, options.seed + options.count)
    for start in range(0, len(seeds), BATCH):
        one = batch(seeds[start : start + BATCH], options.runner, options.traced, options.keep)
        ran, wrong = ran + one[0], wrong + one[1]
    print(f"fuzz: {ran} sequences, {wrong} differ")
    return 1 if wrong or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
