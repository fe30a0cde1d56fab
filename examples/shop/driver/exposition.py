"""Reads an OpenMetrics exposition, as far as the shop's families go, and refuses what is not well-formed."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LABELS = r'\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\}'
_NUMBER = r"(NaN|[+-]Inf|[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
_SAMPLE = re.compile(rf"([a-zA-Z_:][\w:]*)(?:{_LABELS})? {_NUMBER}(?: # {_LABELS} {_NUMBER} {_NUMBER})?")
_LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"')
_COMMENT = re.compile(r"# (?:TYPE|UNIT|HELP) [a-zA-Z_:][\w:]* .*")
_ESCAPE = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


@dataclass(frozen=True)
class Exemplar:
    trace_id: str
    span_id: str
    value: float
    timestamp: float


@dataclass(frozen=True)
class Sample:
    name: str
    labels: dict[str, str]
    value: float
    exemplar: Exemplar | None


def parse(text: str) -> list[Sample]:
    """Return all samples; ValueError names the line that is wrong."""
    if not text.endswith("\n# EOF\n"):
        raise ValueError("the exposition does not end with the line `# EOF`")
    return [_sample(line) for line in text.splitlines()[:-1] if not _COMMENT.fullmatch(line)]


def _sample(line: str) -> Sample:
    match = _SAMPLE.fullmatch(line)
    if match is None:
        raise ValueError(f"no OpenMetrics line: {line}")
    name, labels, value, exemplar_labels, exemplar_value, timestamp = match.groups()
    exemplar = None
    if exemplar_labels is not None:
        ids = _labels(exemplar_labels)
        if list(ids) != ["trace_id", "span_id"]:
            raise ValueError(f"the exemplar has the labels {', '.join(ids)}, not trace_id and span_id: {line}")
        exemplar = Exemplar(ids["trace_id"], ids["span_id"], float(exemplar_value), float(timestamp))
    return Sample(name, _labels(labels or ""), float(value), exemplar)


def _labels(text: str) -> dict[str, str]:
    found = _LABEL.findall(text)
    labels = {name: re.sub(r"\\.", lambda escape: _ESCAPE[escape[0]], value) for name, value in found}
    if len(labels) != len(found):
        raise ValueError(f"a label name occurs twice: {text}")
    return labels
