"""`remove()` and `clear()`: series that come and go."""

from __future__ import annotations

import sys
import threading

import pytest

from reading import OPENMETRICS, value
from spanpin import Counter, Gauge, Histogram, Registry, SpanpinError

SPAN = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
OVERFLOW = {"l": "spanpin_overflow"}


def page(registry: Registry) -> str:
    return registry.scrape(OPENMETRICS)[1].decode()


def test_removed_series_are_gone(registry: Registry) -> None:
    counter = Counter("c", "Help.", ["l"], registry=registry)
    gauge = Gauge("g", "Help.", ["l"], registry=registry)
    histogram = Histogram("h", "Help.", ["l"], buckets=[1], registry=registry)
    kept = counter.labels("a"), gauge.labels("a"), histogram.labels("a")
    kept[0].inc()
    kept[1].set(3)
    kept[2].observe(0.5, trace=SPAN)
    assert counter.remove("a")
    assert gauge.remove(l="a")
    assert histogram.remove("a")
    assert not counter.remove("a")
    assert not counter.remove("never")
    assert 'l="a"' not in page(registry)
    kept[0].inc(2.5)
    kept[1].inc(4)
    kept[2].observe(0.5, trace=SPAN)
    kept[2].observe(0.5, exemplar={"x": "y"})
    assert kept[2].exemplars() == []
    assert value(registry, "c_total", OVERFLOW) == 2.5
    assert value(registry, "g", OVERFLOW) == 4
    assert value(registry, "h_count", OVERFLOW) == 2
    assert "trace_id" not in page(registry)


def test_the_same_values_begin_anew(registry: Registry) -> None:
    counter = Counter("c", "Help.", ["l"], registry=registry)
    old = counter.labels("a")
    old.inc(5)
    counter.clear()
    fresh = counter.labels("a")
    assert fresh is not old
    assert counter.labels("a") is fresh
    assert counter.labels(l="a") is fresh
    fresh.inc()
    old.inc()
    assert value(registry, "c_total", {"l": "a"}) == 1


def test_what_is_refused(registry: Registry) -> None:
    counter = Counter("c", "Help.", ["l"], registry=registry)
    for wrong in ((), ("a", "b")):
        with pytest.raises(SpanpinError):
            counter.remove(*wrong)
    with pytest.raises(TypeError):
        counter.remove("a", l="a")
    alone = Counter("alone", "Help.", registry=registry)
    alone.inc()
    assert not alone.remove()
    alone.clear()
    assert value(registry, "alone_total") == 1


def test_the_cache_lets_removed_series_go(registry: Registry) -> None:
    counter = Counter("c", "Help.", ["l"], max_series=1000, registry=registry)
    texts = ["".join(["number ", str(turn)]) for turn in range(20_000)]
    for turn, text in enumerate(texts):
        counter.labels(text).inc()
        if turn >= 50:
            assert counter.remove(texts[turn - 50])
    counts = [sys.getrefcount(text) for text in texts]
    # Most are not held by the cache any more.
    held = sum(count > min(counts) for count in counts)
    assert 50 <= held < 1000
    assert page(registry).count("} 1\n") == 50


def test_threads_that_create_and_remove(registry: Registry) -> None:
    counter = Counter("c", "Help.", ["l"], max_series=1000, registry=registry)

    def work(number: int) -> None:
        for turn in range(3000):
            own = f"{number} {turn}"
            counter.labels(own).inc()
            counter.labels(own).inc()
            counter.labels(f"shared {turn % 5}").inc()
            if turn % 3 == number % 3:
                counter.remove(f"shared {turn % 5}")
            if turn >= 20:
                assert counter.remove(f"{number} {turn - 20}")

    failed: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    shown = page(registry)
    for number in range(4):
        for turn in range(2980, 3000):
            assert f'c_total{{l="{number} {turn}"}} 2\n' in shown
