"""The Python rows of the benches: spanpin and prometheus_client in one process.

One run is one round: a JSON line for each row. ``benches/run.py`` makes the
rounds and takes the medians. The time of the empty loop is taken off.

Exemplars of prometheus_client are made as its users make them: a dict of the
ids of OpenTelemetry's current span, if that is sampled. spanpin takes the
current span by itself.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import cycle, islice
from typing import NamedTuple

import prometheus_client
import spanpin
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client.openmetrics.exposition import generate_latest

METRIC = "bench_duration_seconds"
SERIES = 1000
ACCEPT = "application/openmetrics-text;version=1.0.0"
LABELS = ["method", "route", "code"]
BOUNDS = spanpin.DEFAULT_BUCKETS
ONE_PER_BUCKET = [0.00321, 0.00712, 0.0181, 0.0333, 0.0777, 0.18, 0.3141, 0.672, 1.61, 3.375, 7.77, 12.5]

# A scrape closes no window that is younger than 20 ms.
WINDOW_S = 0.03

TRACER = TracerProvider().get_tracer("bench")


def make_values() -> list[float]:
    """Log-normal durations in seconds with a median of 82 ms."""
    source = random.Random(1)
    return [0.082 * math.exp(1.5 * source.gauss(0, 1)) for _ in range(4096)]


VALUES = make_values()


def current_exemplar() -> dict[str, str] | None:
    """What users of prometheus_client write."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid and context.trace_flags.sampled:
        return {"trace_id": format(context.trace_id, "032x"), "span_id": format(context.span_id, "016x")}
    return None


class Work(NamedTuple):
    """A workload done by one engine."""

    run: Callable[[list[float]], None]
    """Does it once for each value."""
    check: Callable[[int], None]
    """Fails if what is exposed is not what so many times in all must lead to."""
    in_span: bool = False


class Exposed:
    """The sums of the samples by name, and the lines with an exemplar that has both ids."""

    def __init__(self, body: bytes) -> None:
        self.sums: dict[str, float] = {}
        self.exemplars = 0
        for line in body.decode().splitlines():
            if line.startswith("#"):
                continue
            sample, _, exemplar = line.partition(" # ")
            self.exemplars += 'trace_id="' in exemplar and 'span_id="' in exemplar
            name, _, value = sample.rpartition(" ")
            name = name.partition("{")[0]
            self.sums[name] = self.sums.get(name, 0.0) + float(value)

    def expect(self, name: str, wanted: float) -> None:
        if self.sums.get(name) != wanted:
            raise SystemExit(f"wrong answer: {name} is {self.sums.get(name)}, not {wanted}")

    def expect_exemplars(self, least: int) -> None:
        if self.exemplars < least:
            raise SystemExit(f"wrong answer: {self.exemplars} lines have an exemplar, not {least}")


class Spanpin:
    """The work with spanpin."""

    name = "spanpin"

    @staticmethod
    def scraped(registry: spanpin.Registry) -> Exposed:
        time.sleep(WINDOW_S)
        return Exposed(registry.scrape(ACCEPT)[1])

    def histogram(self) -> tuple[spanpin.Registry, spanpin.Histogram]:
        registry = spanpin.Registry()
        return registry, spanpin.Histogram(METRIC, "Latency.", registry=registry)

    def observe(self) -> Work:
        registry, histogram = self.histogram()

        def run(values: list[float]) -> None:
            for value in values:
                histogram.observe(value)

        return Work(run, lambda total: self.scraped(registry).expect(f"{METRIC}_count", total))

    def observe_exemplar_offered(self) -> Work:
        registry, histogram = self.histogram()

        def run(values: list[float]) -> None:
            for value in values:
                histogram.observe(value)

        def check(total: int) -> None:
            exposed = self.scraped(registry)
            exposed.expect(f"{METRIC}_count", total)
            exposed.expect_exemplars(len(ONE_PER_BUCKET))

        return Work(run, check, in_span=True)

    def observe_exemplar_kept(self) -> Work:
        registry, histogram = self.histogram()

        def run(values: list[float]) -> None:
            for value in values:
                histogram.observe(value, exemplar=current_exemplar())

        def check(total: int) -> None:
            exposed = self.scraped(registry)
            exposed.expect(f"{METRIC}_count", total)
            exposed.expect("spanpin_exemplars_admitted_total", total)

        return Work(run, check, in_span=True)

    def labels_observe(self) -> Work:
        registry = spanpin.Registry()
        histogram = spanpin.Histogram(METRIC, "Latency.", LABELS, registry=registry)

        def run(values: list[float]) -> None:
            for value in values:
                histogram.labels("GET", "/orders", "200").observe(value)

        def check(total: int) -> None:
            exposed = self.scraped(registry)
            exposed.expect(f"{METRIC}_count", total)
            exposed.expect_exemplars(len(ONE_PER_BUCKET))

        return Work(run, check, in_span=True)

    def counter_inc(self) -> Work:
        registry = spanpin.Registry()
        counter = spanpin.Counter("bench_requests", "Requests.", registry=registry)

        def run(values: list[float]) -> None:
            for _ in values:
                counter.inc()

        return Work(run, lambda total: self.scraped(registry).expect("bench_requests_total", total))

    def scrape_1000(self) -> Work:
        registry = spanpin.Registry(self_metrics=False)
        histogram = spanpin.Histogram(METRIC, "Latency.", ["method", "route"], registry=registry)
        for series in range(SERIES):
            child = histogram.labels("GET", f"/orders/{series}")
            for value in ONE_PER_BUCKET:
                with sampled_span():
                    child.observe(value)

        def run(values: list[float]) -> None:
            for _ in values:
                registry.scrape(ACCEPT)

        def check(_: int) -> None:
            exposed = self.scraped(registry)
            exposed.expect(f"{METRIC}_count", SERIES * len(ONE_PER_BUCKET))
            exposed.expect_exemplars(SERIES * len(ONE_PER_BUCKET))

        return Work(run, check)


