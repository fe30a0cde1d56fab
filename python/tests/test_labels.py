"""`labels()`: which series it finds, and what it refuses."""

from __future__ import annotations

import enum
import gc
import sys
from collections.abc import Callable
from typing import Any

import pytest

from reading import families, value
from spanpin import Counter, Gauge, Histogram, Registry, SpanpinError


@pytest.fixture
def requests(registry: Registry) -> Counter:
    return Counter("requests", "Help.", ["method", "code"], registry=registry)


def test_in_order_and_by_name_are_the_same_series(requests: Counter, registry: Registry) -> None:
    series = requests.labels("GET", "200")
    assert requests.labels(method="GET", code="200") is series
    assert requests.labels(code="200", method="GET") is series
    requests.labels("GET", "200").inc()
    requests.labels(code="200", method="GET").inc()
    assert value(registry, "requests_total", {"method": "GET", "code": "200"}) == 2


def test_equal_text_in_different_objects_is_the_same_series(requests: Counter) -> None:
    series = requests.labels("GET", "200")
    copies = ["".join(part) for part in (["G", "ET"], ["20", "0"])]
    assert copies[0] is not sys.intern("GET")
    assert requests.labels(*copies) is series
    names = {"".join(["me", "thod"]): "GET", "".join(["co", "de"]): "200"}
    assert requests.labels(**names) is series


def test_order_matters(requests: Counter) -> None:
    assert requests.labels("a", "b") is not requests.labels("b", "a")
    assert requests.labels("a", "b") is not requests.labels("a", "c")


def test_other_types_are_converted(requests: Counter) -> None:
    class Code(str, enum.Enum):
        OK = "200"

        def __str__(self) -> str:
            return "ok"

    assert requests.labels("GET", 200) is requests.labels("GET", "200")
    assert requests.labels(method="GET", code=200) is requests.labels("GET", "200")
    assert requests.labels(None, 1.5) is requests.labels("None", "1.5")
    assert requests.labels("GET", Code.OK) is requests.labels("GET", "ok")


def test_an_error_in_str_reaches_the_caller(requests: Counter) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    with pytest.raises(RuntimeError, match="no text"):
        requests.labels("GET", Broken())


@pytest.mark.parametrize(
    ("values", "by_name"),
    [
        ((), {}),
        (("GET",), {}),
        (("GET", "200", "x"), {}),
        ((), {"method": "GET"}),
        ((), {"method": "GET", "other": "200"}),
        ((), {"method": "GET", "code": "200", "other": "x"}),
    ],
)
def test_a_wrong_number_of_values(
    requests: Counter, values: tuple[str, ...], by_name: dict[str, str]
) -> None:
    with pytest.raises(SpanpinError) as caught:
        requests.labels(*values, **by_name)
    assert caught.value.code == "label_count"
    with pytest.raises(SpanpinError):
        requests.labels(*values, **by_name)


def test_order_and_names_do_not_mix(requests: Counter) -> None:
    with pytest.raises(TypeError):
        requests.labels("GET", code="200")


def test_a_string_is_not_a_list_of_label_names(registry: Registry) -> None:
    with pytest.raises(TypeError, match=r"labels=\('method',\)"):
        Counter("c", "Help.", "method", registry=registry)


def test_a_family_with_labels_has_no_value_of_its_own(registry: Registry) -> None:
    calls: list[Callable[[], object]] = [
        lambda: Counter("c", "Help.", ["a"], registry=registry).inc(),
        lambda: Histogram("h", "Help.", ["a"], registry=registry).observe(1),
        lambda: Gauge("g", "Help.", ["a"], registry=registry).set(1),
        lambda: Gauge("k", "Help.", ["a"], registry=registry).get(),
    ]
    for call in calls:
        with pytest.raises(SpanpinError) as caught:
            call()
        assert caught.value.code == "label_count"


def test_a_family_without_labels(registry: Registry) -> None:
    counter = Counter("c", "Help.", registry=registry)
    assert counter.labels() is counter.labels()
    counter.labels().inc()
    counter.inc()
    assert value(registry, "c_total") == 2
    with pytest.raises(SpanpinError):
        counter.labels("x")


def test_every_text_is_a_label_value(registry: Registry) -> None:
    gauge = Gauge("g", "Help.", ["a"], registry=registry)
    texts = ["", " ", 'quote " back \\ line\nend', "ünïcödé", "\N{PILE OF POO}", "\x00", "x" * 5000]
    for number, text in enumerate(texts):
        gauge.labels(text).set(number)
    # An empty value is the same as no label.
    assert value(registry, "g") == 0
    for number, text in list(enumerate(texts))[1:]:
        assert value(registry, "g", {"a": text}) == number


def test_lone_surrogates_become_replacement_characters(registry: Registry) -> None:
    gauge = Gauge("g", "Help.", ["a"], registry=registry)
    gauge.labels("a\ud800b\udfff\N{PILE OF POO}").set(1)
    assert value(registry, "g", {"a": "a\ufffdb\ufffd\N{PILE OF POO}"}) == 1


def test_many_series_are_found_again(registry: Registry) -> None:
    gauge = Gauge("g", "Help.", ["a", "b"], max_series=5000, registry=registry)
    series = {(a, b): gauge.labels(str(a), str(b)) for a in range(60) for b in range(60)}
    for (a, b), one in series.items():
        one.set(a * 100 + b)
    assert len({id(one) for one in series.values()}) == 3600
    for (a, b), one in series.items():
        assert gauge.labels(b=str(b), a=str(a)) is one
    assert sum(s.value for s in families(registry)["g"].samples) == sum(
        a * 100 + b for a, b in series
    )


def test_many_labels(registry: Registry) -> None:
    names = [f"l{number}" for number in range(40)]
    gauge = Gauge("g", "Help.", names, registry=registry)
    values = {name: name.upper() for name in names}
    series = gauge.labels(**values)
    assert gauge.labels(*values.values()) is series
    assert gauge.labels(**dict(reversed(values.items()))) is series
    series.set(1)
    assert value(registry, "g", values) == 1


def test_past_the_limit_values_share_one_series(registry: Registry) -> None:
    counter = Counter("c", "Help.", ["a"], max_series=3, registry=registry)
    for number in range(10):
        counter.labels(str(number)).inc()
        counter.labels(str(number)).inc()
    assert value(registry, "c_total", {"a": "0"}) == 2
    assert value(registry, "c_total", {"a": "spanpin_overflow"}) == 14


def test_the_method_needs_its_own_kind_of_object(requests: Counter) -> None:
    call: Any = Histogram.labels
    with pytest.raises(TypeError):
        call(requests, "GET", "200")
    with pytest.raises(TypeError):
        call()


def test_label_values_are_released_with_the_family() -> None:
    text = "".join(["value of ", "a label"])
    before = sys.getrefcount(text)
    gauge = Gauge("g", "Help.", ["a"], registry=Registry())
    series = gauge.labels(text)
    assert gauge.labels(text) is series
    del gauge, series
    gc.collect()
    assert sys.getrefcount(text) == before
