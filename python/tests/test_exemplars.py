"""Which span becomes the exemplar, and that none of it makes a measurement fail."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, Tracer

import spanpin
from reading import dropped, exemplar, exemplars, tick, value
from spanpin import Counter, Histogram, Registry, TraceContext

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID = "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE_ID}-{SPAN_ID}-01"
UNSAMPLED = f"00-{TRACE_ID}-{SPAN_ID}-00"
IDS = {"trace_id": TRACE_ID, "span_id": SPAN_ID}


@pytest.fixture
def latency(registry: Registry) -> Histogram:
    return Histogram("latency", "Help.", buckets=[1], registry=registry)


def ids_of(context: SpanContext) -> dict[str, str]:
    return {
        "trace_id": trace.format_trace_id(context.trace_id),
        "span_id": trace.format_span_id(context.span_id),
    }


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = object.__repr__


class TestActiveSpan:
    def test_a_sampled_one_is_taken(
        self, latency: Histogram, registry: Registry, tracer: Tracer
    ) -> None:
        with tracer.start_as_current_span("request") as span:
            latency.observe(0.5)
        shown = exemplar(registry, "latency")
        assert shown.labels == ids_of(span.get_span_context())
        assert shown.value == 0.5
        assert shown.timestamp is not None

    def test_the_inner_one_is_taken(
        self, latency: Histogram, registry: Registry, tracer: Tracer
    ) -> None:
        with tracer.start_as_current_span("outer"):
            with tracer.start_as_current_span("inner") as inner:
                latency.observe(0.5)
        assert exemplar(registry, "latency").labels == ids_of(inner.get_span_context())

    def test_each_bucket_has_its_own(
        self, latency: Histogram, registry: Registry, tracer: Tracer
    ) -> None:
        with tracer.start_as_current_span("fast") as fast:
            latency.observe(0.5)
        with tracer.start_as_current_span("slow") as slow:
            latency.observe(5)
        shown = [one.labels for one in exemplars(registry, "latency")]
        assert shown == [ids_of(fast.get_span_context()), ids_of(slow.get_span_context())]

    def test_the_slowest_since_the_last_scrape_is_kept(
        self, latency: Histogram, registry: Registry, tracer: Tracer
    ) -> None:
        for seconds in (0.2, 0.9, 0.3):
            with tracer.start_as_current_span("request"):
                latency.observe(seconds)
        assert exemplar(registry, "latency").value == 0.9

    def test_an_unsampled_one_is_not_taken(
        self, latency: Histogram, registry: Registry, unsampled: Tracer
    ) -> None:
        with unsampled.start_as_current_span("request"):
            latency.observe(0.5)
        assert exemplars(registry, "latency") == []
        assert dropped(registry, "unsampled") == 1
        assert value(registry, "latency_count") == 1

    def test_without_one_there_is_no_exemplar(self, latency: Histogram, registry: Registry) -> None:
        latency.observe(0.5)
        assert exemplars(registry, "latency") == []
        assert dropped(registry, "no_span") == 1
        assert value(registry, "latency_count") == 1

    def test_a_counter_takes_it_too(self, registry: Registry, tracer: Tracer) -> None:
        errors = Counter("errors", "Help.", ["reason"], registry=registry)
        with tracer.start_as_current_span("request") as span:
            errors.labels("timeout").inc()
        assert exemplar(registry, "errors").labels == ids_of(span.get_span_context())

    def test_extra_labels_go_with_it(
        self, latency: Histogram, registry: Registry, tracer: Tracer
    ) -> None:
        with tracer.start_as_current_span("request") as span:
            latency.observe(0.5, extra={"request": "r-17"})
        ids = ids_of(span.get_span_context())
        assert exemplar(registry, "latency").labels == {**ids, "request": "r-17"}

    def test_extra_labels_without_one(self, latency: Histogram, registry: Registry) -> None:
        latency.observe(0.5, extra={"request": "r-17"})
        assert exemplars(registry, "latency") == []
        assert dropped(registry, "no_span") == 1
        assert value(registry, "latency_count") == 1

    def test_filters(self, registry: Registry, tracer: Tracer, unsampled: Tracer) -> None:
        always = Histogram("always", "Help.", filter="always_on", registry=registry)
        never = Histogram("never", "Help.", filter="always_off", registry=registry)
        with unsampled.start_as_current_span("request"):
            always.observe(0.5)
        with tracer.start_as_current_span("request"):
            never.observe(0.5)
        never.observe(0.5, trace=SAMPLED)
        never.observe(0.5, exemplar=IDS)
        assert len(exemplars(registry, "always")) == 1
        assert exemplars(registry, "never") == []
        assert value(registry, "never_count") == 3

    def test_a_tracing_library_that_fails_is_survived(
        self, latency: Histogram, registry: Registry
    ) -> None:
        class Broken(NonRecordingSpan):
            def get_span_context(self) -> SpanContext:
                raise RuntimeError("broken")

        context = SpanContext(1, 2, is_remote=False)
        with trace.use_span(Broken(context), record_exception=False, set_status_on_exception=False):
            latency.observe(0.5)
            latency.observe(0.5, extra={"a": "b"})
        assert exemplars(registry, "latency") == []
        assert value(registry, "latency_count") == 2

    @pytest.mark.parametrize("labels", [{}, {"extra": {"a": "b"}}], ids=["alone", "with extra"])
    def test_an_interrupt_is_not_swallowed(
        self, latency: Histogram, registry: Registry, labels: dict[str, Any]
    ) -> None:
        class Interrupted(NonRecordingSpan):
            def get_span_context(self) -> SpanContext:
                raise KeyboardInterrupt

        context = SpanContext(1, 2, is_remote=False)
        with trace.use_span(Interrupted(context)), pytest.raises(KeyboardInterrupt):
            latency.observe(0.5, **labels)
        assert value(registry, "latency_count") == 1

    def test_a_source_that_records_itself_is_survived(
        self, latency: Histogram, registry: Registry
    ) -> None:
        class Recording(NonRecordingSpan):
            depth = 0

            def get_span_context(self) -> SpanContext:
                if Recording.depth < 3:
                    Recording.depth += 1
                    latency.observe(0.5)
                return super().get_span_context()

        context = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(1))
        with trace.use_span(Recording(context)):
            latency.observe(0.5)
        assert Recording.depth > 0
        assert value(registry, "latency_count") == Recording.depth + 1
        assert len(exemplars(registry, "latency")) == 1

    def test_opentelemetry_is_not_imported_for_the_program(self) -> None:
        program = """
