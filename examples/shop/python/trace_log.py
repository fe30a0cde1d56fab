"""Spans and log lines: each request is a span below the one that its `traceparent` names."""

from __future__ import annotations

import json
import secrets
import threading

import spanpin


def parent_of(traceparent: str) -> spanpin.TraceContext | None:
    try:
        return spanpin.TraceContext.parse(traceparent)
    except spanpin.SpanpinError:
        return None


def child_of(parent: spanpin.TraceContext | None) -> spanpin.TraceContext:
    """A new span of the parent's trace. Without a parent a new trace begins, and it is sampled."""
    span_id = secrets.randbits(64) or 1
    if parent is None:
        return spanpin.TraceContext(secrets.randbits(128) or 1, span_id)
    return spanpin.TraceContext(parent.trace_id, f"{span_id:016x}", parent.flags)


def draw(span: spanpin.TraceContext) -> int:
    """The lower half of the trace id as a number."""
    return int(span.trace_id[16:], 16)


class Recorder:
    """Writes one log line per request, and its span if the trace is sampled."""

    def __init__(self, log: str, spans: str | None) -> None:
        self._log = open(log, "a")  # noqa: SIM115
        self._spans = open(spans, "a") if spans else None  # noqa: SIM115
        self._lock = threading.Lock()

    def request(
        self,
        start: float,
        service: str,
        route: str,
        parent: spanpin.TraceContext | None,
        span: spanpin.TraceContext,
        seconds: float,
        status: int,
    ) -> None:
        ids = {"trace_id": span.trace_id, "span_id": span.span_id}
        line = {"time": round(start, 6), "service": service, "route": route, **ids, "duration": seconds, "status": status}
        named = {"parent": parent.span_id if parent else "", "service": service, "name": f"GET {route}"}
        with self._lock:
            print(json.dumps(line), file=self._log, flush=True)
            if self._spans and span.sampled:
                print(json.dumps({**ids, **named, "start": round(start, 6), "duration": seconds}), file=self._spans, flush=True)
