"""The terminal layout: per service and bucket the exemplar, the log line and the spans of its trace."""

from __future__ import annotations

import os
import sys
import time

from driver.building import ROOT
from driver.following import Bucket, Span
from driver.prometheus import Stored, holds

# A span that takes this long by itself, its callees aside, is what made the request slow.
SLOW = 0.5
BAR = 30


class Style:
    """Escape codes of a terminal; nothing when the output is not one."""

    def __init__(self) -> None:
        on = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self.bold, self.dim, self.red, self.green, self.end = ("\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[0m") if on else [""] * 5


def duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 0.9995 else f"{seconds * 1e3:.1f} ms"


def clock(timestamp: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(timestamp)) + f".{int(timestamp * 1000) % 1000:03d}"


def slow_span(spans: list[Span]) -> Span | None:
    """The span that took longest by itself, if that is long."""

    def own_time(span: Span) -> float:
        return span.duration - sum(child.duration for child in spans if child.parent == span.span_id)

    slowest = max(spans, key=own_time, default=None)
    return slowest if slowest is not None and own_time(slowest) >= SLOW else None


def _bar(span: Span, spans: list[Span]) -> str:
    start = min(s.start for s in spans)
    whole = max(s.start + s.duration for s in spans) - start or 1e-9
    before = min(BAR - 1, round((span.start - start) / whole * BAR))
    length = max(1, min(BAR - before, round(span.duration / whole * BAR)))
    return " " * before + "█" * length + " " * (BAR - before - length)


def bucket_lines(bucket: Bucket, stored: Stored | None, style: Style) -> list[str]:
    if bucket.upper is None:
        title = f"{bucket.count} errors"
    elif bucket.lower == float("-inf"):
        title = f"up to {bucket.upper:g} s: {bucket.count} requests"
    elif bucket.upper == float("inf"):
        title = f"over {bucket.lower:g} s: {bucket.count} requests"
    else:
        title = f"{bucket.lower:g} to {bucket.upper:g} s: {bucket.count} requests"
    lines = [f"  {style.bold}{title}{style.end}, {bucket.sampled} of them sampled"]
    shown, log = bucket.exemplar, bucket.log
    if shown is None:
        return [*lines, "    no exemplar" + ("" if bucket.sampled else ", as no sampled request came")]
    value = duration(shown.value) if bucket.upper is not None else f"{shown.value:g}"
    ids = f'trace_id="{shown.trace_id}" span_id="{shown.span_id}"'
    lines.append(f"    exemplar  {style.green}{ids}{style.end}  {value} at {clock(shown.timestamp)}")
    if log is not None:
        place = f"{os.path.relpath(log.file, ROOT)}:{log.number}"
        lines.append(
            f"    log line  {clock(log.time)} GET {log.route} {log.status} {duration(log.duration)}  {style.dim}{place}{style.end}"
        )
    slow = slow_span(bucket.spans)
    depth = {"": -1}
    for i, span in enumerate(bucket.spans):
        depth[span.span_id] = depth.get(span.parent, -1) + 1
        name = "  " * depth[span.span_id] + f"{span.service} {span.name}"
        mark = f"  {style.red}◀ slow{style.end}" if span is slow else ""
        row = f"    {'spans' if i == 0 else '':8}  {name:28} {duration(span.duration):>9}  {_bar(span, bucket.spans)}"
        lines.append(row + mark if mark else row.rstrip())
    if stored is not None:
        count = len(stored.get(bucket.key, []))
        same = "the same ids" if holds(stored, bucket) else "other ids than these"
        lines.append(f"    stored    {count} in Prometheus, with {same}")
    return lines


def show(service: str, url: str, buckets: list[Bucket], stored: Stored | None) -> None:
    style = Style()
    total = sum(bucket.count for bucket in buckets if bucket.upper is not None)
    print(f"\n{style.bold}── {service}{style.end} ── {url}/metrics ── {total} requests\n")
    for bucket in buckets:
        print("\n".join(bucket_lines(bucket, stored, style)), end="\n\n")
