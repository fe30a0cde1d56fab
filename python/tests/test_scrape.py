"""Formats, compression, and what they cost the rest of the program."""

from __future__ import annotations

import gzip
import sys
import threading
from typing import Any

import pytest

import spanpin
from reading import OPENMETRICS, exemplar, families, text_families, tick
from spanpin import Counter, Gauge, Histogram, Registry, SpanpinError

# What Prometheus 3 sends.
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "text/plain; version=0.0.4"),
        ("*/*", "text/plain; version=0.0.4"),
        ("text/plain", "text/plain; version=0.0.4"),
        ("nonsense", "text/plain; version=0.0.4"),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0"),
        (PROMETHEUS, "application/openmetrics-text; version=1.0.0"),
    ],
)
def test_the_accept_header_decides(registry: Registry, accept: str, expected: str) -> None:
    content_type, body = registry.scrape(accept)
    assert content_type.startswith(expected)
    assert body.endswith(b"# EOF\n") == ("openmetrics" in expected)


def test_gzip_when_asked(registry: Registry) -> None:
    for number in range(50):
        Gauge(f"gauge_{number}", "Help.", registry=registry)
    result = registry.scrape_request(accept=OPENMETRICS, accept_encoding="gzip, deflate")
    assert result.content_encoding == "gzip"
    assert b"gauge_49 0.0\n" in gzip.decompress(result.body)
    plain = registry.scrape_request(accept=OPENMETRICS, accept_encoding="gzip;q=0")
    assert plain.content_encoding == ""
    assert len(plain.body) > len(result.body)
    assert gzip.decompress(registry.scrape("", "gzip")[1]).startswith(b"# HELP gauge_0 Help.")


def test_the_result_of_a_request(registry: Registry) -> None:
    Gauge("g", "Help.", registry=registry).set(1)
    result = registry.scrape_request()
    assert result.content_type.startswith("text/plain")
    assert result.content_encoding == ""
    assert b"g 1.0\n" in result.body


def test_a_scraper_that_no_longer_waits(registry: Registry) -> None:
    gauge = Gauge("g", "Help.", ["a"], max_series=50000, registry=registry)
    for number in range(50000):
        gauge.labels(str(number)).set(number)
    with pytest.raises(SpanpinError) as caught:
        registry.scrape_request(scrape_timeout="0.001")
    assert caught.value.code == "deadline"
    for patient in ("10", " 1e30 ", "-1", "nan", "soon", ""):
        assert registry.scrape_request(scrape_timeout=patient).body


def test_both_formats_parse_strictly(registry: Registry) -> None:
    histogram = Histogram("h", "Help.", ["a"], registry=registry)
    counter = Counter("c_total", "Help.", ["a"], registry=registry)
    gauge = Gauge("g", "Help.", ["a"], registry=registry)
    for text in ("x", 'with "quotes"', "ünïcödé\n"):
        histogram.labels(text).observe(0.3, exemplar={"trace_id": "ab" * 16, "note": text})
        counter.labels(text).inc(1.5, exemplar={"note": text})
        gauge.labels(text).set(-0.1)
    openmetrics = families(registry)
    assert {name: openmetrics[name].type for name in ("h", "c", "g")} == {
        "h": "histogram",
        "c": "counter",
        "g": "gauge",
    }
    older = text_families(registry)
    assert len(older["h"].samples) == len(openmetrics["h"].samples) == 3 * 14
    shown = [one for one in openmetrics["h"].samples if one.exemplar]
    assert len(shown) == 3


def test_options() -> None:
    registry = Registry(
        self_metrics=False,
        reserve_bytes=1 << 20,
        exemplar_bytes=1 << 16,
        scraper_identity="none",
        trace_id_label="traceID",
        span_id_label="spanID",
    )
    tick(registry)
    Counter("c", "Help.", registry=registry).inc(trace="00-" + "ab" * 16 + "-" + "cd" * 8 + "-01")
    assert exemplar(registry, "c").labels == {"traceID": "ab" * 16, "spanID": "cd" * 8}


