#!/usr/bin/env python3
"""Writes the cases as plain lines, for a runner without a JSON reader.

    flatten.py CASES_DIR OPS_FILE

All CASES_DIR/<case>/ops.json become one file: one operation a line, fields
separated by tabs, text in hexadecimal, numbers as C reads them, lists preceded
by their length (-1: absent).

    case      NAME
    register  ERROR KIND NAME HELP UNIT FILTER POLICY MAX_SERIES LABELS... BOUNDS...
    observe   ERROR FAMILY VALUES... REPEAT VALUE SOURCE TRACEPARENT TRACE_ID SPAN_ID FLAGS LABELS...
    clock     ERROR WALL_MS MONO_MS
    scrape    ERROR ACCEPT SCRAPER

`inc`, `add` and `set` have the fields of `observe`. FAMILY counts the families
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
}
KIND = {"counter": 1, "gauge": 2, "histogram": 3}
FILTER = {None: 0, "trace_based": 1, "always_on": 2, "always_off": 3}
POLICY = {None: 0, "slowest": 1, "uniform": 2, "first": 3}
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


def fields(op, families):
    yield op["op"]
    yield STATUS[op.get("error")]
    if op["op"] == "register":
        yield KIND[op["kind"]]
        yield from (text(op.get(key, "")) for key in ("name", "help", "unit"))
        yield FILTER[op.get("filter")]
        yield POLICY[op.get("policy")]
        yield op.get("max_series", 0)
        yield from listed(op.get("labels", []))
        yield from listed(op.get("bounds"), number)
        if "error" not in op:
            families[op["name"]] = len(families)
    elif op["op"] == "clock":
        yield op["wall_ms"]
        yield op["mono_ms"]
    elif op["op"] == "scrape":
        yield op["accept"]
        yield text(op.get("scraper", ""))
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
