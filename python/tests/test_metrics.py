"""What each kind of metric counts, and how it is registered."""

from __future__ import annotations

import math
from typing import Any

import pytest

import spanpin
from reading import dropped, exemplars, families, text_families, value
from spanpin import Counter, Gauge, Histogram, Registry, SpanpinError


def test_a_histogram_counts_into_buckets(registry: Registry) -> None:
    histogram = Histogram("h", "Help.", buckets=[1, 2.5], registry=registry)
    for seen in (0.5, 1, 1.5, 3):
        histogram.observe(seen)
    assert value(registry, "h_bucket", {"le": "1.0"}) == 2
    assert value(registry, "h_bucket", {"le": "2.5"}) == 3
    assert value(registry, "h_bucket", {"le": "+Inf"}) == 4
    assert value(registry, "h_count") == 4
    assert value(registry, "h_sum") == 6


def test_default_buckets(registry: Registry) -> None:
    Histogram("h", "Help.", registry=registry)
    bounds = [s.labels["le"] for s in families(registry)["h"].samples if s.name == "h_bucket"]
    assert [float(bound) for bound in bounds] == [*spanpin.DEFAULT_BUCKETS, math.inf]


def test_generated_buckets(registry: Registry) -> None:
    assert spanpin.linear_buckets(1, 2, 3) == (1.0, 3.0, 5.0)
    assert spanpin.exponential_buckets(0.5, 2, 3) == (0.5, 1.0, 2.0)
    Histogram("h", "", buckets=spanpin.exponential_buckets(1, 10, 3), registry=registry)
    with pytest.raises(SpanpinError):
        spanpin.exponential_buckets(1, 1, 3)
    with pytest.raises(SpanpinError):
        spanpin.linear_buckets(1, -1, 3)


def test_a_counter_adds(registry: Registry) -> None:
    counter = Counter("jobs_total", "Help.", registry=registry)
    counter.inc()
    counter.inc(2)
    counter.inc(0.5)
    assert value(registry, "jobs_total") == 3.5


def test_a_counter_ignores_what_would_not_grow_it(registry: Registry) -> None:
    counter = Counter("jobs", "Help.", registry=registry)
    for amount in (-1, math.nan, math.inf, -math.inf):
        counter.inc(amount)
    counter.inc(0)
    assert value(registry, "jobs_total") == 0
    assert value(registry, "spanpin_invalid_increments_total") == 4


def test_a_gauge_goes_both_ways(registry: Registry) -> None:
    gauge = Gauge("depth", "Help.", registry=registry)
    gauge.set(5)
    gauge.inc()
    gauge.dec(2.5)
    assert gauge.get() == value(registry, "depth") == 3.5
    gauge.set(math.nan)
    assert math.isnan(value(registry, "depth"))
    gauge.set(-math.inf)
    assert value(registry, "depth") == -math.inf


def test_nan_and_infinities_on_a_histogram(registry: Registry) -> None:
    histogram = Histogram("h", "Help.", buckets=[1], registry=registry)
    histogram.observe(math.nan)
    assert value(registry, "h_count") == 0
    assert value(registry, "h_sum") == 0
    histogram.observe(math.inf)
    assert value(registry, "h_bucket", {"le": "1.0"}) == 0
    assert value(registry, "h_count") == 1
    assert value(registry, "h_sum") == math.inf
    histogram.observe(math.inf, trace="00-" + "ab" * 16 + "-" + "cd" * 8 + "-01")
    assert exemplars(registry, "h") == []
    assert dropped(registry, "nonfinite") == 2
    assert value(registry, "spanpin_nan_observations_total") == 1


@pytest.mark.parametrize("given", [1, True, 1.0])
def test_numbers_of_any_type_are_values(registry: Registry, given: float) -> None:
    histogram = Histogram("h", "Help.", registry=registry)
    histogram.observe(given)
    assert value(registry, "h_sum") == 1


def test_a_value_that_is_no_number_is_a_type_error(registry: Registry) -> None:
    histogram: Any = Histogram("h", "Help.", registry=registry)
    with pytest.raises(TypeError):
        histogram.observe("1")
    with pytest.raises(TypeError):
        histogram.observe()
    with pytest.raises(TypeError):
        histogram.observe(1, {"trace_id": "1"})


def test_unit_and_help(registry: Registry) -> None:
    Counter("sent_bytes_total", 'A "quoted"\nhelp \\ text.', unit="bytes", registry=registry)
    family = families(registry)["sent_bytes"]
    assert family.unit == "bytes"
    assert family.documentation == 'A "quoted"\nhelp \\ text.'
    assert text_families(registry)["sent_bytes"].type == "counter"


