"""The exemplars that series hold, and the JSON of all of them."""

from __future__ import annotations

import json

import pytest

from spanpin import Counter, Histogram, Registry, SpanpinError

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID = "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE_ID}-{SPAN_ID}-01"


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    registry.set_clock(1_700_000_000_250, 1_000_000)
    return registry


@pytest.fixture
def latency(registry: Registry) -> Histogram:
    return Histogram("latency", "Help.", ["route"], buckets=[0.25, 1], registry=registry)


def test_newest_first(latency: Histogram, registry: Registry) -> None:
    series = latency.labels("/")
    assert series.exemplars() == []
    series.observe(0.5, trace=SAMPLED, extra={"request": "r-1"})
    registry.set_clock(1_700_000_001_500, 1_001_250)
    series.observe(2, exemplar={"job": "17"})
    newest, oldest = series.exemplars()
    assert (newest.value, newest.timestamp, newest.labels) == (2.0, 1_700_000_001.5, {"job": "17"})
    assert (newest.trace_id, newest.span_id) == (None, None)
    assert (oldest.value, oldest.timestamp) == (0.5, 1_700_000_000.25)
    assert (oldest.trace_id, oldest.span_id) == (TRACE_ID, SPAN_ID)
    assert oldest.labels == {"request": "r-1"}
    assert series.exemplars() == [newest, oldest]
    assert newest != oldest
    assert repr(oldest) == (
        f"Exemplar(value=0.5, timestamp=1700000000.25, trace_id='{TRACE_ID}', "
        f"span_id='{SPAN_ID}', labels={{'request': 'r-1'}})"
    )
    oldest.labels.clear()
    assert oldest.labels == {"request": "r-1"}
    with pytest.raises(AttributeError):
        oldest.value = 1.0  # type: ignore[misc]


def test_reading_takes_nothing_from_a_scraper(latency: Histogram, registry: Registry) -> None:
    latency.labels("/").observe(0.5, trace=SAMPLED)
    assert len(latency.labels("/").exemplars()) == 1
    registry.exemplars_json()
    registry.set_clock(1_700_000_001_250, 1_001_000)
    assert TRACE_ID.encode() in registry.scrape("application/openmetrics-text")[1]


def test_a_family_with_labels_holds_none_of_its_own(latency: Histogram) -> None:
    with pytest.raises(SpanpinError, match="this family has labels"):
        latency.exemplars()


def test_the_document(latency: Histogram, registry: Registry) -> None:
    empty = {"status": "success", "data": []}
    assert json.loads(registry.exemplars_json()) == empty
    latency.labels('/"a"').observe(0.5, trace=SAMPLED, extra={"request": "r-1"})
    Counter("jobs_total", "Help.", registry=registry).inc(3, exemplar={"job": "17"})
    document = registry.exemplars_json()
    assert isinstance(document, bytes)
    assert json.loads(document) == {
        "status": "success",
        "data": [
            {
                "seriesLabels": {"__name__": "latency_bucket", "route": '/"a"', "le": "1.0"},
                "exemplars": [
                    {
                        "labels": {"trace_id": TRACE_ID, "span_id": SPAN_ID, "request": "r-1"},
                        "value": "0.5",
                        "timestamp": 1_700_000_000.25,
                    }
                ],
            },
            {
                "seriesLabels": {"__name__": "jobs_total"},
                "exemplars": [
                    {"labels": {"job": "17"}, "value": "3.0", "timestamp": 1_700_000_000.25}
                ],
            },
        ],
    }
