"""The options by which a family chooses its exemplars."""

from __future__ import annotations

from typing import Any

import pytest

from reading import dropped, exemplars, tick, value
from spanpin import (
    Adaptive,
    Counter,
    Gauge,
    Histogram,
    Registry,
    SpanpinError,
    exponential_buckets,
    linear_buckets,
)

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def refused(registry: Registry, kind: Any = Histogram, **options: Any) -> str:
    """The message of the error that these options lead to."""
    with pytest.raises(SpanpinError) as caught:
        kind("refused", "Help.", registry=registry, **options)
    assert caught.value.code == "invalid_option"
    return str(caught.value)


class TestMinimumValue:
    def test_below_it_nothing_is_offered(self, registry: Registry) -> None:
        latency = Histogram("latency", "Help.", buckets=[1], minimum_value=0.5, registry=registry)
        latency.observe(0.4, trace=SAMPLED)
        assert exemplars(registry, "latency") == []
        latency.observe(0.5, trace=SAMPLED)
        assert [one.value for one in exemplars(registry, "latency")] == [0.5]
        assert value(registry, "spanpin_exemplars_offered_total") == 1
        assert value(registry, "latency_count") == 2

    def test_explicit_exemplars_are_not_held_to_it(self, registry: Registry) -> None:
        latency = Histogram("latency", "Help.", minimum_value=0.5, registry=registry)
        latency.observe(0.1, exemplar={"job": "17"})
        assert len(latency.exemplars()) == 1

    def test_a_counter_goes_by_the_amount(self, registry: Registry) -> None:
        received = Counter("bytes", "Help.", minimum_value=100, registry=registry)
        received.inc(99, trace=SAMPLED)
        assert received.exemplars() == []
        received.inc(100, trace=SAMPLED)
        assert [one.value for one in received.exemplars()] == [100]

    def test_nan_is_refused(self, registry: Registry) -> None:
        expected = "minimum_value is NaN: it must be a number, in the unit of the metric"
        assert refused(registry, minimum_value=float("nan")) == expected


class TestProbability:
    @pytest.mark.parametrize(("part", "kept"), [(0, 0), (1, 50)])
    def test_none_and_all(self, registry: Registry, part: float, kept: int) -> None:
        latency = Histogram("latency", "Help.", buckets=[], probability=part, registry=registry)
        for number in range(50):
            latency.observe(number + 1, trace=SAMPLED)
        # Zero offers nothing at all.
        assert value(registry, "spanpin_exemplars_offered_total") == kept
        assert dropped(registry, "filter") == 0
        assert value(registry, "spanpin_exemplars_admitted_total") == kept

    def test_a_part(self, registry: Registry) -> None:
        latency = Histogram("latency", "Help.", buckets=[], probability=0.25, registry=registry)
        for number in range(8000):
            latency.observe(number + 1, trace=SAMPLED)
        assert 0.23 < value(registry, "spanpin_exemplars_admitted_total") / 8000 < 0.27

    def test_other_numbers_are_refused(self, registry: Registry) -> None:
        assert refused(registry, probability=-0.1) == "probability is -0.1: it must be from 0 to 1"


class TestAdaptive:
    def offered(self, registry: Registry, latency: Histogram, seconds: float) -> float:
        """The part that is kept of 4000 rising offers, from this value to 4 % above it."""
        tick(registry)
        registry.scrape("application/openmetrics-text")
        before = dropped(registry, "filter")
        for number in range(4000):
            latency.observe(seconds * (1 + number * 1e-5), trace=SAMPLED)
        return 1 - (dropped(registry, "filter") - before) / 4000

    def test_a_p99_of_the_callers(self, registry: Registry) -> None:
        latency = Histogram(
            "latency", "Help.", buckets=[1000], adaptive=Adaptive(p99=100), registry=registry
        )
        assert self.offered(registry, latency, 100.1) == 1
        assert 0.07 < self.offered(registry, latency, 90) < 0.13
        assert 0.003 < self.offered(registry, latency, 40) < 0.02
        latency.set_p99(30)
        assert self.offered(registry, latency, 41) == 1

    def test_the_p99_of_the_buckets(self, registry: Registry) -> None:
        latency = Histogram(
            "latency", "Help.", buckets=range(1, 101), adaptive=True, registry=registry
        )
        for _ in range(99):
            latency.observe(0.5, trace=SAMPLED)
        assert dropped(registry, "filter") == 0, "too few to know a quantile"
        for number in range(100_000):
            latency.observe(number % 1000 / 10)
        assert self.offered(registry, latency, 99.5) == 1
        assert self.offered(registry, latency, 20.5) < 0.03

    def test_it_is_as_it_was_made(self) -> None:
        assert Adaptive() == Adaptive(0.8, 120, None) == Adaptive(lower=0.8, window=120)
        assert Adaptive() != Adaptive("p95")
        other = Adaptive("p95", 60, 2)
        assert (other.lower, other.window, other.p99) == ("p95", 60, 2.0)
        assert repr(Adaptive()) == "Adaptive(lower=0.8, window=120, p99=None)"
        assert repr(other) == "Adaptive(lower='p95', window=60, p99=2.0)"
        with pytest.raises(AttributeError):
            other.window = 61  # type: ignore[misc]

    def test_bad_ones_are_refused(self, registry: Registry) -> None:
        expected = "adaptive window is 59: it must be from 60 to 300 seconds"
        assert refused(registry, adaptive=Adaptive(window=59)) == expected
        expected = "adaptive lower edge is 0.0: it must be above 0 and at most 1, a part of the p99"
        assert refused(registry, adaptive=Adaptive(lower=0)) == expected
        with pytest.raises(SpanpinError, match='lower "p99" is unknown; use a part of the p99'):
            Adaptive("p99")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"must be True, False or a spanpin\.Adaptive, not"):
            Histogram("latency", "Help.", adaptive=0.8, registry=registry)  # type: ignore[arg-type]

    def test_a_counter_has_no_p99(self, registry: Registry) -> None:
        assert "only a histogram has buckets" in refused(registry, Counter, adaptive=True)

    def test_false_is_as_not_given(self, registry: Registry) -> None:
        Counter("jobs", "Help.", adaptive=False, registry=registry)