def register(registry: Registry, kind: str, name: str, **arguments: Any) -> object:
    kinds: dict[str, Any] = {"histogram": Histogram, "counter": Counter, "gauge": Gauge}
    return kinds[kind](name, "Help.", registry=registry, **arguments)


@pytest.mark.parametrize(
    ("code", "kind", "name", "arguments"),
    [
        ("invalid_name", "gauge", "", {}),
        ("invalid_name", "gauge", "1st", {}),
        ("invalid_name", "counter", "a-b", {}),
        ("invalid_label_name", "gauge", "g", {"labels": ["a-b"]}),
        ("invalid_label_name", "gauge", "g", {"labels": [""]}),
        ("reserved_label", "gauge", "g", {"labels": ["__name"]}),
        ("reserved_label", "histogram", "h", {"labels": ["le"]}),
        ("duplicate_label", "gauge", "g", {"labels": ["a", "b", "a"]}),
        ("invalid_bounds", "histogram", "h", {"buckets": [2, 1]}),
        ("invalid_bounds", "histogram", "h", {"buckets": [1, 1]}),
        ("invalid_bounds", "histogram", "h", {"buckets": [1, math.nan]}),
        ("invalid_unit", "gauge", "g", {"unit": "seconds"}),
        ("invalid_option", "counter", "c", {"filter": "sometimes"}),
        ("invalid_option", "histogram", "h", {"policy": "fastest"}),
    ],
)
def test_a_bad_registration_is_refused(
    registry: Registry, code: str, kind: str, name: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(SpanpinError) as caught:
        register(registry, kind, name, **arguments)
    assert caught.value.code == code
    assert isinstance(caught.value, ValueError)
    assert len(str(caught.value)) > 20
    register(registry, kind, "good")


def test_a_name_is_taken_once(registry: Registry) -> None:
    first = Counter("jobs", "Help.", registry=registry)
    first.inc()
    for kind, name, labels, code in (
        ("counter", "jobs", [], "duplicate_name"),
        ("counter", "jobs_total", [], "duplicate_name"),
        ("counter", "jobs", ["a"], "shape_mismatch"),
        ("gauge", "jobs", [], "shape_mismatch"),
        ("gauge", "jobs_total", [], "name_clash"),
        ("gauge", "spanpin_series", [], "name_clash"),
    ):
        with pytest.raises(SpanpinError) as caught:
            register(registry, kind, name, labels=labels)
        assert caught.value.code == code
    assert value(registry, "jobs_total") == 1
    Counter("jobs", "Another registry.", registry=Registry())


def test_registries_do_not_share(registry: Registry) -> None:
    other = Registry(self_metrics=False)
    Gauge("g", "Help.", registry=registry).set(1)
    Gauge("g", "Help.", registry=other).set(2)
    assert value(registry, "g") == 1
    assert value(other, "g") == 2
    assert list(families(other)) == ["g"]
    assert any(name.startswith("spanpin_") for name in families(registry))


def test_the_default_registry_is_used_unless_told_otherwise() -> None:
    assert spanpin.default_registry() is spanpin.default_registry()
    Counter("in_default", "Help.").inc()
    assert b"in_default_total 1" in spanpin.scrape()[1]
    assert value(spanpin.default_registry(), "in_default_total") == 1


def test_a_metric_outlives_its_objects(registry: Registry) -> None:
    Counter("jobs", "Help.", ["a"], registry=registry).labels("x").inc()
    assert value(registry, "jobs_total", {"a": "x"}) == 1


def test_a_series_outlives_its_registry_object() -> None:
    series = Histogram("h", "Help.", ["a"], registry=Registry()).labels("x")
    for _ in range(1000):
        series.observe(0.2)


def test_descriptions(registry: Registry) -> None:
    histogram = Histogram("h", "Help.", ("a", "b"), registry=registry)
    assert histogram.name == "h"
    assert histogram.label_names == ("a", "b")
    assert repr(histogram) == "<spanpin.Histogram h (a, b)>"
    assert SpanpinError.__module__ == "spanpin"


@pytest.mark.parametrize(
    "made",
    [spanpin.HistogramSeries, spanpin.CounterSeries, spanpin.GaugeSeries, spanpin.ScrapeResult],
)
def test_what_only_spanpin_makes(made: Any) -> None:
    with pytest.raises(TypeError):
        made()


def test_objects_cannot_be_changed(registry: Registry) -> None:
    histogram: Any = Histogram("h", "Help.", registry=registry)
    with pytest.raises(AttributeError):
        histogram.name = "other"
    with pytest.raises(AttributeError):
        histogram.observe = None
