"""Metrics whose buckets keep the trace of a slow request.

Create metrics once, at import time, and record in the code that serves
requests. The active OpenTelemetry span becomes the exemplar by itself::

    import spanpin

    LATENCY = spanpin.Histogram("request_seconds", "Time to answer.", ["method"])

    def handle(request):
        ...
        LATENCY.labels(request.method).observe(seconds)

    spanpin.start_http_server(9464)
"""

from spanpin._native import (
    DEFAULT_BUCKETS,
    Adaptive,
    Counter,
    CounterSeries,
    Exemplar,
    Gauge,
    GaugeSeries,
    Histogram,
    HistogramSeries,
    Registry,
    ScrapeResult,
    SegmentError,
    SlowRequest,
    SpanpinError,
    TraceContext,
    __version__,
    default_registry,
    exponential_buckets,
    linear_buckets,
)
from spanpin.asgi import make_asgi_app
from spanpin.http_server import start_http_server
from spanpin.wsgi import make_wsgi_app

__all__ = [
    "DEFAULT_BUCKETS",
    "Adaptive",
    "Counter",
    "CounterSeries",
    "Exemplar",
    "Gauge",
    "GaugeSeries",
    "Histogram",
    "HistogramSeries",
    "Registry",
    "ScrapeResult",
    "SegmentError",
    "SlowRequest",
    "SpanpinError",
    "TraceContext",
    "__version__",
    "default_registry",
    "exponential_buckets",
    "linear_buckets",
    "make_asgi_app",
    "make_wsgi_app",
    "scrape",
    "start_http_server",
]


def scrape(
    accept: str = "", accept_encoding: str = "", scraper: str | None = None
) -> tuple[str, bytes]:
    """Write the metrics of the default registry: ``(content_type, body)``.

    The arguments are those of `Registry.scrape`. Exemplars are in the
    OpenMetrics format only:

    >>> content_type, body = scrape(accept="application/openmetrics-text; version=1.0.0")
    >>> content_type
    'application/openmetrics-text; version=1.0.0; charset=utf-8'
    """
    return default_registry().scrape(accept, accept_encoding, scraper)