class TestRing:
    @pytest.mark.parametrize("slots", [4, 19])
    def test_slots(self, registry: Registry, slots: int) -> None:
        latency = Histogram("latency", "Help.", buckets=[], slots=slots, registry=registry)
        for number in range(30):
            latency.observe(30 - number, trace=SAMPLED)
            tick(registry)
            registry.scrape("application/openmetrics-text")
        assert len(latency.exemplars()) == slots

    @pytest.mark.parametrize(("max_age", "still"), [(5, False), (30, True)])
    def test_the_age_limit(self, max_age: int, still: bool) -> None:
        registry = Registry()
        registry.set_clock(1_000_000, 1_000_000)
        latency = Histogram("latency", "Help.", max_age=max_age, registry=registry)
        latency.observe(0.5, trace=SAMPLED)
        accept = "application/openmetrics-text"
        registry.set_clock(1_001_000, 1_001_000)
        assert b"trace_id" in registry.scrape(accept)[1]
        registry.set_clock(1_011_000, 1_011_000)
        assert (b"trace_id" in registry.scrape(accept)[1]) is still
        assert len(latency.exemplars()) == 1, "history has no age limit"

    def test_other_numbers_are_refused(self, registry: Registry) -> None:
        assert refused(registry, slots=3) == "slots is 3: it must be from 4 to 19"
        assert refused(registry, slots=-1) == "slots is -1: it must be from 4 to 19"
        expected = "max_age is 86401: it must be from 1 to 86400 seconds"
        assert refused(registry, max_age=86401) == expected
        expected = "max_age is 4294967296: it must be from 1 to 86400 seconds"
        assert refused(registry, max_age=2**32) == expected


def test_unknown_words_are_refused(registry: Registry) -> None:
    expected = 'filter "on" is unknown; use "trace_based", "always_on" or "always_off"'
    assert refused(registry, filter="on") == expected
    expected = 'policy "best" is unknown; use "slowest", "uniform" or "first"'
    assert refused(registry, Counter, policy="best") == expected


def test_functions_must_be_some(registry: Registry) -> None:
    for option in ("exemplar_filter", "exemplar_labels"):
        with pytest.raises(TypeError, match=f"{option} must be a function, not <class 'int'>"):
            Histogram("latency", "Help.", registry=registry, **{option: 17})  # type: ignore[arg-type]


def test_baggage_keys_must_be_label_names(registry: Registry) -> None:
    expected = 'baggage key "user-id" cannot be a label of an exemplar: it must match'
    assert refused(registry, baggage_keys=["region", "user-id"]).startswith(expected)
    with pytest.raises(TypeError, match="for one name write baggage_keys=\\('user_id',\\)"):
        Histogram("latency", "Help.", baggage_keys="user_id", registry=registry)


class TestNumbersOutOfRange:
    """What does not fit into a machine word is told in the same words as what does."""

    @pytest.mark.parametrize("number", [-1, 3, 1 << 32, 1 << 70, -(1 << 70)])
    @pytest.mark.parametrize(
        ("option", "allowed"), [("slots", "from 4 to 19"), ("max_age", "from 1 to 86400 seconds")]
    )
    def test_of_families(self, registry: Registry, option: str, allowed: str, number: int) -> None:
        if (option, number) == ("max_age", 3):
            return
        expected = f"{option} is {number}: it must be {allowed}"
        assert refused(registry, **{option: number}) == expected

    @pytest.mark.parametrize("number", [-1, 59, 1 << 32, 1 << 64])
    def test_the_window(self, registry: Registry, number: int) -> None:
        with pytest.raises(SpanpinError) as caught:
            Histogram("h", "Help.", adaptive=Adaptive(window=number), registry=registry)
        assert (
            str(caught.value) == f"adaptive window is {number}: it must be from 60 to 300 seconds"
        )
        assert caught.value.code == "invalid_option"

    @pytest.mark.parametrize("kind", [Counter, Gauge, Histogram])
    def test_the_limit_of_series(self, registry: Registry, kind: Any) -> None:
        expected = (
            "max_series is -1: it must be from 0 to 4294967295; leave it out for 2000 label sets"
        )
        assert refused(registry, kind, max_series=-1) == expected

    @pytest.mark.parametrize("buckets", [linear_buckets, exponential_buckets])
    def test_the_number_of_bounds(self, buckets: Any) -> None:
        with pytest.raises(SpanpinError, match="count is -1: it must be from 1 to 4096"):
            buckets(1, 2, -1)

    def test_a_very_long_one_is_shortened(self, registry: Registry) -> None:
        message = refused(registry, slots=10**100)
        assert message == f"slots is 1{'0' * 39}...: it must be from 4 to 19"
        message = refused(registry, slots=1 << 100_000)
        assert message == "slots is a number of thousands of digits: it must be from 4 to 19"

    def test_what_is_no_number_is_a_type_error(self, registry: Registry) -> None:
        unchecked: Any = Histogram
        with pytest.raises(TypeError, match="'str' object cannot be interpreted as an integer"):
            unchecked("h", "Help.", slots="4", registry=registry)