import sys, time, spanpin
histogram = spanpin.Histogram("h", "Help.")
histogram.observe(0.5)
histogram.observe(0.5, extra={"a": "b"})
options = {"baggage_keys": ["region"], "mark_spans": True}
full = spanpin.Histogram("full", "Help.", slow_request_threshold=0.1, **options)
full.observe(0.5)
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
from opentelemetry import trace
context = trace.SpanContext(1, 2, is_remote=False, trace_flags=trace.TraceFlags(1))
with trace.use_span(trace.NonRecordingSpan(context)):
    histogram.observe(0.75)
    # As before that baggage had been set, which takes its module.
    baggage = sys.modules.pop("opentelemetry.baggage", None)
    full.observe(0.75)
    assert "opentelemetry.baggage" not in sys.modules
assert len(full.exemplars()) == 1
time.sleep(0.03)
body = spanpin.scrape("application/openmetrics-text; version=1.0.0")[1].decode()
assert 'trace_id="00000000000000000000000000000001"' in body, body
"""
        subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=60)


class TestTrace:
    @pytest.mark.parametrize(
        "given",
        [
            SAMPLED,
            TraceContext(TRACE_ID, SPAN_ID),
            SpanContext(int(TRACE_ID, 16), int(SPAN_ID, 16), False, TraceFlags(1)),
        ],
        ids=["traceparent", "TraceContext", "SpanContext"],
    )
    def test_every_form(self, latency: Histogram, registry: Registry, given: Any) -> None:
        errors = Counter("errors", "Help.", registry=registry)
        latency.observe(0.5, trace=given)
        errors.inc(trace=given)
        assert exemplar(registry, "latency").labels == IDS
        assert exemplar(registry, "errors").labels == IDS

    def test_it_replaces_the_active_span(
        self, latency: Histogram, registry: Registry, tracer: Tracer
    ) -> None:
        with tracer.start_as_current_span("request"):
            latency.observe(0.5, trace=SAMPLED)
        assert exemplar(registry, "latency").labels == IDS

    def test_flags_decide(self, latency: Histogram, registry: Registry) -> None:
        latency.observe(0.5, trace=UNSAMPLED)
        assert exemplars(registry, "latency") == []
        assert dropped(registry, "unsampled") == 1

    def test_extra_labels(self, latency: Histogram, registry: Registry) -> None:
        latency.observe(0.5, trace=SAMPLED, extra={"request": "r-17", "span_id": "ignored"})
        assert exemplar(registry, "latency").labels == {**IDS, "request": "r-17"}

    @pytest.mark.parametrize(
        "malformed",
        [
            "",
            "nonsense",
            SAMPLED[:-1],
            SAMPLED + "0",
            SAMPLED.upper(),
            f"ff-{TRACE_ID}-{SPAN_ID}-01",
            f"00-{'0' * 32}-{SPAN_ID}-01",
            f"00-{TRACE_ID}-{'0' * 16}-01",
            "\ud800",
            "\N{PILE OF POO}" * 14,
            b"00",
            17,
            object(),
            {"trace_id": TRACE_ID},
        ],
        ids=repr,
    )
    def test_a_malformed_one_is_dropped_and_counted(
        self, latency: Histogram, registry: Registry, malformed: Any
    ) -> None:
        latency.observe(0.5, trace=malformed)
        latency.observe(0.5, trace=malformed, extra={"a": "b"})
        assert exemplars(registry, "latency") == []
        assert dropped(registry, "invalid_id") == 2
        assert value(registry, "latency_count") == 2
        errors = Counter("errors", "Help.", registry=registry)
        errors.inc(trace=malformed)
        assert value(registry, "errors_total") == 1

    def test_an_empty_span_context_is_no_span(self, latency: Histogram, registry: Registry) -> None:
        latency.observe(0.5, trace=trace.INVALID_SPAN_CONTEXT)
        assert dropped(registry, "no_span") == 1
        assert value(registry, "latency_count") == 1


class TestExplicit:
    def test_any_labels(self, latency: Histogram, registry: Registry) -> None:
        latency.observe(0.5, exemplar={"request": "r-17", "user": "ü"})
        assert exemplar(registry, "latency").labels == {"request": "r-17", "user": "ü"}

    def test_ids_are_written_in_lower_case(self, latency: Histogram, registry: Registry) -> None:
        upper = {"trace_id": TRACE_ID.upper(), "span_id": SPAN_ID.upper()}
        latency.observe(0.5, exemplar={"request": "r-17", **upper})
        shown = exemplar(registry, "latency").labels
        assert shown == {**IDS, "request": "r-17"}
        assert list(shown) == ["trace_id", "span_id", "request"]

    def test_it_outranks_offers_and_the_latest_one_wins(
        self, latency: Histogram, registry: Registry
    ) -> None:
        latency.observe(0.9, trace=SAMPLED)
        latency.observe(0.5, exemplar={"number": "1"})
        latency.observe(0.3, exemplar={"number": "2"})
        latency.observe(0.95, trace=SAMPLED)
        shown = exemplar(registry, "latency")
        assert (shown.labels, shown.value) == ({"number": "2"}, 0.3)

    def test_an_empty_one_is_none_at_all(
        self, latency: Histogram, registry: Registry, tracer: Tracer
    ) -> None:
        with tracer.start_as_current_span("request"):
            latency.observe(0.5, exemplar={})
        assert exemplars(registry, "latency") == []
        assert value(registry, "latency_count") == 1

    def test_with_a_span_beside_it(self, latency: Histogram, registry: Registry) -> None:
        latency.observe(0.5, trace=SAMPLED, exemplar={"a": "1"}, extra={"b": "2"})
        assert exemplar(registry, "latency").labels == {**IDS, "a": "1", "b": "2"}

    def test_any_mapping(self, latency: Histogram, registry: Registry) -> None:
        labels: Mapping[str, str] = MappingProxyType({"request": "r-17"})
        latency.observe(0.5, exemplar=labels)
        assert exemplar(registry, "latency").labels == {"request": "r-17"}

    def test_values_of_other_types(self, latency: Histogram, registry: Registry) -> None:
        labels: Any = {"shard": 17}
        latency.observe(0.5, exemplar=labels)
        assert exemplar(registry, "latency").labels == {"shard": "17"}

    def test_a_counter(self, registry: Registry) -> None:
        jobs = Counter("jobs", "Help.", registry=registry)
        jobs.inc(2, exemplar={"job": "17"})
        shown = exemplar(registry, "jobs")
        assert (shown.labels, shown.value) == ({"job": "17"}, 2)

    def test_labels_over_the_limit_are_left_out_from_the_end(
        self, latency: Histogram, registry: Registry
    ) -> None:
        room = 128 - len("trace_id") - 32 - len("span_id") - 16
        fits = {"a": "x" * (room - 1)}
        latency.observe(0.5, trace=SAMPLED, extra={**fits, "b": "y"})
        assert exemplar(registry, "latency").labels == {**IDS, **fits}
        assert dropped(registry, "label_limit") == 1

    @pytest.mark.parametrize("bad", [17, "text", ["a"], object(), {"a": object}, {1: 2}], ids=repr)
    def test_nothing_given_makes_a_measurement_fail(
        self, latency: Histogram, registry: Registry, bad: Any
    ) -> None:
        latency.observe(0.5, exemplar=bad)
        latency.observe(0.5, extra=bad)
        latency.observe(0.5, trace=SAMPLED, extra=bad)
        assert value(registry, "latency_count") == 3

    @pytest.mark.parametrize("malformed", ["nonsense", "", 17, SAMPLED.upper()], ids=repr)
    def test_a_malformed_span_beside_one_is_counted(
        self, latency: Histogram, registry: Registry, malformed: Any
    ) -> None:
        jobs = Counter("jobs", "Help.", registry=registry)
        latency.observe(0.5, trace=malformed, exemplar={"request": "r-17"})
        jobs.inc(trace=malformed, exemplar={"request": "r-18"})
        assert exemplar(registry, "latency").labels == {"request": "r-17"}
        assert exemplar(registry, "jobs").labels == {"request": "r-18"}
        assert dropped(registry, "invalid_id") == 2

    @pytest.mark.parametrize(
        "unusable", [17, "text", ["a"], object(), {"a": Unspeakable()}], ids=repr
    )
    def test_unusable_extra_labels_are_counted(
        self, latency: Histogram, registry: Registry, unusable: Any
    ) -> None:
        jobs = Counter("jobs", "Help.", registry=registry)
        latency.observe(0.5, trace=SAMPLED, extra=unusable)
        jobs.inc(exemplar={"job": "17"}, extra=unusable)
        assert exemplar(registry, "latency").labels == IDS
        assert exemplar(registry, "jobs").labels == {"job": "17"}
        assert dropped(registry, "label_value") == 2

    def test_a_mapping_that_changes_while_it_is_read(
        self, latency: Histogram, registry: Registry
    ) -> None:
        class Changing:
            def __str__(self) -> str:
                labels.clear()
                labels.update({str(number): "x" for number in range(100)})
                return "text"

        labels: dict[str, Any] = {"a": Changing(), "b": "c"}
        latency.observe(0.5, exemplar=labels)
        assert exemplar(registry, "latency").labels == {"a": "text", "b": "c"}

    def test_a_value_without_text(self, latency: Histogram, registry: Registry) -> None:
        class Broken:
            def __str__(self) -> str:
                raise RuntimeError("no text")

        labels: Any = {"a": Broken()}
        latency.observe(0.5, exemplar=labels)
        assert exemplars(registry, "latency") == []
        assert dropped(registry, "invalid_id") == 1
        assert value(registry, "latency_count") == 1


def test_the_older_format_has_no_exemplars(latency: Histogram, registry: Registry) -> None:
    latency.observe(0.5, trace=SAMPLED)
    tick(registry)
    assert TRACE_ID.encode() not in registry.scrape()[1]
    assert TRACE_ID.encode() in registry.scrape("application/openmetrics-text")[1]


def test_each_scraper_gets_the_best_since_its_own_last_scrape(
    latency: Histogram, registry: Registry
) -> None:
    def shown(scraper: str) -> list[float]:
        accept = "application/openmetrics-text; version=1.0.0"
        body = registry.scrape(accept, scraper=scraper)[1].decode()
        lines = [line for line in body.splitlines() if line.startswith("latency_bucket")]
        return [float(line.split("} ")[2].split()[0]) for line in lines if " # " in line]

    # A scraper that keeps its beat is trusted with a memory of its own.
    for _ in range(10):
        tick(registry)
        assert shown("often") == []
        tick(registry)
        assert shown("often") == shown("seldom") == []
    latency.observe(0.9, trace=SAMPLED)
    tick(registry)
    assert shown("often") == [0.9]
    latency.observe(0.2, trace=SAMPLED)
    tick(registry)
    assert (shown("often"), shown("seldom")) == ([0.2], [0.9])


def test_policies(registry: Registry) -> None:
    first = Histogram("first", "Help.", buckets=[1], policy="first", registry=registry)
    for seconds in (0.2, 0.9, 0.3):
        first.observe(seconds, trace=SAMPLED)
    assert exemplar(registry, "first").value == 0.2
    Histogram("uniform", "Help.", policy="uniform", registry=registry).observe(1, trace=SAMPLED)
    assert len(exemplars(registry, "uniform")) == 1


def test_the_default_registry_shows_exemplars_as_well() -> None:
    spanpin.Counter("exemplars_in_default", "Help.").inc(exemplar={"a": "b"})
    time.sleep(0.03)
    body = spanpin.scrape(accept="application/openmetrics-text; version=1.0.0")[1].decode()
    assert 'exemplars_in_default_total 1 # {a="b"} 1.0' in body
