from collections.abc import Iterable, Mapping
from typing import Final, Literal, Protocol, TypeAlias, final, type_check_only

from typing_extensions import Self, disjoint_base

__all__ = [
    "DEFAULT_BUCKETS",
    "Counter",
    "CounterSeries",
    "Gauge",
    "GaugeSeries",
    "Histogram",
    "HistogramSeries",
    "Registry",
    "ScrapeResult",
    "SpanpinError",
    "TraceContext",
    "__version__",
    "default_registry",
    "exponential_buckets",
    "linear_buckets",
]

__version__: Final[str]
DEFAULT_BUCKETS: Final[tuple[float, ...]]

_Filter: TypeAlias = Literal["trace_based", "always_on", "always_off"]
_Policy: TypeAlias = Literal["slowest", "uniform", "first"]

# What OpenTelemetry's SpanContext looks like.
@type_check_only
class _SpanContext(Protocol):
    @property
    def trace_id(self) -> int: ...
    @property
    def span_id(self) -> int: ...
    @property
    def trace_flags(self) -> int: ...

_Trace: TypeAlias = str | TraceContext | _SpanContext
_Labels: TypeAlias = Mapping[str, str]

class SpanpinError(ValueError):
    code: str

@final
class TraceContext:
    def __new__(cls, trace_id: str | int, span_id: str | int, flags: int = 1) -> Self: ...
    @staticmethod
    def parse(traceparent: str) -> TraceContext: ...
    @property
    def trace_id(self) -> str: ...
    @property
    def span_id(self) -> str: ...
    @property
    def flags(self) -> int: ...
    @property
    def sampled(self) -> bool: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs__(self) -> tuple[str, str, int]: ...

@final
class ScrapeResult:
    @property
    def content_type(self) -> str: ...
    @property
    def content_encoding(self) -> str: ...
    @property
    def body(self) -> bytes: ...

@final
class Registry:
    def __new__(
        cls,
        *,
        self_metrics: bool = True,
        reserve_bytes: int | None = None,
        exemplar_bytes: int | None = None,
        scraper_identity: Literal["address", "none"] = "address",
        trace_id_label: str = "trace_id",
        span_id_label: str = "span_id",
    ) -> Self: ...
    def scrape(
        self, accept: str = "", accept_encoding: str = "", scraper: str | None = None
    ) -> tuple[str, bytes]: ...
    def scrape_request(
        self,
        *,
        accept: str = "",
        accept_encoding: str = "",
        user_agent: str = "",
        scrape_timeout: str = "",
        path: str = "",
        peer: str = "",
    ) -> ScrapeResult: ...
    def set_clock(self, wall_ms: int, mono_ms: int) -> None: ...

def default_registry() -> Registry: ...

@disjoint_base
class HistogramSeries:
    def observe(
        self,
        value: float,
        *,
        trace: _Trace | None = None,
        exemplar: _Labels | None = None,
        extra: _Labels | None = None,
    ) -> None: ...

@final
class Histogram(HistogramSeries):
    def __new__(
        cls,
        name: str,
        help: str,
        labels: Iterable[str] | None = None,
        *,
        unit: str | None = None,
        buckets: Iterable[float] | None = None,
        filter: _Filter = "trace_based",
        policy: _Policy | None = None,
        max_series: int | None = None,
        registry: Registry | None = None,
    ) -> Self: ...
    def labels(self, *values: object, **by_name: object) -> HistogramSeries: ...
    @property
    def name(self) -> str: ...
    @property
    def label_names(self) -> tuple[str, ...]: ...

@disjoint_base
class CounterSeries:
    def inc(
        self,
        amount: float = 1.0,
        *,
        trace: _Trace | None = None,
        exemplar: _Labels | None = None,
        extra: _Labels | None = None,
    ) -> None: ...

@final
class Counter(CounterSeries):
    def __new__(
        cls,
        name: str,
        help: str,
        labels: Iterable[str] | None = None,
        *,
        unit: str | None = None,
        filter: _Filter = "trace_based",
        policy: _Policy | None = None,
        max_series: int | None = None,
        registry: Registry | None = None,
    ) -> Self: ...
    def labels(self, *values: object, **by_name: object) -> CounterSeries: ...
    @property
    def name(self) -> str: ...
    @property
    def label_names(self) -> tuple[str, ...]: ...

@disjoint_base
class GaugeSeries:
    def set(self, value: float) -> None: ...
    def inc(self, amount: float = 1.0) -> None: ...
    def dec(self, amount: float = 1.0) -> None: ...
    def get(self) -> float: ...

@final
class Gauge(GaugeSeries):
    def __new__(
        cls,
        name: str,
        help: str,
        labels: Iterable[str] | None = None,
        *,
        unit: str | None = None,
        max_series: int | None = None,
        registry: Registry | None = None,
    ) -> Self: ...
    def labels(self, *values: object, **by_name: object) -> GaugeSeries: ...
    @property
    def name(self) -> str: ...
    @property
    def label_names(self) -> tuple[str, ...]: ...

def linear_buckets(start: float, width: float, count: int) -> tuple[float, ...]: ...
def exponential_buckets(start: float, factor: float, count: int) -> tuple[float, ...]: ...
