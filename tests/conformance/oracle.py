#!/usr/bin/env python3
"""Writes what every case must produce, from the documents alone.

    oracle.py [--check] [CASES_DIR] [CASE ...]

Reads CASES_DIR/<case>/ops.json and writes expected.om.txt and
expected.prom.txt beside it, and expected.history.txt where the case looks at the
history; with --check it only compares. The model shares no code with the
product: a difference between the two is an error in one of them.
"""

import argparse
import json
import math
import pathlib
import re
import sys

from exemplar_history import document
from exemplar_labels import LABEL_NAME, hex_id, parse_traceparent
from exemplar_model import Bucket, CaseError, Lots, Rules, Windows
from numbers_and_text import canonical, escape, text, timestamp
from sampling_model import series_hash

START_WALL_MS = 1_700_000_000_000
START_MONO_MS = 1_000_000
TEXT_SEPARATOR = "# ---\n"
DEFAULT_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]
METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
UNIT = re.compile(r"[a-zA-Z0-9_:]+\Z")
OVERFLOW = "spanpin_overflow"
DROP_REASONS = [
    "unsampled",
    "no_span",
    "invalid_id",
    "filter",
    "budget",
    "label_limit",
    "label_value",
    "nonfinite",
    "busy",
    "memory",
]


class Refused(Exception):
    """An operation ends in an error code."""


def number(value):
    return float(value)  # accepts "NaN", "+Inf" and "-Inf" as well


def pairs(labels):
    return [(text(name), text(value)) for name, value in labels]


def label_set(labels):
    shown = [f'{name}="{escape(value)}"' for name, value in labels if value]
    return "{" + ",".join(shown) + "}" if shown else ""


# --- families and series ----------------------------------------------------


class Series:
    def __init__(self, family, values):
        self.family = family
        self.labels = list(zip(family.labels, values))
        self.whole, self.fraction = 0, 0.0  # counter; gauge and sum use fraction
        self.fractional_adds = 0
        self.counts = [0] * (len(family.bounds) + 1)
        lots = Lots(family.rules, series_hash(family.name, values), family.kind, family.bounds)
        self.buckets = [Bucket(family.windows, family.rules, lots, index) for index in range(len(self.counts))]

    def has_data(self):
        return any(self.counts) or self.whole != 0 or self.fraction != 0

    def record(self, op, source):
        value = number(op.get("value", 1.0))
        for _ in range(op.get("repeat", 1)):
            getattr(self, self.family.kind)(op["op"], value, source)

    def gauge(self, op, value, _source):
        self.fraction = value if op == "set" else self.fraction + value

    def counter(self, _op, value, source):
        if not (math.isfinite(value) and value >= 0):
            return
        if value.is_integer() and value < 2**53:
            old, self.whole = self.whole, self.whole + int(value)
        else:
            old, self.fractional_adds = self.fractional_adds, self.fractional_adds + 1
            self.fraction += value
        self.give(self.buckets[0], old, value, source)

    def histogram(self, _op, value, source):
        if math.isnan(value):
            return
        index = sum(1 for bound in self.family.bounds if bound < value)
        old, self.counts[index] = self.counts[index], self.counts[index] + 1
        self.fraction += value
        self.give(self.buckets[index], old, value, source)

    def give(self, bucket, old, value, source):
        kind, content, extra = source
        if kind == "explicit":
            bucket.explicit(value, content)
        elif kind == "offer":
            bucket.offer(old, value, self.counts, content, extra)
        elif kind == "malformed":
            self.family.windows.lost["invalid_id"] += 1


