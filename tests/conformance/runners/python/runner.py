#!/usr/bin/env python3
"""Replays the conformance cases through the Python interface.

runner.py CASES_DIR OUTPUT_DIR
"""

import json
import pathlib
import sys
import tempfile

import spanpin

ACCEPT = {"openmetrics": "application/openmetrics-text", "text": "text/plain"}
KINDS = {"counter": spanpin.Counter, "gauge": spanpin.Gauge, "histogram": spanpin.Histogram}
LAST = [
    {"op": "scrape", "accept": "openmetrics", "scraper": "final"},
    {"op": "scrape", "accept": "text"},
]


def text(value):
    """Bytes that are no UTF-8 come into a str as lone surrogates."""
    if isinstance(value, dict):
        return bytes.fromhex(value["bytes"]).decode("utf-8", "surrogateescape")
    return value


def mapping(pairs):
    """The first label of a name wins; a mapping cannot carry a second one."""
    labels = {}
    for name, value in pairs:
        labels.setdefault(text(name), text(value))
    return labels


def register(registry, op):
    options = {
        "unit": op.get("unit"),
        "filter": op.get("filter"),
        "policy": op.get("policy"),
        "max_series": op.get("max_series"),
        "slots": op.get("slots"),
        "max_age": op.get("max_age"),
    }
    for key in ("minimum_value", "probability"):
        options[key] = float(op[key]) if key in op else None
    if "adaptive" in op:
        adaptive = dict(op["adaptive"])
        if "p99" in adaptive:
            adaptive["p99"] = float(adaptive["p99"])
        options["adaptive"] = spanpin.Adaptive(**adaptive)
    if "bounds" in op:
        options["buckets"] = [float(bound) for bound in op["bounds"]]
    options = {key: value for key, value in options.items() if value is not None}
    return KINDS[op["kind"]](op["name"], op.get("help", ""), op.get("labels"), registry=registry, **options)


def source(op):
    """The keyword arguments for what an observation brings along."""
    given = {}
    if "exemplar" in op:
        given["exemplar"] = mapping(op["exemplar"])
    elif "traceparent" in op:
        given["trace"] = op["traceparent"]
    elif "trace" in op:
        try:
            given["trace"] = spanpin.TraceContext(**op["trace"])
        except spanpin.SpanpinError:
            return {}
    if "extra" in op:
        given["extra"] = mapping(op["extra"])
    return given


def record(family, op):
    values = [text(value) for value in op.get("labels", [])]
    series = family.labels(*values) if values or family.label_names else family
    value = float(op.get("value", 1))
    if isinstance(family, spanpin.Gauge):
        if op["op"] == "set":
            series.set(value)
        else:
            series.inc(value)
        return
    given = source(op)
    method = series.observe if isinstance(family, spanpin.Histogram) else series.inc
    for _ in range(op.get("repeat", 1)):
        method(value, **given)


def make_registry(op):
    options = {key: value for key, value in op.items() if key not in ("op", "segment")}
    # The file may lose its name at once: nobody else comes.
    with tempfile.TemporaryDirectory() as folder:
        segment = f"{folder}/segment" if op.get("segment") else ""
        registry = spanpin.Registry(**{"self_metrics": False, "segment": segment, "strict": True, **options})
    registry.set_clock(1_700_000_000_000, 1_000_000)
    return registry


def scrape(registry, op):
    if "request" in op:
        return registry.scrape_request(accept=ACCEPT[op["accept"]], **op["request"]).body
    return registry.scrape(accept=ACCEPT[op["accept"]], scraper=op.get("scraper"))[1]


def replay(ops):
    registry = make_registry({})
    families, streams = {}, {"openmetrics": b"", "text": b"", "history": b""}
    for op in ops + LAST:
        code = None
        try:
            if op["op"] == "register":
                families[op["name"]] = register(registry, op)
            elif op["op"] == "clock":
                registry.set_clock(op["wall_ms"], op["mono_ms"])
            elif op["op"] == "registry":
                registry = make_registry(op)
            elif op["op"] == "set_p99":
                families[op["name"]].set_p99(float(op["value"]))
            elif op["op"] == "remove":
                families[op["name"]].remove(*map(text, op.get("labels", [])))
            elif op["op"] == "clear":
                families[op["name"]].clear()
            elif op["op"] == "history":
                streams["history"] += registry.exemplars_json()
            elif op["op"] == "scrape":
                body = scrape(registry, op)
                streams[op["accept"]] += body + (b"# ---\n" if op["accept"] == "text" else b"")
            else:
                record(families[op["name"]], op)
        except spanpin.SpanpinError as error:
            code = error.code
        if code != op.get("error"):
            raise ValueError(f"{op} ends in {code}")
    return streams


def main():
    cases, output = map(pathlib.Path, sys.argv[1:])
    for path in sorted(cases.glob("*/ops.json")):
        name = path.parent.name
        try:
            streams = replay(json.loads(path.read_text("utf-8"))["ops"])
        except Exception as error:  # one case must not hide the others
            print(f"{name}: {error}", file=sys.stderr)
            continue
        for stream, kind in (("openmetrics", "om"), ("text", "prom"), ("history", "history")):
            (output / f"{name}.{kind}.txt").write_bytes(streams[stream])


if __name__ == "__main__":
    main()
