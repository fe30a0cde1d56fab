"""What exemplars cost a plain ``observe`` in Python, at a high rate.

One histogram is observed with ``filter="always_off"``, and others with exemplars
on: without tracing, inside an unsampled span, and inside a sampled one whose
offers are nearly all beaten. They take turns every few hundred microseconds, in
a rotating order, so that what else the machine does meets all of them alike. A
round is the sum of many such turns. Python has no way of observing that leaves
exemplars out, so the first ``always_off`` stands for none, and a second one shows
the spread. Writes one line of JSON for each round; ``benches/cost.py`` makes the
table.

Without a sampled span no offer is ever kept, so each is looked at until the
budget of the window, 16,384 look-ups for each bucket, is used up. Each round
begins with a window whose budgets are used up; what they cost is measured apart,
and added to each of the observations that this rate makes in 10 s, the longest
that a window lasts.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from statistics import median
from typing import Any

import spanpin
from engines import ACCEPT, METRIC, ONE_PER_BUCKET, VALUES, WINDOW_S, Exposed
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

BUDGET = 16_384
WINDOW_NS = 10e9


def span(sampler: Any) -> Callable[[], AbstractContextManager[Any]]:
    one = TracerProvider(sampler=sampler).get_tracer("bench").start_span("request")
    return lambda: trace.use_span(one)


class Variant:
    """A histogram and the context it is observed in."""

    def __init__(self, name: str, filter: Any, context: Callable[[], AbstractContextManager[Any]]) -> None:
        self.name = name
        self.context = context
        self.registry = spanpin.Registry()
        self.histogram = spanpin.Histogram(METRIC, "Latency.", filter=filter, registry=self.registry)
        self.observed = 0
        self.rounds: list[float] = []
        self.spent: list[float] = []

    def turn(self) -> int:
        """CPU time of one observation of each value."""
        histogram, values = self.histogram, VALUES
        with self.context():
            started = time.process_time_ns()
            for value in values:
                histogram.observe(value)
            took = time.process_time_ns() - started
        self.observed += len(values)
        return took

    def new_window(self) -> Exposed:
        time.sleep(WINDOW_S)
        return Exposed(self.registry.scrape(ACCEPT)[1])

    def spend(self) -> float:
        """Opens a window and uses up its budgets. Returns the CPU time of one of these observations."""
        self.new_window()
        with self.context():
            started = time.process_time_ns()
            for value in ONE_PER_BUCKET:
                for _ in range(BUDGET):
                    self.histogram.observe(value)
            took = time.process_time_ns() - started
        count = BUDGET * len(ONE_PER_BUCKET)
        self.observed += count
        return took / count


def round_of(variants: list[Variant], turns: int) -> None:
    for variant in variants:
        variant.spent.append(variant.spend())
    took = dict.fromkeys(variants, 0)
    for turn in range(turns):
        shift = turn % len(variants)
        for variant in variants[shift:] + variants[:shift]:
            took[variant] += variant.turn()
    for variant in variants:
        variant.rounds.append(took[variant] / (turns * len(VALUES)))


def check(variant: Variant) -> None:
    """Fails if what was measured is not what the row says."""
    exposed = variant.new_window()
    exposed.expect(f"{METRIC}_count", variant.observed)
    offered = exposed.sums["spanpin_exemplars_offered_total"]
    admitted = exposed.sums["spanpin_exemplars_admitted_total"]
    wanted = {
        "none": offered == 0,
        "always_off": offered == 0,
        "no_tracing": offered >= BUDGET and admitted == 0,
        "unsampled": offered >= BUDGET and admitted == 0,
        "offered": 0 < admitted < variant.observed / 100,
    }
    if not wanted[variant.name]:
        raise SystemExit(f"wrong answer: {variant.name} had {offered:.0f} offers, {admitted:.0f} of them admitted")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", type=int, nargs="?", default=21)
    parser.add_argument("--turns", type=int, default=200, help="turns of 4096 observations in a round")
    options = parser.parse_args()
    variants = [
        Variant("none", "always_off", nullcontext),
        Variant("always_off", "always_off", nullcontext),
        Variant("no_tracing", "trace_based", nullcontext),
        Variant("unsampled", "trace_based", span(ALWAYS_OFF)),
        Variant("offered", "trace_based", span(ALWAYS_ON)),
    ]
    # Code and caches get warm.
    round_of(variants, max(options.turns // 2, 1))
    for variant in variants:
        variant.rounds.clear()
        variant.spent.clear()
    for _ in range(options.rounds):
        round_of(variants, options.turns)
    for variant in variants:
        check(variant)
        steady = median(variant.rounds)
        look_ups = 0.0
        if variant.name in ("no_tracing", "unsampled"):
            each = median(variant.spent) - steady
            look_ups = len(ONE_PER_BUCKET) * BUDGET * each * steady / WINDOW_NS
        for number, taken in enumerate(variant.rounds, 1):
            row = {"language": "python", "variant": variant.name, "round": number}
            print(json.dumps(row | {"cpu_ns_per_op": round(taken + look_ups, 4)}))


if __name__ == "__main__":
    main()