class Family:
    def __init__(self, windows, op):
        self.windows = windows
        self.kind = op["kind"]
        self.given_name = op["name"]
        self.name = self.given_name
        if self.kind == "counter" and self.name.endswith("_total"):
            self.name = self.name[: -len("_total")]
        self.help, self.unit = op.get("help", ""), op.get("unit", "")
        self.labels = op.get("labels", [])
        self.bounds = []
        if self.kind == "histogram":
            self.bounds = [number(b) for b in op.get("bounds", DEFAULT_BOUNDS)]
            if self.bounds and self.bounds[-1] == math.inf:
                self.bounds.pop()
        self.rules = Rules(op)
        self.max_series = op.get("max_series", 2000)
        self.check()
        self.series = {}
        self.overflow = Series(self, [OVERFLOW] * len(self.labels)) if self.labels else None
        if not self.labels:
            self.series[()] = Series(self, [])

    def check(self):
        if not METRIC_NAME.match(self.given_name) or not METRIC_NAME.match(self.name):
            raise Refused("invalid_name")
        if self.name.startswith("spanpin_"):
            raise Refused("name_clash")  # the registry's own metrics
        for name in self.labels:
            if not LABEL_NAME.match(name):
                raise Refused("invalid_label_name")
            if name.startswith("__") or (name == "le" and self.kind == "histogram"):
                raise Refused("reserved_label")
        if len(set(self.labels)) != len(self.labels):
            raise Refused("duplicate_label")
        if self.unit and not (UNIT.match(self.unit) and self.name[1:].endswith("_" + self.unit)):
            raise Refused("invalid_unit")
        increasing = all(a < b for a, b in zip(self.bounds, self.bounds[1:]))
        if not increasing or not all(map(math.isfinite, self.bounds)):
            raise Refused("invalid_bounds")
        if not self.rules.are_allowed(self.kind):
            raise Refused("invalid_option")

    def shape(self):
        return self.kind, self.labels, self.bounds

    def names(self):
        """Every name the family takes for itself, shown or not."""
        suffixes = {
            "counter": ["", "_total", "_created"],
            "gauge": [""],
            "histogram": ["", "_bucket", "_count", "_sum", "_created"],
        }[self.kind]
        return {self.name + suffix for suffix in suffixes}

    def with_values(self, values):
        if len(values) != len(self.labels):
            raise Refused("label_count")
        key = tuple(map(text, values))
        if key not in self.series:
            if len(self.series) >= self.max_series:
                return self.overflow
            self.series[key] = Series(self, key)
        return self.series[key]

    def remove(self, values):
        if len(values) != len(self.labels):
            raise Refused("label_count")
        if self.labels:
            self.series.pop(tuple(map(text, values)), None)

    def clear(self):
        if self.labels:
            self.series.clear()

    def shown_series(self):
        yield from self.series.values()
        if self.overflow and self.overflow.has_data():
            yield self.overflow


# --- encoding ---------------------------------------------------------------


def encode(families, scrape, drops=()):
    """One exposition; `scrape` is (lo, open) for OpenMetrics, None for text. `drops` are (reason, count)."""
    lines = []
    for family in families:
        series = list(family.shown_series())
        if not series:
            continue
        lines += header(family, scrape is not None)
        for one in series:
            lines += {"counter": counter, "gauge": gauge, "histogram": histogram}[family.kind](one, scrape)
    lines += [f'spanpin_exemplars_dropped_total{{reason="{reason}"}} {count}' for reason, count in drops]
    if scrape is not None:
        lines.append("# EOF")
    return "".join(line + "\n" for line in lines)


def header(family, openmetrics):
    name = family.name
    if not openmetrics and family.kind == "counter":
        name += "_total"
    type_line = f"# TYPE {name} {family.kind}"
    help_line = [f"# HELP {name} {escape(family.help, quotes=openmetrics)}"] if family.help else []
    if not openmetrics:
        return help_line + [type_line]
    unit_line = [f"# UNIT {name} {family.unit}"] if family.unit else []
    return [type_line] + unit_line + help_line


def exemplar(bucket, scrape):
    shown = scrape and bucket.shown(*scrape)
    if not shown:
        return ""
    return f" # {label_set(shown.labels)} {canonical(shown.value)} {timestamp(shown.stamp)}"


def gauge(series, _scrape):
    return [f"{series.family.name}{label_set(series.labels)} {canonical(series.fraction)}"]


def counter(series, scrape):
    value = canonical(series.whole + series.fraction) if series.fraction else str(series.whole)
    name = f"{series.family.name}_total{label_set(series.labels)}"
    return [f"{name} {value}{exemplar(series.buckets[0], scrape)}"]


def histogram(series, scrape):
    family, lines, running = series.family, [], 0
    for bound, count, bucket in zip(family.bounds + [math.inf], series.counts, series.buckets):
        running += count
        labels = label_set(series.labels + [("le", canonical(bound))])
        lines.append(f"{family.name}_bucket{labels} {running}{exemplar(bucket, scrape)}")
    negative_bounds = bool(family.bounds) and family.bounds[0] < 0
    sum_forbidden = negative_bounds or series.fraction < 0 or math.isnan(series.fraction)
    if scrape is None or not sum_forbidden:
        labels = label_set(series.labels)
        lines.append(f"{family.name}_count{labels} {running}")
        lines.append(f"{family.name}_sum{labels} {canonical(series.fraction)}")
    return lines


