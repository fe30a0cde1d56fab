"""The class `TraceContext`."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from spanpin import SpanpinError, TraceContext

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"


def test_parse() -> None:
    context = TraceContext.parse(TRACEPARENT)
    assert (context.trace_id, context.span_id, context.flags) == (TRACE_ID, SPAN_ID, 1)
    assert context.sampled
    assert str(context) == TRACEPARENT
    assert not TraceContext.parse(TRACEPARENT[:-1] + "2").sampled
    assert TraceContext.parse("01" + TRACEPARENT[2:] + "-later").sampled


@pytest.mark.parametrize(
    "malformed",
    ["", "x", TRACEPARENT[1:], TRACEPARENT + "-", TRACEPARENT.upper(), "ff" + TRACEPARENT[2:],
     TRACEPARENT.replace(SPAN_ID, "0" * 16), TRACEPARENT.replace("-", "_"), "\ud800" * 55],
    ids=ascii,
)  # fmt: skip
def test_malformed_text_is_refused(malformed: str) -> None:
    with pytest.raises(SpanpinError) as caught:
        TraceContext.parse(malformed)
    assert caught.value.code == "invalid_traceparent"


def test_from_ids() -> None:
    from_text = TraceContext(TRACE_ID, SPAN_ID)
    from_numbers = TraceContext(int(TRACE_ID, 16), int(SPAN_ID, 16), 1)
    assert from_text == from_numbers == TraceContext.parse(TRACEPARENT)
    assert TraceContext(TRACE_ID.upper(), SPAN_ID.upper()) == from_text
    assert not TraceContext(TRACE_ID, SPAN_ID, flags=0).sampled


@pytest.mark.parametrize(
    ("trace_id", "span_id", "code"),
    [
        ("", SPAN_ID, "invalid_trace_id"),
        ("0" * 32, SPAN_ID, "invalid_trace_id"),
        (TRACE_ID[1:], SPAN_ID, "invalid_trace_id"),
        ("\ud800", SPAN_ID, "invalid_trace_id"),
        (0, SPAN_ID, "invalid_trace_id"),
        (-1, SPAN_ID, "invalid_trace_id"),
        (1 << 128, SPAN_ID, "invalid_trace_id"),
        (1 << 20000, SPAN_ID, "invalid_trace_id"),
        (TRACE_ID, "g" * 16, "invalid_span_id"),
        (TRACE_ID, 0, "invalid_span_id"),
        (TRACE_ID, 1 << 64, "invalid_span_id"),
    ],
    ids=lambda given: ascii(given) if isinstance(given, str) else "int",
)  # fmt: skip
def test_bad_ids_are_refused(trace_id: Any, span_id: Any, code: str) -> None:
    with pytest.raises(SpanpinError) as caught:
        TraceContext(trace_id, span_id)
    assert caught.value.code == code
    assert len(str(caught.value)) < 300


def test_wrong_types_are_refused() -> None:
    unchecked: Any = TraceContext
    with pytest.raises(TypeError):
        unchecked(b"1", SPAN_ID)
    with pytest.raises(TypeError):
        unchecked(TRACE_ID, None)
    for flags in (-1, 256):
        with pytest.raises(SpanpinError, match=f"flags is {flags}: it must be from 0 to 255"):
            unchecked(TRACE_ID, SPAN_ID, flags)


def test_a_value_like_any_other() -> None:
    context = TraceContext(TRACE_ID, SPAN_ID)
    other = TraceContext(TRACE_ID, SPAN_ID, flags=0)
    assert context != other
    assert context != TRACEPARENT
    assert len({context, TraceContext.parse(TRACEPARENT), other}) == 2
    assert repr(context) == f"TraceContext('{TRACE_ID}', '{SPAN_ID}', flags=1)"
    assert eval(repr(context)) == context
    assert copy.deepcopy(context) == pickle.loads(pickle.dumps(context)) == context
    unchecked: Any = context
    with pytest.raises(AttributeError):
        unchecked.flags = 0
