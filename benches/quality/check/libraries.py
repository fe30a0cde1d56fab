"""Feeds the operations of the quality benchmark to the real prometheus_client and to OpenTelemetry's reservoir, and writes
which requests they show, in the form of the models' answers.

    libraries.py FOLDER OUTPUT
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from opentelemetry import context
from opentelemetry.sdk.metrics import AlignedHistogramBucketExemplarReservoir
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from prometheus_client import CollectorRegistry, Histogram

BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]


def line(numbers: Iterable[str]) -> str:
    return " ".join(numbers) + "\n"


class PrometheusClient:
    name = "classic.prometheus_client"

    def __init__(self) -> None:
        self.histogram = Histogram("d", "d", buckets=BOUNDS, registry=CollectorRegistry())

    def observe(self, at_us: int, index: str, value: float) -> None:
        self.histogram.observe(value, {"trace_id": index})

    def collect(self) -> str:
        samples = [sample for metric in self.histogram.collect() for sample in metric.samples]
        buckets = [sample for sample in samples if sample.name.endswith("_bucket")]
        return line(sample.exemplar.labels["trace_id"] if sample.exemplar else "-" for sample in buckets)


class OpenTelemetry:
    name = "aligned.opentelemetry"

    def __init__(self) -> None:
        self.reservoir = AlignedHistogramBucketExemplarReservoir(BOUNDS)

    def observe(self, at_us: int, index: str, value: float) -> None:
        span = NonRecordingSpan(SpanContext(int(index), int(index), False, TraceFlags(TraceFlags.SAMPLED)))
        self.reservoir.offer(value, at_us * 1000, {}, set_span_in_context(span, context.Context()))

    def collect(self) -> str:
        shown = ["-"] * (len(BOUNDS) + 1)
        for exemplar in self.reservoir.collect({}):
            shown[sum(exemplar.value > bound for bound in BOUNDS)] = str(exemplar.trace_id)
        return line(shown)


def main() -> None:
    folder, output = map(Path, sys.argv[1:])
    libraries = [PrometheusClient(), OpenTelemetry()]
    answers = {library.name: "" for library in libraries}
    for text in (folder / "operations.txt").read_text().splitlines():
        kind, *words = text.split()
        for library in libraries:
            if kind == "s":
                answers[library.name] += library.collect()
            else:
                library.observe(int(words[0]), words[1], float(words[2]))
    for name, text in answers.items():
        (output / name).write_text(text)


if __name__ == "__main__":
    main()
