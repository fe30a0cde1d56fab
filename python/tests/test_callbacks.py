"""Functions of the user's: what they are given, and that none of them can break a measurement."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, Tracer

from reading import dropped, exemplar, exemplars, families, value
from spanpin import Counter, Histogram, Registry, TraceContext

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID = "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE_ID}-{SPAN_ID}-01"
UNSAMPLED = f"00-{TRACE_ID}-{SPAN_ID}-00"
IDS = {"trace_id": TRACE_ID, "span_id": SPAN_ID}


def errors(registry: Registry) -> float:
    return value(registry, "spanpin_callback_errors_total")


def extra_labels(registry: Registry) -> dict[str, str]:
    """The labels of the only exemplar beside the ids."""
    labels = exemplar(registry, "latency").labels
    return {name: text for name, text in labels.items() if name not in IDS}


@contextmanager
def baggage_of(**entries: object) -> Iterator[None]:
    active = context.get_current()
    for name, entry in entries.items():
        active = baggage.set_baggage(name, entry, active)
    token = context.attach(active)
    try:
        yield
    finally:
        context.detach(token)


class TestFilter:
    def test_it_is_asked_about_what_would_be_kept(self, registry: Registry) -> None:
        asked: list[tuple[float, TraceContext]] = []

        def keep(seconds: float, span: TraceContext) -> bool:
            asked.append((seconds, span))
            return seconds != 0.7

        latency = Histogram(
            "latency", "Help.", buckets=[1], exemplar_filter=keep, registry=registry
        )
        latency.observe(0.5, trace=SAMPLED)
        latency.observe(0.4, trace=SAMPLED)
        latency.observe(0.6, trace=UNSAMPLED)
        latency.observe(0.7, trace=SAMPLED)
        assert asked == [(0.5, TraceContext.parse(SAMPLED)), (0.7, TraceContext.parse(SAMPLED))]
        assert exemplar(registry, "latency").value == 0.5
        assert dropped(registry, "filter") == 1
        assert value(registry, "latency_count") == 4
        latency.observe(0.7, exemplar={"job": "17"})
        assert len(asked) == 2, "explicit exemplars are not shown to it"

    def test_the_active_span(self, registry: Registry, tracer: Tracer) -> None:
        asked: list[int] = []
        jobs = Counter(
            "jobs",
            "Help.",
            exemplar_filter=lambda _, span: asked.append(int(span.span_id, 16)),
            registry=registry,
        )
        with tracer.start_as_current_span("request") as span:
            jobs.inc()
        assert asked == [span.get_span_context().span_id]
        assert jobs.exemplars() == [], "None is false"

    @pytest.mark.parametrize("answer", ["raises", "has no truth"])
    def test_one_that_fails_refuses(self, registry: Registry, answer: str) -> None:
        class Neither:
            def __bool__(self) -> bool:
                raise RuntimeError("neither")

        def keep(_: float, __: TraceContext) -> object:
            if answer == "raises":
                raise RuntimeError("broken")
            return Neither()

        latency = Histogram("latency", "Help.", exemplar_filter=keep, registry=registry)
        latency.observe(0.5, trace=SAMPLED)
        assert latency.exemplars() == []
        assert (errors(registry), dropped(registry, "filter")) == (1, 1)
        assert value(registry, "latency_count") == 1


class TestLabels:
    def latency(self, registry: Registry, labels: Callable[[], Any]) -> Histogram:
        return Histogram("latency", "Help.", exemplar_labels=labels, registry=registry)

    def test_they_come_behind_those_of_the_call(self, registry: Registry) -> None:
        latency = self.latency(registry, lambda: {"request": "function", "region": "eu"})
        latency.observe(0.5, trace=SAMPLED, extra={"request": "call"})
        shown = exemplar(registry, "latency").labels
        assert shown == {**IDS, "request": "call", "region": "eu"}
        assert list(shown) == ["trace_id", "span_id", "request", "region"]

    def test_it_is_asked_for_what_is_about_to_be_written(self, registry: Registry) -> None:
        asked: list[None] = []
        latency = self.latency(registry, lambda: asked.append(None))
        latency.observe(0.5)
        latency.observe(0.5, trace=UNSAMPLED)
        latency.observe(0.5, exemplar={"job": "17"})
        assert asked == []
        other = Counter(
            "other", "Help.", exemplar_labels=lambda: asked.append(None), registry=registry
        )
        other.inc(trace=SAMPLED)
        assert asked == [None]
        assert [one.labels for one in other.exemplars()] == [{}], "None is none"

    def test_explicit_exemplars_stay_as_given(self, registry: Registry) -> None:
        self.latency(registry, lambda: {"a": "b"}).observe(0.5, exemplar={"job": "17"})
        assert exemplar(registry, "latency").labels == {"job": "17"}

    @pytest.mark.parametrize("bad", [17, "text", ["a"], {"a": None}], ids=repr)
    def test_what_is_no_mapping_is_counted(self, registry: Registry, bad: Any) -> None:
        class Broken:
            def __str__(self) -> str:
                raise RuntimeError("no text")

        if isinstance(bad, dict):
            bad = {"good": "label", "a": Broken()}
        latency = self.latency(registry, lambda: bad)
        latency.observe(0.5, trace=SAMPLED, extra={"kept": "yes"})
        assert errors(registry) == 1
        assert extra_labels(registry) == {"kept": "yes"}

    def test_one_that_raises_costs_its_labels_only(self, registry: Registry) -> None:
        def broken() -> Mapping[str, str]:
            raise RuntimeError("broken")

        latency = self.latency(registry, broken)
        latency.observe(0.5, trace=SAMPLED)
        assert errors(registry) == 1
        assert exemplar(registry, "latency").labels == IDS

    def test_the_limit_holds(self, registry: Registry) -> None:
        latency = self.latency(registry, lambda: {"a": "x" * 60, "b": "y" * 60})
        latency.observe(0.5, trace=SAMPLED)
        assert extra_labels(registry) == {"a": "x" * 60}
        assert dropped(registry, "label_limit") == 1


class TestBaggage:
    def latency(self, registry: Registry, **options: Any) -> Histogram:
        return Histogram(
            "latency", "Help.", baggage_keys=["user_id", "region"], registry=registry, **options
        )

    def test_listed_entries_become_labels_in_the_order_of_the_list(
        self, registry: Registry, tracer: Tracer
    ) -> None:
        latency = self.latency(registry)
        with tracer.start_as_current_span("request"):
            with baggage_of(region="eu", secret="x", user_id="u-1"):
                latency.observe(0.5)
        shown = exemplar(registry, "latency").labels
        assert list(shown.items())[2:] == [("user_id", "u-1"), ("region", "eu")]

    def test_without_a_list_nothing_is_taken(self, registry: Registry, tracer: Tracer) -> None:
        latency = Histogram("latency", "Help.", mark_spans=True, registry=registry)
        with tracer.start_as_current_span("request"), baggage_of(user_id="u-1"):
            latency.observe(0.5)
        assert extra_labels(registry) == {}

    def test_it_comes_behind_the_call_and_the_function(
        self, registry: Registry, tracer: Tracer
    ) -> None:
        latency = self.latency(registry, exemplar_labels=lambda: {"user_id": "function"})
        with tracer.start_as_current_span("request"), baggage_of(user_id="baggage", region="eu"):
            latency.observe(0.5, extra={"a": "call"})
        labels = extra_labels(registry)
        assert list(labels.items()) == [("a", "call"), ("user_id", "function"), ("region", "eu")]

    def test_it_is_not_added_to_another_span(self, registry: Registry, tracer: Tracer) -> None:
        latency = self.latency(registry)
        with tracer.start_as_current_span("request"), baggage_of(user_id="u-1"):
            latency.observe(0.5, trace=SAMPLED)
        assert exemplar(registry, "latency").labels == IDS

    def test_it_is_read_behind_the_gate(
        self, registry: Registry, tracer: Tracer, unsampled: Tracer
    ) -> None:
        class Entry:
            read = 0

            def __str__(self) -> str:
                Entry.read += 1
                return "text"

        latency = self.latency(registry)
        with baggage_of(user_id=Entry()):
            latency.observe(0.9)
            with unsampled.start_as_current_span("request"):
                latency.observe(0.9)
            assert Entry.read == 0
            with tracer.start_as_current_span("request"):
                latency.observe(0.9)
                latency.observe(0.8)
        assert Entry.read == 1
        assert extra_labels(registry) == {"user_id": "text"}

    def test_an_entry_without_text_is_counted(self, registry: Registry, tracer: Tracer) -> None:
        class Broken:
            def __str__(self) -> str:
                raise RuntimeError("no text")

        latency = self.latency(registry)
        with tracer.start_as_current_span("request"), baggage_of(user_id=Broken(), region="eu"):
            latency.observe(0.5)
        assert errors(registry) == 1
        assert extra_labels(registry) == {"region": "eu"}

    def test_a_counter(self, registry: Registry, tracer: Tracer) -> None:
        jobs = Counter("jobs", "Help.", baggage_keys=("region",), registry=registry)
        with tracer.start_as_current_span("request"), baggage_of(region="eu"):
            jobs.inc()
        assert [one.labels for one in jobs.exemplars()] == [{"region": "eu"}]


class TestMark:
    def attributes(self, span: trace.Span) -> dict[str, Any]:
        assert isinstance(span, ReadableSpan)
        return dict(span.attributes or {})

    def observed_in(self, kind: type[NonRecordingSpan], registry: Registry) -> Histogram:
        """A histogram that marks spans, with a value of a span of this class."""
        latency = Histogram("latency", "Help.", mark_spans=True, registry=registry)
        remote = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1))
        with trace.use_span(kind(remote)):
            latency.observe(0.5)
        return latency

    def test_what_was_admitted_is_marked(self, registry: Registry, tracer: Tracer) -> None:
        latency = Histogram("latency", "Help.", ["route"], mark_spans=True, registry=registry)
        with tracer.start_as_current_span("slow") as slow:
            latency.labels("/").observe(0.09)
        with tracer.start_as_current_span("fast") as fast:
            latency.labels("/").observe(0.08)
        assert self.attributes(slow) == {"exemplar": "true"}
        assert self.attributes(fast) == {}

    def test_only_the_active_span_is_marked(self, registry: Registry, tracer: Tracer) -> None:
        latency = Histogram("latency", "Help.", mark_spans=True, registry=registry)
        with tracer.start_as_current_span("request") as span:
            latency.observe(0.5, trace=SAMPLED)
            latency.observe(0.6, trace=span.get_span_context())
            latency.observe(0.5, exemplar={"job": "17"})
        assert len(latency.exemplars()) == 3
        assert self.attributes(span) == {}

    def test_what_a_filter_refuses_is_not_marked(self, registry: Registry, tracer: Tracer) -> None:
        latency = Histogram(
            "latency", "Help.", mark_spans=True, exemplar_filter=lambda *_: False, registry=registry
        )
        with tracer.start_as_current_span("request") as span:
            latency.observe(0.5)
        assert self.attributes(span) == {}

    @pytest.mark.parametrize("own", [None, True, False])
    def test_the_registry_says_it_for_those_that_do_not(
        self, tracer: Tracer, own: bool | None
    ) -> None:
        registry = Registry(mark_spans=True)
        jobs = Counter("jobs", "Help.", mark_spans=own, registry=registry)
        with tracer.start_as_current_span("request") as span:
            jobs.inc()
        assert (self.attributes(span) == {"exemplar": "true"}) is (own is not False)

    def test_not_by_default(self, registry: Registry, tracer: Tracer) -> None:
        jobs = Counter("jobs", "Help.", registry=registry)
        with tracer.start_as_current_span("request") as span:
            jobs.inc()
        assert self.attributes(span) == {}

    def test_a_span_that_does_not_record_is_left_alone(self, registry: Registry) -> None:
        class Remote(NonRecordingSpan):
            def set_attribute(self, *_: object) -> None:
                raise AssertionError("it does not record")

        latency = self.observed_in(Remote, registry)
        assert len(latency.exemplars()) == 1
        assert errors(registry) == 0

    def test_a_tracing_library_that_fails_is_survived(self, registry: Registry) -> None:
        class Broken(NonRecordingSpan):
            def is_recording(self) -> bool:
                raise RuntimeError("broken")

        latency = self.observed_in(Broken, registry)
        assert len(latency.exemplars()) == 1
        assert errors(registry) == 1


OPTIONS = ["exemplar_filter", "exemplar_labels", "on_slow_request"]


def made(registry: Registry, option: str, function: Callable[..., Any]) -> Histogram:
    """A histogram all of whose values are slow, with a function."""
    options: dict[str, Any] = {option: function, "slow_request_threshold": 0.0}
    return Histogram("latency", "Help.", buckets=[1], registry=registry, **options)


class TestAny:
    @pytest.mark.parametrize("option", OPTIONS)
    def test_it_may_record_on_the_same_series(self, registry: Registry, option: str) -> None:
        depth = 0

        def record(*_: object) -> object:
            nonlocal depth
            if depth < 5:
                depth += 1
                latency.observe(0.5 + depth / 100, trace=SAMPLED)
            return {} if option == "exemplar_labels" else True

        latency = made(registry, option, record)
        latency.observe(0.5, trace=SAMPLED)
        assert depth > 0
        assert value(registry, "latency_count") == depth + 1
        assert errors(registry) == 0
        assert len(exemplars(registry, "latency")) == 1

    @pytest.mark.parametrize("option", OPTIONS)
    def test_failures_are_counted_where_they_belong(self, option: str) -> None:
        """A function that records elsewhere, where another fails, and fails then itself."""
        inner_registry, outer_registry = Registry(), Registry()

        def fail(*_: object) -> object:
            raise RuntimeError("inner")

        inner = made(inner_registry, "exemplar_filter", fail)

        def nest(*_: object) -> object:
            inner.observe(0.5, trace=SAMPLED)
            inner.observe(0.6, trace=SAMPLED)
            raise RuntimeError("outer")

        made(outer_registry, option, nest).observe(0.5, trace=SAMPLED)
        assert (errors(inner_registry), errors(outer_registry)) == (2, 1)

    def test_a_failure_waits_for_the_end_of_its_own_call(self) -> None:
        """One function has failed when another one records elsewhere."""
        inner_registry, outer_registry = Registry(), Registry()

        def fail(*_: object) -> object:
            raise RuntimeError("broken")

        def interrupt(*_: object) -> object:
            raise KeyboardInterrupt("stop")

        inner = made(inner_registry, "exemplar_filter", fail)
        recorded: list[bool] = []

        def nest(*_: object) -> bool:
            inner.observe(0.5, trace=SAMPLED)
            recorded.append(True)
            return True

        outer = Histogram(
            "latency",
            "Help.",
            slow_request_threshold=0.0,
            on_slow_request=interrupt,
            exemplar_filter=nest,
            registry=outer_registry,
        )
        with pytest.raises(KeyboardInterrupt, match="stop"):
            outer.observe(0.5, trace=SAMPLED)
        assert recorded == [True]
        assert len(outer.exemplars()) == 1
        assert (errors(inner_registry), errors(outer_registry)) == (1, 1)

    @pytest.mark.parametrize("option", OPTIONS)
    @pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
    def test_an_interrupt_is_raised_when_the_value_has_been_counted(
        self, registry: Registry, option: str, interrupt: type[BaseException]
    ) -> None:
        def stop(*_: object) -> object:
            raise interrupt("stop")

        latency = made(registry, option, stop)
        with pytest.raises(interrupt, match="stop"):
            latency.observe(0.5, trace=SAMPLED)
        latency.observe(0.1, trace=UNSAMPLED)  # nothing is left over
        assert value(registry, "latency_count") == 2
        assert errors(registry) == 1

    @pytest.mark.parametrize("option", OPTIONS)
    def test_other_threads_run_meanwhile(self, registry: Registry, option: str) -> None:
        inside = threading.Barrier(4, timeout=30)

        def meet(*_: object) -> object:
            # Each of the threads is inside of the same function at once.
            inside.wait()
            raise RuntimeError("broken")

        options: dict[str, Any] = {option: meet, "slow_request_threshold": 0.0}
        latency = Histogram("latency", "Help.", ["thread"], registry=registry, **options)

        def work(number: int) -> None:
            latency.labels(number).observe(0.5, trace=SAMPLED)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors(registry) == 4
        counts = [
            one for one in families(registry)["latency"].samples if one.name == "latency_count"
        ]
        assert [one.value for one in counts] == [1] * 4

    def test_many_threads_record_with_all_of_them(self, registry: Registry, tracer: Tracer) -> None:
        def sometimes(*_: object) -> Any:
            if time.perf_counter_ns() % 3 == 0:
                raise RuntimeError("broken")
            return {"a": "b"}

        latency = Histogram(
            "latency",
            "Help.",
            exemplar_filter=sometimes,
            exemplar_labels=sometimes,
            on_slow_request=sometimes,
            slow_request_threshold=0.1,
            baggage_keys=["a"],
            mark_spans=True,
            registry=registry,
        )

        def work() -> None:
            for number in range(500):
                with tracer.start_as_current_span("request"):
                    latency.observe(number / 500)

        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        try:
            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(interval)
        assert value(registry, "latency_count") == 2000
        assert errors(registry) > 0
