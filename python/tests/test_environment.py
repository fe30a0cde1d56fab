"""The options of registries, and their defaults from the environment."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from typing import ClassVar

import pytest

import spanpin
from reading import exemplar, tick
from spanpin import Counter, Histogram, Registry, SpanpinError

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID = "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE_ID}-{SPAN_ID}-01"
UNSAMPLED = f"00-{TRACE_ID}-{SPAN_ID}-00"


def labels_of(registry: Registry) -> dict[str, str]:
    """The labels of the exemplar of a span, as they are written."""
    Counter("probe", "Help.", filter="trace_based", registry=registry).inc(trace=SAMPLED)
    [series] = json.loads(registry.exemplars_json())["data"]
    labels: dict[str, str] = series["exemplars"][0]["labels"]
    return labels


class TestKeepNames:
    GIVEN: ClassVar = {"traceID": TRACE_ID.upper(), "job": "17"}

    def test_ids_are_renamed_without(self, registry: Registry) -> None:
        Counter("jobs", "Help.", registry=registry).inc(exemplar=self.GIVEN)
        assert exemplar(registry, "jobs").labels == {"trace_id": TRACE_ID, "job": "17"}

    def test_names_stay_with_it(self) -> None:
        registry = Registry(keep_names=True)
        tick(registry)
        Counter("jobs", "Help.", registry=registry).inc(exemplar=self.GIVEN)
        assert exemplar(registry, "jobs").labels == {"traceID": TRACE_ID, "job": "17"}

    def test_code_switches_off_what_the_environment_switches_on(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SPANPIN_EXEMPLAR_KEEP_NAMES", "true")
        for registry, name in [(Registry(), "traceID"), (Registry(keep_names=False), "trace_id")]:
            tick(registry)
            Counter("jobs", "Help.", registry=registry).inc(exemplar=self.GIVEN)
            assert exemplar(registry, "jobs").labels == {name: TRACE_ID, "job": "17"}

    @pytest.mark.parametrize(
        ("name", "given", "trace_id"),
        [
            ("X-B3-TraceId", "463ac35c9f6413ad", "0000000000000000463ac35c9f6413ad"),
            ("dd.trace_id", "5060571933882717101", "0000000000000000463ac35c9f6413ad"),
            ("TraceId", TRACE_ID.upper(), TRACE_ID),
        ],
    )
    def test_spellings(self, registry: Registry, name: str, given: str, trace_id: str) -> None:
        Counter("jobs", "Help.", registry=registry).inc(exemplar={name: given})
        assert exemplar(registry, "jobs").labels == {"trace_id": trace_id}


class TestIdentity:
    @pytest.mark.parametrize(("identity", "same"), [("given", True), ("address", False)])
    def test_given_leaves_the_address_out(self, identity: str, same: bool) -> None:
        registry = Registry(scraper_identity=identity)  # type: ignore[arg-type]
        latency = Histogram("latency", "Help.", buckets=[10], registry=registry)
        now = 0

        def shown(user_agent: str, peer: str) -> str:
            nonlocal now
            now += 5_000
            registry.set_clock(1_700_000_000_000 + now, 1_000_000 + now)
            result = registry.scrape_request(
                accept="application/openmetrics-text", user_agent=user_agent, peer=peer
            )
            return result.body.decode()

        registry.set_clock(1_700_000_000_000, 1_000_000)
        for number in range(7):
            latency.observe(7 if number == 6 else 5, trace=SAMPLED)
            shown("another", "10.0.0.9")
            latency.observe(0.1, trace=SAMPLED)
            body = shown("prometheus", f"10.0.0.{1 + number % 2}")
        # A scraper that keeps its beat sees the best since its own last scrape.
        assert ("} 7.0 " in body) is same

    def test_another_word_is_refused(self) -> None:
        with pytest.raises(SpanpinError, match='use "address", "given" or "none"'):
            Registry(scraper_identity="peer")  # type: ignore[arg-type]


class TestVariables:
    def test_rules_of_families_that_do_not_say(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OTEL_METRICS_EXEMPLAR_FILTER", "always_on")
        monkeypatch.setenv("SPANPIN_EXEMPLAR_POLICY", "first")
        registry = Registry()
        latency = Histogram("latency", "Help.", buckets=[], registry=registry)
        own = Histogram("own", "Help.", filter="trace_based", registry=registry)
        for seconds in (1, 2):
            latency.observe(seconds, trace=UNSAMPLED)
            own.observe(seconds, trace=UNSAMPLED)
        assert [one.value for one in latency.exemplars()] == [1]
        assert own.exemplars() == []

    def test_numbers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SPANPIN_EXEMPLAR_MINIMUM_VALUE", "0.5")
        latency = Histogram("latency", "Help.", registry=Registry())
        latency.observe(0.4, trace=SAMPLED)
        assert latency.exemplars() == []
        latency.observe(0.5, trace=SAMPLED)
        assert len(latency.exemplars()) == 1

    def test_explicit_options_win(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SPANPIN_TRACE_ID_LABEL", "traceID")
        monkeypatch.setenv("SPANPIN_SPAN_ID_LABEL", "spanID")
        assert labels_of(Registry()) == {"traceID": TRACE_ID, "spanID": SPAN_ID}
        explicit = Registry(trace_id_label="trace")
        assert labels_of(explicit) == {"trace": TRACE_ID, "spanID": SPAN_ID}

    def test_a_bad_one_is_warned_of_once(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("SPANPIN_EXEMPLAR_SLOTS", "three")
        monkeypatch.setenv("SPANPIN_TRACE_ID_LABEL", "traceID")
        for _ in range(2):
            assert labels_of(Registry()) == {"traceID": TRACE_ID, "span_id": SPAN_ID}
        expected = (
            'environment variable SPANPIN_EXEMPLAR_SLOTS is "three": it must be a whole number'
        )
        assert caplog.record_tuples == [("spanpin", logging.WARNING, expected)]

    def test_a_log_that_fails_is_survived(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Broken(logging.Handler):
            def handle(self, *_: object) -> bool:
                raise RuntimeError("the disk is full")

        monkeypatch.setenv("SPANPIN_EXEMPLAR_SLOTS", "four")
        logger, handler = logging.getLogger("spanpin"), Broken()
        logger.addHandler(handler)
        try:
            Registry()
        finally:
            logger.removeHandler(handler)

    def test_the_default_registry(self) -> None:
        """Also when a handler of the log asks for it while it is made."""
        program = """
