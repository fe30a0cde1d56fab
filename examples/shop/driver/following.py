"""Follows exemplars: from a bucket to the log line of the request and to the spans of its trace."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from driver.exposition import Exemplar, Sample
from driver.processes import ORDERS, ROUTES
from driver.traffic import Request

DURATION, ERRORS = "shop_request_duration_seconds", "shop_errors_total"
INFINITY = float("inf")


@dataclass(frozen=True)
class LogLine:
    file: Path
    number: int
    time: float
    route: str
    trace_id: str
    span_id: str
    duration: float
    status: int


@dataclass(frozen=True)
class Span:
    service: str
    name: str
    span_id: str
    parent: str
    start: float
    duration: float


@dataclass
class Records:
    """What the services wrote, by service and by trace."""

    logs: dict[str, dict[str, LogLine]] = field(default_factory=dict)
    spans: dict[str, list[Span]] = field(default_factory=dict)

    @staticmethod
    def read(folder: Path, services: Iterable[str]) -> Records:
        records = Records()
        for service in services:
            file = folder / f"{service}.log"
            lines = records.logs.setdefault(service, {})
            for number, text in enumerate(file.read_text().splitlines(), 1):
                line = json.loads(text)
                ids = (line["trace_id"], line["span_id"])
                lines[ids[0]] = LogLine(file, number, line["time"], line["route"], *ids, line["duration"], line["status"])
            for text in (folder / f"{service}.spans").read_text().splitlines():
                span = json.loads(text)
                found = Span(span["service"], span["name"], span["span_id"], span["parent"], span["start"], span["duration"])
                records.spans.setdefault(span["trace_id"], []).append(found)
        for spans in records.spans.values():
            spans.sort(key=lambda span: span.start)
        return records


@dataclass
class Bucket:
    """A bucket that requests fell into, or with `upper` None the error counter, and where its exemplar leads."""

    service: str
    route: str
    lower: float
    upper: float | None
    count: int
    sampled: int = 0
    exemplar: Exemplar | None = None
    log: LogLine | None = None
    spans: list[Span] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, float | None]:
        return self.service, self.upper

    def holds(self, line: LogLine) -> bool:
        return line.status >= 500 if self.upper is None else self.lower < line.duration <= self.upper

    def __str__(self) -> str:
        return f"{self.service} {ERRORS}" if self.upper is None else f"{self.service} {self.route} ({self.lower:g}, {self.upper:g}]"


def buckets_of(service: str, samples: list[Sample]) -> list[Bucket]:
    """The buckets of a scrape that hold something, and the error counter if it does."""
    route = ROUTES[service]
    found, lower, below = [], -INFINITY, 0
    cumulative = [(_bound(s), s) for s in samples if s.name == f"{DURATION}_bucket" and s.labels["route"] == route]
    for upper, sample in sorted(cumulative, key=lambda pair: pair[0]):
        if sample.value > below:
            found.append(Bucket(service, route, lower, upper, int(sample.value) - below))
        lower, below = upper, int(sample.value)
    found += [Bucket(service, route, 0, None, int(s.value)) for s in samples if s.name == ERRORS and s.value > 0]
    return found


def _bound(sample: Sample) -> float:
    return float(sample.labels["le"].replace("+Inf", "inf"))


def exemplars_of(samples: list[Sample]) -> list[tuple[float | None, Exemplar]]:
    """All exemplars of a scrape with the upper bounds of their buckets; None is the error counter."""
    wanted = {f"{DURATION}_bucket", ERRORS}
    return [(_bound(s) if "le" in s.labels else None, s.exemplar) for s in samples if s.name in wanted and s.exemplar]


def follow(bucket: Bucket, exemplar: Exemplar, requests: dict[str, Request], records: Records) -> list[str]:
    """Where the exemplar does not lead to its request; empty if all is well."""
    request = requests.get(exemplar.trace_id)
    if request is None:
        return [f"{bucket}: trace {exemplar.trace_id} was never sent"]
    problems = []
    if not request.sampled:
        problems.append(f"trace {exemplar.trace_id} is not sampled")
    line = records.logs[bucket.service].get(exemplar.trace_id)
    if line is None:
        problems.append(f"trace {exemplar.trace_id} has no log line")
    else:
        value = 1.0 if bucket.upper is None else line.duration
        if exemplar.value != value:
            problems.append(f"the exemplar's value is {exemplar.value}, that of its request {value}")
        if exemplar.span_id != line.span_id:
            problems.append(f"the exemplar's span is {exemplar.span_id}, that of its request {line.span_id}")
        if not bucket.holds(line):
            problems.append(f"the request of trace {exemplar.trace_id} ({line.duration} s, {line.status}) belongs elsewhere")
        problems += _follow_spans(bucket.service, request, line, records.spans.get(exemplar.trace_id, []))
    return [f"{bucket}: {problem}" for problem in problems]


def _follow_spans(service: str, request: Request, line: LogLine, spans: list[Span]) -> list[str]:
    """A trace is one span of a users service below the sender's, and one of its orders service below that."""
    by_service = {span.service: span for span in spans}
    own = by_service.get(service)
    if own is None:
        return [f"trace {request.trace_id} has no span of {service}"]
    if own.span_id != line.span_id or own.duration != line.duration:
        return [f"the span of {service} in trace {request.trace_id} is not that of the log line"]
    parent = request.span_id
    for name in _path(service):
        span = by_service.get(name)
        if span is None or span.parent != parent:
            return [f"trace {request.trace_id} has no span of {name} below {parent}"]
        parent = span.span_id
    return []


