#!/usr/bin/env python3
"""Writes the cases as plain lines, for a runner without a JSON reader.

    flatten.py CASES_DIR OPS_FILE

All CASES_DIR/<case>/ops.json become one file: one operation a line, fields
separated by tabs, text in hexadecimal, numbers as C reads them, lists preceded
by their length (-1: absent).

    case      NAME
    registry  ERROR SELF_METRICS KEEP_NAMES SCRAPER_IDENTITY
    register  ERROR KIND NAME HELP UNIT FILTER POLICY MAX_SERIES RULES... LABELS... BOUNDS...
    observe   ERROR FAMILY VALUES... REPEAT VALUE SOURCE TRACEPARENT TRACE_ID SPAN_ID FLAGS LABELS...
    clock     ERROR WALL_MS MONO_MS
    set_p99   ERROR FAMILY VALUE
    remove    ERROR FAMILY VALUES...
    clear     ERROR FAMILY
    scrape    ERROR ACCEPT SCRAPER USER_AGENT SCRAPE_TIMEOUT PATH PEER
    history   ERROR

RULES are slots, max_age, minimum_value, probability, and of adaptive its edge,
window, lower and p99. `inc`, `add` and `set` have the fields of `observe`. FAMILY counts the families
registered before, from 0. SOURCE is the first letter
of plain, header (traceparent), trace or exemplar; what it does not use is empty. LABELS are names and values in
turn. ERROR is the status that the operation must end with, 0 for none. The two
last scrapes of a case are included.
"""

import json
import pathlib
import sys

# The numbers of the C interface, which never change their meaning.
STATUS = {
    None: 0,
    "invalid_name": 3,
    "duplicate_name": 4,
    "reserved_label": 5,
    "invalid_label_name": 6,
    "duplicate_label": 7,
    "label_count": 8,
    "invalid_bounds": 9,
    "invalid_unit": 10,
    "name_clash": 11,
    "shape_mismatch": 12,
    "invalid_option": 16,
}
KIND = {"counter": 1, "gauge": 2, "histogram": 3}
FILTER = {None: 0, "trace_based": 1, "always_on": 2, "always_off": 3}
POLICY = {None: 0, "slowest": 1, "uniform": 2, "first": 3}
IDENTITY = {None: 0, "address": 1, "none": 2, "given": 3}
NO_EDGE, OF_P99, P95 = 0, 1, 2
REQUEST = ("user_agent", "scrape_timeout", "path", "peer")
LAST = [
    {"op": "scrape", "accept": "openmetrics", "scraper": "final"},
    {"op": "scrape", "accept": "text"},
]


def text(value):
    return value["bytes"] if isinstance(value, dict) else value.encode("utf-8").hex()


def listed(values, write=text):
    return ["-1"] if values is None else [len(values), *map(write, values)]


def number(value):
    return repr(float(value))


def given(options, key):
    """A number that says something; 0 stands for the default in the C interface."""
    value = number(options.get(key, 0))
    if key in options and float(value) == 0:
        raise ValueError(f"{key} is 0, which C cannot tell from its default")
    return value


def rules(op):
    yield op.get("slots", 0)
    yield op.get("max_age", 0)
    yield given(op, "minimum_value")
    yield given(op, "probability")
    adaptive = op.get("adaptive", {})
    is_p95 = adaptive.get("lower") == "p95"
    yield P95 if is_p95 else OF_P99 if "adaptive" in op else NO_EDGE
    yield adaptive.get("window", 0)
    yield number(0) if is_p95 else given(adaptive, "lower")
    yield given(adaptive, "p99")


def fields(op, families):
    yield op["op"]
    yield STATUS[op.get("error")]
    if op["op"] == "register":
        yield KIND[op["kind"]]
        yield from (text(op.get(key, "")) for key in ("name", "help", "unit"))
        yield FILTER[op.get("filter")]
        yield POLICY[op.get("policy")]
        yield op.get("max_series", 0)
        yield from rules(op)
        yield from listed(op.get("labels", []))
        yield from listed(op.get("bounds"), number)
        if "error" not in op:
            families[op["name"]] = len(families)
    elif op["op"] == "clock":
        yield op["wall_ms"]
        yield op["mono_ms"]
    elif op["op"] == "registry":
        yield int(op.get("self_metrics", False))
        yield int(op.get("keep_names", False))
        yield IDENTITY[op.get("scraper_identity")]
        yield int(op.get("segment", False))
    elif op["op"] == "set_p99":
        yield families[op["name"]]
        yield number(op["value"])
    elif op["op"] == "remove":
        yield families[op["name"]]
        yield from listed(op.get("labels", []))
    elif op["op"] == "clear":
        yield families[op["name"]]
    elif op["op"] == "scrape":
        yield op["accept"]
        yield text(op.get("scraper", ""))
        yield from (text(op.get("request", {}).get(key, "")) for key in REQUEST)
    elif op["op"] == "history":
        pass
    else:
        yield families[op["name"]]
        yield from listed(op.get("labels", []))
        yield op.get("repeat", 1)
        yield number(op.get("value", 1))
        sources = {"exemplar": "e", "traceparent": "h", "trace": "t"}
        yield next((letter for key, letter in sources.items() if key in op), "p")
        yield text(op.get("traceparent", ""))
        trace = op.get("trace", {})
        yield trace.get("trace_id", "")
        yield trace.get("span_id", "")
        yield trace.get("flags", 1)
        pairs = op.get("exemplar", op.get("extra", []))
        yield from listed([part for pair in pairs for part in pair])


def main():
    cases, output = map(pathlib.Path, sys.argv[1:])
    with output.open("w", encoding="ascii") as file:
        for path in sorted(cases.glob("*/ops.json")):
            families = {}
            print("case", path.parent.name, sep="\t", file=file)
            for op in json.loads(path.read_text("utf-8"))["ops"] + LAST:
                print(*fields(op, families), sep="\t", file=file)


if __name__ == "__main__":
    main()