import logging, spanpin

class Counting(logging.Handler):
    def emit(self, record):
        print(record.getMessage())
        spanpin.Counter("warnings", "Help.").inc(trace="%s")

logging.getLogger("spanpin").addHandler(Counting())
spanpin.Counter("jobs", "Help.")
print(spanpin.default_registry().exemplars_json().decode(), end="")
"""
        environment = {
            "SPANPIN_TRACE_ID_LABEL": "traceID",
            "SPANPIN_MARK_SPANS": "perhaps",
            "OTEL_METRICS_EXEMPLAR_FILTER": "always_on",
        }
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-c", program % UNSAMPLED],
            env={**os.environ, **environment},
            capture_output=True,
            check=True,
            text=True,
            timeout=60,
        )
        warning, document = ended.stdout.splitlines()
        assert warning == (
            'environment variable SPANPIN_MARK_SPANS is "perhaps": it must be true or false'
        )
        [series] = json.loads(document)["data"]
        assert series["exemplars"][0]["labels"] == {"traceID": TRACE_ID, "span_id": SPAN_ID}

    def test_nothing_set_is_the_built_in_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SPANPIN_TRACE_ID_LABEL", "")
        assert labels_of(spanpin.Registry()) == {"trace_id": TRACE_ID, "span_id": SPAN_ID}
