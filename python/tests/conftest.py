"""Fixtures of all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import Tracer

import spanpin
from reading import tick


@pytest.fixture(autouse=True)
def no_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the defaults of the developer's own environment out of the tests."""
    others = ("OTEL_METRICS_EXEMPLAR_FILTER", "PROMETHEUS_MULTIPROC_DIR")
    for name in list(os.environ):
        if name.startswith("SPANPIN_") or name in others:
            monkeypatch.delenv(name)


@pytest.fixture
def registry() -> spanpin.Registry:
    """A registry of the test's own, with spanpin's own metrics and a clock that stands still."""
    registry = spanpin.Registry()
    tick(registry)
    return registry


@pytest.fixture
def tracer() -> Iterator[Tracer]:
    """Makes sampled spans."""
    provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
    yield provider.get_tracer("tests")
    provider.shutdown()


@pytest.fixture
def unsampled() -> Iterator[Tracer]:
    """Makes spans with ids that are not sampled."""
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    yield provider.get_tracer("tests")
    provider.shutdown()