def _path(service: str) -> tuple[str, str]:
    """The services of a trace that crosses this one, in order."""
    return next(pair for pair in ORDERS.items() if service in pair)


def check_records(requests: dict[str, Request], statuses: dict[str, int], records: Records) -> list[str]:
    """Whether the services did what the trace ids ask of them."""
    problems = []
    for trace_id, status in statuses.items():
        request = requests[trace_id]
        users = next((s for s in ORDERS if trace_id in records.logs[s]), None)
        if users is None or trace_id not in records.logs[ORDERS[users]]:
            problems.append(f"trace {trace_id} was answered, but has no log lines in a users service and its orders service")
            continue
        user, order = records.logs[users][trace_id], records.logs[ORDERS[users]][trace_id]
        failed = request.orders_fail
        if (status, user.status, order.status) != ((502, 502, 500) if failed else (200, 200, 200)):
            problems.append(f"trace {trace_id} was answered with {status}, users logged {user.status}, orders {order.status}")
        if (request.orders_are_slow and order.duration < 2) or (request.user_is_slow and user.duration < 0.8):
            problems.append(f"trace {trace_id} should have been slow: users {user.duration} s, orders {order.duration} s")
        if not request.sampled and trace_id in records.spans:
            problems.append(f"trace {trace_id} is not sampled, yet has spans")
    return problems


def examine(
    scrapes: dict[str, list[list[Sample]]], requests: dict[str, Request], records: Records
) -> tuple[dict[str, list[Bucket]], int, list[str]]:
    """Follow every exemplar of every scrape.

    Returns the populated buckets of the last scrapes, each with the slowest
    exemplar that it showed, the number of exemplars, and all problems.
    """
    found: dict[str, list[Bucket]] = {}
    problems: list[str] = []
    seen: set[tuple[str, float | None, Exemplar]] = set()
    for service, pages in scrapes.items():
        buckets = found[service] = buckets_of(service, pages[-1]) if pages else []
        lines = records.logs[service].values()
        if not buckets:
            problems.append(f"{service} shows no request")
        by_bound = {bucket.upper: bucket for bucket in buckets}
        for page in pages:
            for upper, exemplar in exemplars_of(page):
                bucket = by_bound.get(upper)
                if bucket is None or (service, upper, exemplar) in seen:
                    continue
                seen.add((service, upper, exemplar))
                problems += follow(bucket, exemplar, requests, records)
                if bucket.exemplar is None or exemplar.value > bucket.exemplar.value:
                    bucket.exemplar = exemplar
        for bucket in buckets:
            inside = [line for line in lines if bucket.holds(line)]
            bucket.sampled = sum(1 for line in inside if requests[line.trace_id].sampled)
            if bucket.count != len(inside):
                problems.append(f"{bucket}: counts {bucket.count} requests, the log has {len(inside)}")
            if bucket.exemplar is not None:
                bucket.log = records.logs[service].get(bucket.exemplar.trace_id)
                bucket.spans = records.spans.get(bucket.exemplar.trace_id, [])
            elif bucket.sampled:
                problems.append(f"{bucket}: no exemplar, although {bucket.sampled} sampled requests fell into it")
    return found, len(seen), problems
