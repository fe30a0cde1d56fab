"""The JSON document of all rings, in the shape of Prometheus' answer to `query_exemplars`."""

import math

from exemplar_model import CaseError
from numbers_and_text import canonical, timestamp


def string(value):
    """A JSON string: escaped is only what must be."""
    escaped = (f"\\{c}" if c in '"\\' else f"\\u{ord(c):04x}" if c < " " else c for c in value)
    return '"' + "".join(escaped) + '"'


def members(pairs):
    return "{" + ",".join(f"{string(name)}:{string(value)}" for name, value in pairs) + "}"


def one(exemplar):
    value = string(canonical(exemplar.value))
    return f'{{"labels":{members(exemplar.labels)},"value":{value},"timestamp":{timestamp(exemplar.stamp)}}}'


def sample(series, name, bound, ring):
    labels = [("__name__", name)] + [(label, value) for label, value in series.labels if value]
    labels += [] if bound is None else [("le", canonical(bound))]
    ring = sorted(ring, key=lambda exemplar: exemplar.stamp)
    if any(a.stamp == b.stamp for a, b in zip(ring, ring[1:])):
        raise CaseError("two exemplars share a stamp: which one comes first is a free choice")
    return f'{{"seriesLabels":{members(labels)},"exemplars":[{",".join(map(one, ring))}]}}'


def document(families):
    samples = []
    for family in families:
        if family.kind == "gauge":
            continue
        suffix, bounds = ("_total", [None]) if family.kind == "counter" else ("_bucket", family.bounds + [math.inf])
        for series in family.shown_series():
            for bound, bucket in zip(bounds, series.buckets):
                if bucket.ring:
                    samples.append(sample(series, family.name + suffix, bound, bucket.ring))
    return f'{{"status":"success","data":[{",".join(samples)}]}}\n'
