"""What is told of slow requests: the line in the log, and the function."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from opentelemetry.trace import Tracer, format_trace_id

from reading import tick, value
from spanpin import Counter, Histogram, Registry, SlowRequest, SpanpinError

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID = "00f067aa0ba902b7"
UNSAMPLED = f"00-{TRACE_ID}-{SPAN_ID}-00"


def told(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The fields of the lines so far, without the prefix of their names."""
    lines = []
    for record in caplog.records:
        assert (record.name, record.levelname) == ("spanpin.slow_request", "WARNING")
        assert record.getMessage() == "slow request"
        fields = {
            name: field for name, field in vars(record).items() if name.startswith("spanpin_")
        }
        lines.append({name.removeprefix("spanpin_"): field for name, field in fields.items()})
    caplog.clear()
    return lines


def test_the_line_and_the_function(registry: Registry, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[SlowRequest] = []
    latency = Histogram(
        "latency_seconds",
        "Help.",
        ["route"],
        slow_request_threshold=0.5,
        on_slow_request=heard.append,
        trace_url="http://traces/{trace_id}?span={span_id}",
        registry=registry,
    )
    latency.labels("/orders").observe(0.5, trace=UNSAMPLED)
    assert (heard, told(caplog)) == ([], []), "the threshold itself is not above it"
    latency.labels("/orders").observe(2, trace=UNSAMPLED)
    url = f"http://traces/{TRACE_ID}?span={SPAN_ID}"
    assert told(caplog) == [
        {
            "metric": "latency_seconds",
            "labels": {"route": "/orders"},
            "value": 2.0,
            "threshold": 0.5,
            "trace_id": TRACE_ID,
            "span_id": SPAN_ID,
            "sampled": False,
            "trace_url": url,
        }
    ]
    [request] = heard
    assert (request.metric, request.labels) == ("latency_seconds", {"route": "/orders"})
    assert (request.value, request.threshold) == (2.0, 0.5)
    assert (request.trace_id, request.span_id, request.sampled) == (TRACE_ID, SPAN_ID, False)
    assert request.trace_url == url
    assert repr(request) == (
        "SlowRequest(metric='latency_seconds', labels={'route': '/orders'}, value=2.0, "
        f"threshold=0.5, trace_id='{TRACE_ID}', span_id='{SPAN_ID}', sampled=False, "
        f"trace_url='{url}')"
    )
    request.labels["route"] = "changed"
    assert request.labels == {"route": "/orders"}
    with pytest.raises(AttributeError):
        request.value = 1.0  # type: ignore[misc]
    assert value(registry, "spanpin_slow_requests_total") == 1


def test_once_in_each_window_and_series(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    latency = Histogram("latency", "Help.", ["a"], slow_request_threshold=1, registry=registry)
    for _ in range(3):
        latency.labels("x").observe(2)
        latency.labels("y").observe(2)
    assert [line["labels"]["a"] for line in told(caplog)] == ["x", "y"]
    tick(registry)
    registry.scrape("application/openmetrics-text")
    latency.labels("x").observe(1.5)
    assert [line["value"] for line in told(caplog)] == [1.5]


def test_without_a_span(registry: Registry, caplog: pytest.LogCaptureFixture) -> None:
    latency = Histogram(
        "latency",
        "Help.",
        slow_request_threshold=1,
        trace_url="http://traces/{trace_id}",
        filter="always_off",
        registry=registry,
    )
    latency.observe(2)
    [line] = told(caplog)
    assert (line["trace_id"], line["span_id"], line["sampled"]) == (None, None, False)
    assert line["trace_url"] == ""


def test_the_active_span(
    registry: Registry, caplog: pytest.LogCaptureFixture, tracer: Tracer
) -> None:
    received = Counter(
        "received_bytes_total", "Help.", slow_request_threshold=1e6, registry=registry
    )
    with tracer.start_as_current_span("request") as span:
        received.inc(2e6)
    [line] = told(caplog)
    assert line["metric"] == "received_bytes"
    assert line["trace_id"] == format_trace_id(span.get_span_context().trace_id)
    assert line["sampled"] is True
    assert len(received.exemplars()) == 1


@pytest.mark.parametrize("given", [{"job": "17"}, {}], ids=["one", "none"])
def test_an_explicit_exemplar(
    registry: Registry, caplog: pytest.LogCaptureFixture, given: dict[str, str]
) -> None:
    latency = Histogram("latency", "Help.", slow_request_threshold=1, registry=registry)
    latency.observe(2, exemplar=given)
    assert [line["value"] for line in told(caplog)] == [2.0]
    assert len(latency.exemplars()) == len(given)


def test_the_address_of_the_registry(caplog: pytest.LogCaptureFixture) -> None:
    registry = Registry(trace_url="http://registry/{trace_id}")
    for name, own, expected in [
        ("a", None, f"http://registry/{TRACE_ID}"),
        ("b", "http://own/{trace_id}", f"http://own/{TRACE_ID}"),
    ]:
        latency = Histogram(
            name, "Help.", slow_request_threshold=1, trace_url=own, registry=registry
        )
        latency.observe(2, trace=UNSAMPLED)
        assert [line["trace_url"] for line in told(caplog)] == [expected]


def test_the_line_is_written_if_the_function_raises(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: SlowRequest) -> None:
        raise RuntimeError("broken")

    latency = Histogram(
        "latency", "Help.", slow_request_threshold=1, on_slow_request=fail, registry=registry
    )
    latency.observe(2)
    assert len(told(caplog)) == 1
    assert value(registry, "spanpin_callback_errors_total") == 1
    assert value(registry, "latency_count") == 1


def test_a_log_that_fails_is_survived(registry: Registry) -> None:
    class Broken(logging.Handler):
        def handle(self, *_: object) -> bool:
            raise RuntimeError("the disk is full")

    heard: list[SlowRequest] = []
    latency = Histogram(
        "latency",
        "Help.",
        slow_request_threshold=1,
        on_slow_request=heard.append,
        registry=registry,
    )
    logger, handler = logging.getLogger("spanpin.slow_request"), Broken()
    logger.addHandler(handler)
    try:
        latency.observe(2)
    finally:
        logger.removeHandler(handler)
    assert len(heard) == 1
    assert value(registry, "spanpin_callback_errors_total") == 1


def test_the_line_names_the_place_that_recorded(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    latency = Histogram("latency", "Help.", slow_request_threshold=1, registry=registry)
    latency.observe(2)
    assert caplog.records[0].pathname == __file__


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slow_request_threshold": float("nan")}, "slow_request_threshold is NaN"),
        ({"on_slow_request": print}, "on_slow_request is given without slow_request_threshold"),
        ({"trace_url": "http://t/{trace_id}"}, "trace_url is given without slow_request_threshold"),
        (
            {"slow_request_threshold": 1, "trace_url": "http://t/{id}"},
            "has a place that is neither {trace_id} nor {span_id}",
        ),
    ],
)
def test_bad_options_are_refused(registry: Registry, options: Any, message: str) -> None:
    with pytest.raises(SpanpinError) as caught:
        Histogram("latency", "Help.", registry=registry, **options)
    assert caught.value.code == "invalid_option"
    assert message in str(caught.value)