class PrometheusClient:
    """The work with prometheus_client."""

    name = "prometheus_client"

    @staticmethod
    def scraped(registry: prometheus_client.CollectorRegistry) -> Exposed:
        return Exposed(generate_latest(registry))

    def histogram(self) -> tuple[prometheus_client.CollectorRegistry, prometheus_client.Histogram]:
        registry = prometheus_client.CollectorRegistry()
        return registry, prometheus_client.Histogram(METRIC, "Latency.", buckets=BOUNDS, registry=registry)

    def observe(self) -> Work:
        registry, histogram = self.histogram()

        def run(values: list[float]) -> None:
            for value in values:
                histogram.observe(value)

        return Work(run, lambda total: self.scraped(registry).expect(f"{METRIC}_count", total))

    def observe_exemplar_offered(self) -> Work:
        registry, histogram = self.histogram()

        def run(values: list[float]) -> None:
            for value in values:
                histogram.observe(value, current_exemplar())

        def check(total: int) -> None:
            exposed = self.scraped(registry)
            exposed.expect(f"{METRIC}_count", total)
            exposed.expect_exemplars(len(ONE_PER_BUCKET))

        return Work(run, check, in_span=True)

    # It keeps the exemplar of every observation, so that both workloads are the same to it.
    observe_exemplar_kept = observe_exemplar_offered

    def labels_observe(self) -> Work:
        registry = prometheus_client.CollectorRegistry()
        histogram = prometheus_client.Histogram(METRIC, "Latency.", LABELS, buckets=BOUNDS, registry=registry)

        def run(values: list[float]) -> None:
            for value in values:
                histogram.labels("GET", "/orders", "200").observe(value, current_exemplar())

        def check(total: int) -> None:
            exposed = self.scraped(registry)
            exposed.expect(f"{METRIC}_count", total)
            exposed.expect_exemplars(len(ONE_PER_BUCKET))

        return Work(run, check, in_span=True)

    def counter_inc(self) -> Work:
        registry = prometheus_client.CollectorRegistry()
        counter = prometheus_client.Counter("bench_requests", "Requests.", registry=registry)

        def run(values: list[float]) -> None:
            for _ in values:
                counter.inc()

        return Work(run, lambda total: self.scraped(registry).expect("bench_requests_total", total))

    def scrape_1000(self) -> Work:
        registry = prometheus_client.CollectorRegistry()
        histogram = prometheus_client.Histogram(METRIC, "Latency.", ["method", "route"], buckets=BOUNDS, registry=registry)
        for series in range(SERIES):
            child = histogram.labels("GET", f"/orders/{series}")
            for value in ONE_PER_BUCKET:
                with sampled_span():
                    child.observe(value, current_exemplar())

        def run(values: list[float]) -> None:
            for _ in values:
                generate_latest(registry)

        def check(_: int) -> None:
            exposed = self.scraped(registry)
            exposed.expect(f"{METRIC}_count", SERIES * len(ONE_PER_BUCKET))
            exposed.expect_exemplars(SERIES * len(ONE_PER_BUCKET))

        return Work(run, check)


@contextmanager
def sampled_span() -> Iterator[None]:
    with TRACER.start_as_current_span("request") as span:
        if not span.get_span_context().trace_flags.sampled:
            raise SystemExit("the span is not sampled")
        yield


def empty(values: list[float]) -> None:
    for _ in values:
        pass


def timed(run: Callable[[list[float]], None], values: list[float]) -> tuple[int, int]:
    """Wall and CPU time, in nanoseconds."""
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    run(values)
    cpu = time.process_time_ns() - cpu
    return time.perf_counter_ns() - wall, cpu


def measure(work: Work, least_ns: int) -> tuple[float, float]:
    """Wall and CPU time of one operation, after more and more of them."""
    with sampled_span() if work.in_span else nullcontext():
        total, count = 0, 1
        while True:
            values = list(islice(cycle(VALUES), count))
            gc.collect()
            wall, cpu = timed(work.run, values)
            total += count
            if cpu >= least_ns:
                break
            count = count * 10 if cpu < least_ns / 100 else int(count * 1.2 * least_ns / cpu) + 1
        loop_wall, loop_cpu = min(timed(empty, values) for _ in range(3))
    work.check(total)
    return (wall - loop_wall) / count, (cpu - loop_cpu) / count


WORKLOADS = [
    "observe",
    "labels_observe",
    "observe_exemplar_offered",
    "observe_exemplar_kept",
    "counter_inc",
    "scrape_1000",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--time", type=float, default=0.2, help="CPU seconds that a measurement takes at least")
    parser.add_argument("--swap", action="store_true", help="measure prometheus_client first")
    options = parser.parse_args()
    engines = [Spanpin(), PrometheusClient()]
    if options.swap:
        engines.reverse()
    for workload in WORKLOADS:
        for engine in engines:
            wall, cpu = measure(getattr(engine, workload)(), int(options.time * 1e9))
            row = {
                "workload": workload,
                "engine": engine.name,
                "language": "python",
                "threads": 1,
                "ns_per_op": wall,
                "cpu_ns_per_op": cpu,
                # CPython counts neither; what it allocates for a call it mostly takes from free lists.
                "bytes_per_op": None,
                "allocs_per_op": None,
            }
            print(json.dumps(row))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