# --- operations -------------------------------------------------------------


class Registry:
    def __init__(self):
        self.windows = Windows(START_WALL_MS, START_MONO_MS)
        self.families = []
        self.shows_drops = False
        self.openmetrics, self.prometheus, self.histories = [], [], []

    def registry(self, op):
        self.windows = Windows(START_WALL_MS, START_MONO_MS, op.get("keep_names"), op.get("scraper_identity", "address"))
        self.shows_drops = op.get("self_metrics", False)

    def register(self, op):
        family = Family(self.windows, op)
        for other in self.families:
            if other.name == family.name:
                raise Refused("duplicate_name" if other.shape() == family.shape() else "shape_mismatch")
            if other.names() & family.names():
                raise Refused("name_clash")
        self.families.append(family)

    def family(self, op):
        return next(f for f in self.families if f.given_name == op["name"])

    def record(self, op):
        self.family(op).with_values(op.get("labels", [])).record(op, source_of(op))

    def set_p99(self, op):
        p99 = number(op["value"])
        self.family(op).rules.p99 = p99 if math.isfinite(p99) else None

    def remove(self, op):
        self.family(op).remove(op.get("labels", []))

    def clear(self, op):
        self.family(op).clear()

    def clock(self, op):
        self.windows.set_clock(op["wall_ms"], op["mono_ms"])

    def drops(self):
        return [(reason, self.windows.lost[reason]) for reason in DROP_REASONS] if self.shows_drops else []

    def scrape(self, op):
        if op["accept"] == "text":
            self.prometheus.append(encode(self.families, None, self.drops()) + TEXT_SEPARATOR)
        else:
            lo_and_open = self.windows.scrape(op)
            self.openmetrics.append(encode(self.families, lo_and_open, self.drops()))

    def history(self, _op):
        self.histories.append(document(self.families))


def source_of(op):
    """(kind, content, extra labels) of what an observation brings along."""
    if "exemplar" in op:
        return "explicit", pairs(op["exemplar"]), []
    if "traceparent" in op:
        context = parse_traceparent(op["traceparent"])
        if not context:
            return "malformed", None, []
    elif "trace" in op:
        ids = op["trace"]
        trace_id, span_id = hex_id(ids["trace_id"], 32), hex_id(ids["span_id"], 16)
        context = trace_id and span_id and (trace_id, span_id, ids.get("flags", 1))
    else:
        context = None
    return ("offer" if context else None), context, pairs(op.get("extra", []))


def replay(ops):
    registry = Registry()
    final = [{"op": "scrape", "accept": "openmetrics", "scraper": "final"}, {"op": "scrape", "accept": "text"}]
    for op in ops + final:
        code = None
        try:
            getattr(registry, op["op"], registry.record)(op)
        except Refused as refused:
            code = str(refused)
        if code != op.get("error"):
            raise CaseError(f"{op} ends in {code}, the case says {op.get('error')}")
    return {
        "om": "".join(registry.openmetrics),
        "prom": "".join(registry.prometheus),
        "history": "".join(registry.histories),
    }


def main():
    here = pathlib.Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("cases", nargs="?", type=pathlib.Path, default=here / "cases")
    parser.add_argument("names", nargs="*", help="cases to do; all if none is given")
    options = parser.parse_args()
    names = options.names or sorted(p.parent.name for p in options.cases.glob("*/ops.json"))
    wrong = 0
    for name in names:
        folder = options.cases / name
        try:
            bodies = replay(json.loads((folder / "ops.json").read_text("utf-8"))["ops"])
        except CaseError as error:
            print(f"{name}: {error}")
            wrong += 1
            continue
        for suffix, body in bodies.items():
            path = folder / f"expected.{suffix}.txt"
            if suffix == "history" and not body:
                continue  # only cases that ask for it have one
            if not options.check:
                path.write_bytes(body.encode("utf-8"))
            elif not path.exists() or path.read_bytes() != body.encode("utf-8"):
                print(f"{name}: {path.name} is not what the oracle writes")
                wrong += 1
    print(f"oracle: {len(names)} cases, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
