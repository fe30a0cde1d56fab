"""Reads what a registry writes, by prometheus_client's strict parsers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from prometheus_client.core import Exemplar, Metric, Sample
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

import spanpin

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


# Registries of the tests stand still at this moment, and a second passes with each scrape.
_seconds = itertools.count(1)


def tick(registry: spanpin.Registry) -> None:
    """Let time pass.

    Windows are at least 20 ms long, so that what was recorded just now is shown
    by a scrape only when some time has passed.
    """
    seconds = next(_seconds)
    registry.set_clock(1_700_000_000_000 + 1000 * seconds, 1_000_000 + 1000 * seconds)


def families(registry: spanpin.Registry, scraper: str | None = None) -> dict[str, Metric]:
    """All families of one OpenMetrics scrape."""
    tick(registry)
    content_type, body = registry.scrape(OPENMETRICS, scraper=scraper)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    return parsed(body)


def parsed(body: bytes) -> dict[str, Metric]:
    """The families of an OpenMetrics body."""
    found: Iterator[Metric] = parse_openmetrics(body.decode())  # type: ignore[no-untyped-call]
    return {family.name: family for family in found}


def text_families(registry: spanpin.Registry) -> dict[str, Metric]:
    """All families of one scrape in the older text format."""
    content_type, body = registry.scrape()
    assert content_type.startswith("text/plain; version=0.0.4")
    return {family.name: family for family in parse_text(body.decode())}


def sample(
    registry: spanpin.Registry, name: str, labels: Mapping[str, str] | None = None
) -> Sample:
    """The one sample of this name and these labels."""
    found = [
        one
        for family in families(registry).values()
        for one in family.samples
        if one.name == name and one.labels == dict(labels or {})
    ]
    assert len(found) == 1, f"{name}{labels} occurs {len(found)} times"
    return found[0]


def value(registry: spanpin.Registry, name: str, labels: Mapping[str, str] | None = None) -> float:
    """The value of one sample."""
    return float(sample(registry, name, labels).value)


def exemplars(registry: spanpin.Registry, name: str) -> list[Exemplar]:
    """The exemplars of one family, in the order of its samples."""
    return [one.exemplar for one in families(registry)[name].samples if one.exemplar is not None]


def exemplar(registry: spanpin.Registry, name: str) -> Exemplar:
    """The only exemplar of one family."""
    found = exemplars(registry, name)
    assert len(found) == 1, f"{name} shows {len(found)} exemplars"
    return found[0]


def dropped(registry: spanpin.Registry, reason: str) -> float:
    """How many exemplars spanpin says it dropped for a reason."""
    return value(registry, "spanpin_exemplars_dropped_total", {"reason": reason})
