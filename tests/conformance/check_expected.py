#!/usr/bin/env python3
"""Holds the expected files against prometheus_client's parsers.

    check_expected.py [CASES_DIR]

Each OpenMetrics body goes through the strict OpenMetrics parser, each text body
through the text parser. Beside that: an exemplar's value lies in its bucket, its
label set has at most 128 code points, and for no scraper the timestamp of a line
steps back or stays while the exemplar changes. A history is one JSON document a
line, whose exemplars lie in their buckets, oldest first.
"""

import json
import pathlib
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

EOF_LINE = "# EOF\n"
TEXT_SEPARATOR = "# ---\n"


def bodies(stream, last_line, keep):
    """The bodies of a stream; each ends with `last_line`, kept if it is its own."""
    lines, body = stream.split("\n"), []
    if lines.pop() != "":
        raise ValueError("the stream does not end with a line feed")
    for line in lines:
        if line + "\n" != last_line:
            body.append(line + "\n")
            continue
        yield "".join(body) + (last_line if keep else "")
        body = []
    if body:
        raise ValueError("lines after the last body")


def check_exemplars(families, seen, scraper):
    """`seen` maps (scraper, line) to the exemplar last shown there."""
    for family in families:
        for sample in family.samples:
            exemplar = sample.exemplar
            if exemplar is None:
                continue
            line = (scraper, sample.name, tuple(sorted(sample.labels.items())))
            if not sample.name.endswith(("_bucket", "_total")):
                raise ValueError(f"exemplar on {sample.name}")
            if "le" in sample.labels and exemplar.value > float(sample.labels["le"]):
                raise ValueError(f"exemplar above its bucket: {sample}")
            if sum(len(name) + len(value) for name, value in exemplar.labels.items()) > 128:
                raise ValueError(f"exemplar of more than 128 code points: {sample}")
            before = seen.get(line)
            if before is not None and before != exemplar and float(before.timestamp) >= float(exemplar.timestamp):
                raise ValueError(f"timestamp of {sample.name} does not rise for scraper {scraper}: {before}, {exemplar}")
            seen[line] = exemplar


def who(scrape):
    return scrape.get("scraper") or tuple(sorted(scrape.get("request", {}).items()))


def check_history(document):
    """One document in the shape of Prometheus' answer to query_exemplars."""
    answer = json.loads(document)
    if answer["status"] != "success" or set(answer) != {"status", "data"}:
        raise ValueError(f"a history that is no answer: {document}")
    seen = set()
    for sample in answer["data"]:
        labels, last = sample["seriesLabels"], 0
        line = tuple(sorted(labels.items()))
        if line in seen or not sample["exemplars"] or not labels["__name__"].endswith(("_bucket", "_total")):
            raise ValueError(f"a sample twice, without exemplars or of another name: {labels}")
        seen.add(line)
        for exemplar in sample["exemplars"]:
            if set(exemplar) != {"labels", "value", "timestamp"} or exemplar["timestamp"] < last:
                raise ValueError(f"exemplars out of order or shape: {sample}")
            last = exemplar["timestamp"]
            if float(exemplar["value"]) > float(labels.get("le", "+Inf")):
                raise ValueError(f"exemplar above its bucket: {sample}")
            if sum(len(name) + len(value) for name, value in exemplar["labels"].items()) > 128:
                raise ValueError(f"exemplar of more than 128 code points: {sample}")


def check_histories(folder, ops):
    path = folder / "expected.history.txt"
    documents = path.read_text("utf-8").split("\n")[:-1] if path.exists() else []
    if len(documents) != sum(op["op"] == "history" for op in ops):
        raise ValueError(f"{len(documents)} histories for {ops}")
    for document in documents:
        check_history(document)


def check_case(folder):
    ops = json.loads((folder / "ops.json").read_text("utf-8"))["ops"]
    scrapes = [op for op in ops if op["op"] == "scrape"] + [
        {"accept": "openmetrics", "scraper": "final"},
        {"accept": "text"},
    ]
    scrapers = [who(op) for op in scrapes if op["accept"] == "openmetrics"]
    check_histories(folder, ops)
    openmetrics = list(bodies((folder / "expected.om.txt").read_bytes().decode("utf-8"), EOF_LINE, keep=True))
    text = list(bodies((folder / "expected.prom.txt").read_bytes().decode("utf-8"), TEXT_SEPARATOR, keep=False))
    if len(openmetrics) != len(scrapers) or len(text) != len(scrapes) - len(scrapers):
        raise ValueError(f"{len(openmetrics)} and {len(text)} bodies for {len(scrapes)} scrapes")
    seen = {}
    for body, scraper in zip(openmetrics, scrapers):
        check_exemplars(list(parse_openmetrics(body)), seen, scraper)
    for body in text:
        if any(sample.exemplar for family in parse_text(body) for sample in family.samples):
            raise ValueError("an exemplar in a text body")
    return len(openmetrics) + len(text)


def main():
    cases = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "cases")
    passed, failed = 0, 0
    for folder in sorted(path.parent for path in cases.glob("*/ops.json")):
        try:
            check_case(folder)
            passed += 1
        except ValueError as error:
            failed += 1
            print(f"prometheus_client: {folder.name}: {error}")
    print(f"prometheus_client: {passed} cases passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
