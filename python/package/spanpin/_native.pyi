from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from typing import ClassVar, Final, Literal, Protocol, TypeAlias, final, type_check_only

from typing_extensions import Self, disjoint_base

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
_ExemplarFilter: TypeAlias = Callable[[float, TraceContext], object]
_ExemplarLabels: TypeAlias = Callable[[], _Labels | None]
_OnSlowRequest: TypeAlias = Callable[[SlowRequest], object]

class SpanpinError(ValueError):
    code: str

class SegmentError(SpanpinError): ...

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
class Adaptive:
    __hash__: ClassVar[None]  # type: ignore[assignment]
    def __new__(
        cls,
        lower: float | Literal["p95"] = 0.8,
        window: int = 120,
        p99: float | None = None,
    ) -> Self: ...
    @property
    def lower(self) -> float | Literal["p95"]: ...
    @property
    def window(self) -> int: ...
    @property
    def p99(self) -> float | None: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Exemplar:
    __hash__: ClassVar[None]  # type: ignore[assignment]
    @property
    def value(self) -> float: ...
    @property
    def timestamp(self) -> float: ...
    @property
    def trace_id(self) -> str | None: ...
    @property
    def span_id(self) -> str | None: ...
    @property
    def labels(self) -> dict[str, str]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class SlowRequest:
    __hash__: ClassVar[None]  # type: ignore[assignment]
    @property
    def metric(self) -> str: ...
    @property
    def labels(self) -> dict[str, str]: ...
    @property
    def value(self) -> float: ...
    @property
    def threshold(self) -> float: ...
    @property
    def trace_id(self) -> str | None: ...
    @property
    def span_id(self) -> str | None: ...
    @property
    def sampled(self) -> bool: ...
    @property
    def trace_url(self) -> str: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

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
        scraper_identity: Literal["address", "given", "none"] | None = None,
        trace_id_label: str | None = None,
        span_id_label: str | None = None,
        keep_names: bool | None = None,
        trace_url: str | None = None,
        mark_spans: bool | None = None,
        segment: str | PathLike[str] | None = None,
        segment_mode: int | None = None,
        strict: bool = False,
    ) -> Self: ...
    @property
    def segment_path(self) -> str | None: ...
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
    def exemplars_json(self) -> bytes: ...
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
    def exemplars(self) -> list[Exemplar]: ...

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
        filter: _Filter | None = None,
        policy: _Policy | None = None,
        minimum_value: float | None = None,
        probability: float | None = None,
        adaptive: bool | Adaptive | None = None,
        slots: int | None = None,
        max_age: int | None = None,
        exemplar_filter: _ExemplarFilter | None = None,
        exemplar_labels: _ExemplarLabels | None = None,
        baggage_keys: Iterable[str] | None = None,
        mark_spans: bool | None = None,
        slow_request_threshold: float | None = None,
        on_slow_request: _OnSlowRequest | None = None,
        trace_url: str | None = None,
        max_series: int | None = None,
        registry: Registry | None = None,
    ) -> Self: ...
    def labels(self, *values: object, **by_name: object) -> HistogramSeries: ...
    def remove(self, *values: object, **by_name: object) -> bool: ...
    def clear(self) -> None: ...
    def set_p99(self, p99: float) -> None: ...
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
    def exemplars(self) -> list[Exemplar]: ...

@final
class Counter(CounterSeries):
    def __new__(
        cls,
        name: str,
        help: str,
        labels: Iterable[str] | None = None,
        *,
        unit: str | None = None,
        filter: _Filter | None = None,
        policy: _Policy | None = None,
        minimum_value: float | None = None,
        probability: float | None = None,
        adaptive: bool | Adaptive | None = None,
        slots: int | None = None,
        max_age: int | None = None,
        exemplar_filter: _ExemplarFilter | None = None,
        exemplar_labels: _ExemplarLabels | None = None,
        baggage_keys: Iterable[str] | None = None,
        mark_spans: bool | None = None,
        slow_request_threshold: float | None = None,
        on_slow_request: _OnSlowRequest | None = None,
        trace_url: str | None = None,
        max_series: int | None = None,
        registry: Registry | None = None,
    ) -> Self: ...
    def labels(self, *values: object, **by_name: object) -> CounterSeries: ...
    def remove(self, *values: object, **by_name: object) -> bool: ...
    def clear(self) -> None: ...
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
    def remove(self, *values: object, **by_name: object) -> bool: ...
    def clear(self) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def label_names(self) -> tuple[str, ...]: ...

def linear_buckets(start: float, width: float, count: int) -> tuple[float, ...]: ...
def exponential_buckets(start: float, factor: float, count: int) -> tuple[float, ...]: ...