@pytest.mark.parametrize(
    "options",
    [
        {"trace_id_label": "trace-id"},
        {"trace_id_label": "span_id"},
        {"span_id_label": ""},
        {"scraper_identity": "header"},
    ],
    ids=str,
)
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(SpanpinError) as caught:
        Registry(**options)
    assert caught.value.code == "invalid_option"


@pytest.mark.parametrize(
    ("option", "number", "range_"),
    [
        ("reserve_bytes", -1, "from 0 to 18446744073709551615 bytes; leave it out for the default"),
        ("exemplar_bytes", 1 << 64, "from 0 to 18446744073709551615 bytes; leave it out"),
        ("segment_mode", 1 << 32, "permission bits such as 0o600 or 0o640"),
    ],
)
def test_numbers_out_of_range_are_told(option: str, number: int, range_: str) -> None:
    options: Any = {option: number}
    with pytest.raises(SpanpinError) as caught:
        Registry(**options)
    assert caught.value.code == "invalid_option"
    assert str(caught.value).startswith(f"{option} is {number}: it must be {range_}")


def test_the_greatest_sizes_are_taken() -> None:
    assert Registry(exemplar_bytes=(1 << 64) - 1).segment_path is None


def test_a_clock_has_no_negative_time() -> None:
    with pytest.raises(SpanpinError, match="mono_ms is -1: it must be from 0 to 1844674407370955"):
        Registry().set_clock(0, -1)


def test_threads_lose_nothing() -> None:
    registry = Registry()
    histogram = Histogram("h", "Help.", ["thread"], buckets=[1], registry=registry)
    counter = Counter("c", "Help.", registry=registry)
    threads, rounds = 4, 5000
    start = threading.Barrier(threads + 1)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            start.wait()
            for turn in range(rounds):
                histogram.labels(str(number)).observe(turn % 2 + 0.5)
                histogram.labels(thread="shared").observe(0.5, trace="00-" + "ab" * 16)
                counter.inc(exemplar={"turn": str(turn)})
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    start.wait()
    seen = 0.0
    for _ in range(30):
        now = next(s.value for s in families(registry)["c"].samples)
        assert now >= seen
        seen = now
    for worker in workers:
        worker.join()
    assert failures == []
    parsed = families(registry)
    assert parsed["c"].samples[0].value == threads * rounds
    counts = {s.labels["thread"]: s.value for s in parsed["h"].samples if s.name == "h_count"}
    assert counts.pop("shared") == threads * rounds
    assert set(counts.values()) == {rounds}


def test_series_created_by_many_threads_at_once_are_the_same() -> None:
    counter = Counter("c", "Help.", ["a"], registry=Registry())
    start = threading.Barrier(8)
    seen: list[list[spanpin.CounterSeries]] = []

    def work() -> None:
        start.wait()
        seen.append([counter.labels(str(number)) for number in range(500)])

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(seen) == 8
    for series in zip(*seen, strict=True):
        assert len({id(one) for one in series}) == 1


def test_rendering_lets_other_threads_run() -> None:
    registry = Registry()
    gauge = Gauge("g", "Help.", ["a"], max_series=20000, registry=registry)
    for number in range(20000):
        gauge.labels(str(number)).set(number)
    waiting, ran = threading.Event(), threading.Event()

    def work() -> None:
        waiting.wait()
        ran.set()

    thread = threading.Thread(target=work)
    thread.start()
    interval = sys.getswitchinterval()
    # The interpreter itself takes turns only after this many seconds, so a thread runs
    # only when another one lets it.
    sys.setswitchinterval(100)
    try:
        waiting.set()
        for _ in range(200):
            registry.scrape(OPENMETRICS)
            if ran.is_set():
                break
        assert ran.is_set()
    finally:
        sys.setswitchinterval(interval)
        thread.join()
