"""A naive model of the exemplar rule: windows, gates, rings, scrapers.

Written from the documents, single-threaded and with plain lists where the
product has slots and atomic words. It is one part of the oracle: labels are in
`exemplar_labels.py`, lots in `sampling_model.py`, counting and encoding in
`oracle.py`.
"""

import math
import struct
from collections import Counter

from exemplar_labels import explicit_ids, explicit_labels, offer_labels
from sampling_model import Adaptive, is_drawn, lot

SHUT = 0x7FC00000  # priority of +Inf: values stay below it, explicit exemplars above
W_MIN_MS = 20
W_MAX_MS = 10_000
AGE_MAX_S = 90
SLOTS = 11
FORGET_MS = 600_000  # a scraper silent for longer starts again
BUDGET = 16_384
STAMP_AHEAD_MS = 1000  # explicit exemplars of one window may run ahead so far, then they share a stamp


class CaseError(Exception):
    """The case asks for something on which the documents leave a free choice."""


def priority_of_value(value):
    try:
        bits = struct.unpack(">I", struct.pack(">f", value))[0]
    except OverflowError:
        bits = 0xFF800000 if value < 0 else 0x7F800000
    bits = bits ^ 0xFFFFFFFF if bits & 0x80000000 else bits | 0x80000000
    return min(bits >> 1, SHUT - 1)


class Exemplar:
    def __init__(self, epoch, priority, stamp, value, labels, mono, tied):
        self.order = (epoch, priority)
        self.epoch, self.stamp, self.value = epoch, stamp, value
        self.labels, self.mono, self.tied = labels, mono, tied
        self.rank = min(priority, SHUT + 1)


class Rules:
    """How a family chooses, from its registration."""

    def __init__(self, op):
        self.filter = op.get("filter", "trace_based")
        self.policy = op.get("policy", "uniform" if op["kind"] == "counter" else "slowest")
        self.slots = op.get("slots", SLOTS)
        self.max_age_ms = 1000 * op.get("max_age", AGE_MAX_S)
        self.minimum = float(op.get("minimum_value", -math.inf))
        self.probability = float(op.get("probability", 1.0))
        self.adaptive = op.get("adaptive")
        self.p99 = (self.adaptive or {}).get("p99")

    def are_allowed(self, kind):
        adaptive, lower = self.adaptive or {}, (self.adaptive or {}).get("lower", "p95")
        return (
            4 <= self.slots <= 19
            and 1000 <= self.max_age_ms <= 86_400_000
            and 0 <= self.probability <= 1
            and not math.isnan(self.minimum)
            and (kind == "histogram" or self.adaptive is None)
            and 60 <= adaptive.get("window", 120) <= 300
            and (lower == "p95" or 0 < lower <= 1)
            and math.isfinite(float(adaptive.get("p99", 1)))
        )


class Lots:
    """What decides about an offer that beats its window: the family's parts, by the lots of one series."""

    def __init__(self, rules, series, kind, bounds):
        self.rules, self.series, self.of_counter = rules, series, kind == "counter"
        self.adaptive = rules.adaptive is not None and Adaptive(rules.adaptive, bounds)

    def refresh(self, counts, now):
        if self.adaptive:
            self.adaptive.refresh(counts, self.rules.p99, now)

    def keep(self, value, bucket, seed, counts):
        part = self.rules.probability
        if part < 1 and not is_drawn("probability", part, self.series, bucket, seed):
            return False
        if not self.adaptive:
            return True
        self.adaptive.close(counts, self.rules.p99)
        return self.adaptive.keeps(value, self.series, bucket, seed)


class Bucket:
    """The gate and the ring of one bucket."""

    def __init__(self, windows, rules, lots, index):
        self.windows, self.rules, self.lots, self.index = windows, rules, lots, index
        self.head = (0, 0)
        self.budget = (0, 0)  # epoch, look-ups used
        self.ring = None
        self.last_ms = 0
        self.last_epoch = 0

    def priority(self, value, seed):
        if self.rules.policy == "uniform":
            return lot(self.lots.series, self.index, seed) >> 37
        return priority_of_value(value) if self.rules.policy == "slowest" else 1

    def offer(self, old_count, value, counts, context, extra):
        windows, lost = self.windows, self.windows.lost
        if self.rules.filter == "always_off" or self.rules.probability == 0 or not value >= self.rules.minimum:
            return
        prio = self.priority(value, old_count)
        # One look in 16 at the clock. The total of a counter may rise in any steps, so there a lot decides.
        number = lot(self.lots.series, self.index, old_count) >> 37 if self.lots.of_counter else old_count
        if (windows.epoch, prio) <= self.head and number & 15:
            return
        windows.turn_if_due()
        self.lots.refresh(counts, windows.mono)
        epoch = windows.epoch
        if (epoch, prio) <= self.head:
            return
        if not math.isfinite(value):
            lost["nonfinite"] += 1
            return
        if not self.lots.keep(value, self.index, old_count, counts):
            lost["filter"] += 1
            return
        used = self.budget[1] if self.budget[0] == epoch else 0
        if used >= BUDGET:
            self.head = max(self.head, (epoch, SHUT))
            lost["budget"] += 1
            return
        self.budget = (epoch, used + 1)
        trace_id, span_id, flags = context
        if self.rules.filter == "trace_based" and not flags & 1:
            lost["unsampled"] += 1
            return
        self.write(prio, value, offer_labels(trace_id, span_id, extra, windows.keep_names, lost))

    def explicit(self, value, labels):
        windows, lost = self.windows, self.windows.lost
        ids = explicit_ids(labels, windows.keep_names, lost)
        if self.rules.filter == "always_off":
            lost["filter"] += 1
            return
        if not math.isfinite(value):
            lost["nonfinite"] += 1
            return
        labels = explicit_labels(ids, labels, windows.keep_names, lost)
        if not labels:
            return
        windows.turn_if_due()
        same_window = self.head[0] == windows.epoch
        self.write(max(SHUT, self.head[1] if same_window else 0) + 1, value, labels)

    def write(self, prio, value, labels):
        windows = self.windows
        self.head = (windows.epoch, prio)
        if self.ring is None:
            self.ring = []
            self.last_ms = windows.greatest_stamp if windows.greatest_stamp > windows.wall else 0
        if len(self.ring) == self.rules.slots:
            self.ring.remove(self.victim())
        tied = prio > SHUT and self.last_epoch == windows.epoch and self.last_ms >= windows.wall + STAMP_AHEAD_MS
        if not tied:
            self.last_ms = max(windows.wall, self.last_ms + 1)
        self.last_epoch = windows.epoch
        windows.greatest_stamp = max(windows.greatest_stamp, self.last_ms)
        self.ring.append(Exemplar(windows.epoch, prio, self.last_ms, value, labels, windows.mono, tied))

    def is_young(self, exemplar):
        return self.windows.mono - exemplar.mono <= self.rules.max_age_ms

    def victim(self):
        """Who leaves a full ring, by the list in docs/exemplars.md."""

        def outdone_later(x):
            return any(y.epoch > x.epoch and y.rank >= x.rank for y in self.ring)

        def outdone_before(x):
            earlier = (y for y in self.ring if y.epoch < x.epoch and y.rank >= x.rank)
            return any(not self.windows.a_mark_lies(y.epoch, x.epoch) for y in earlier)

        by_age = sorted(self.ring, key=lambda x: x.order)
        rivals = [x for x in by_age if x.epoch == self.windows.epoch]
        if len(rivals) > 1:
            return rivals[0]
        kept = by_age[-1:] + [x for x in by_age if x.epoch < self.windows.epoch][-1:]
        rest = [x for x in by_age if x not in kept]
        for reason in (lambda x: not self.is_young(x), outdone_later, outdone_before):
            chosen = next(filter(reason, rest), None)
            if chosen:
                return chosen
        return rest[0]

    def shown(self, lo, open_epoch):
        closed = [x for x in self.ring or [] if x.epoch < open_epoch]
        fresh = [x for x in closed if x.epoch >= lo and self.is_young(x)]
        if fresh:
            return max(fresh, key=lambda x: (x.rank, x.order))
        newest = max(closed, key=lambda x: x.order, default=None)
        return newest if newest and self.is_young(newest) and not newest.tied else None


class Scraper:
    def __init__(self, group, now, newest):
        self.group, self.last, self.gap, self.score, self.trusted = group, now, 0, 0, False
        self.mark, self.lo, self.join_lo = 0, newest, newest


class Windows:
    """The shared epoch, the marks of the scrapers, and what else a registry has one of."""

    def __init__(self, wall, mono, keep_names=False, identity="address"):
        self.wall, self.mono = wall, mono
        self.keep_names, self.identity = keep_names, identity
        self.epoch, self.opened = 1, mono
        self.greatest_stamp = 0
        self.scrapers = {}
        self.lost = Counter()  # by reason

    def set_clock(self, wall, mono):
        self.wall, self.mono = wall, mono

    def turn_if_due(self):
        if self.mono - self.opened >= W_MAX_MS:
            self.epoch, self.opened = self.epoch + 1, self.mono

    def a_mark_lies(self, after, upto):
        live = (s for s in self.scrapers.values() if self.mono - s.last <= FORGET_MS)
        return any(after < scraper.mark <= upto for scraper in live)

    def who(self, op):
        """(identity, what it shares with others of a pool) of who scrapes."""
        if self.identity == "none":
            return "anonymous", "anonymous"
        if "request" in op:
            request = op["request"]
            group = tuple(request.get(key, "") for key in ("user_agent", "scrape_timeout", "path"))
            peer = request.get("peer", "")
            return (group if self.identity == "given" else (group, peer)), group
        who = ("name", op["scraper"]) if "scraper" in op else "anonymous"
        return who, who

    def scrape(self, op):
        """Ends the window; (lo, open) of this scraper, whose mark moves on."""
        who, group = self.who(op)
        known = self.scrapers.get(who)
        returns = known is not None and self.mono - known.last >= W_MIN_MS
        if returns or self.mono - self.opened >= W_MIN_MS:
            self.epoch, self.opened = self.epoch + 1, self.mono
        lo = self.lower(who, group)
        scraper = self.scrapers[who]
        scraper.mark = max(scraper.mark, self.epoch)
        return lo, self.epoch

    def lower(self, who, group):
        now = self.mono
        newest = max((s.mark for s in self.scrapers.values()), default=0)
        scraper = self.scrapers.get(who)
        if scraper is None or now - scraper.last > FORGET_MS:
            if scraper is None and len(self.scrapers) == 16:
                raise CaseError("more than 16 scrapers: which one is forgotten is not modelled")
            self.scrapers[who] = scraper = Scraper(group, now, newest)
        else:
            self.judge(scraper, now - scraper.last)
            scraper.last = now
            if scraper.trusted:
                # Of a pool none goes back behind where one of it was put, as long as that one has no view of its own.
                pool = (s for s in self.scrapers.values() if s.group == group and s is not scraper)
                joined = max((s.join_lo for s in pool if now - s.last <= FORGET_MS), default=0)
                lo = max(scraper.mark, joined)
            else:
                lo = scraper.join_lo = newest
            scraper.lo = max(lo, scraper.lo)
        scraper.lo = min(scraper.lo, self.epoch)
        return scraper.lo

    @staticmethod
    def judge(scraper, d):
        """Whether the scraper keeps its beat."""
        gap = scraper.gap
        if not gap:
            scraper.gap = d
            return
        tolerance = gap / 5 + 750
        drift = (d - gap) / 4
        if abs(d - gap) <= tolerance:
            scraper.score = min(8, scraper.score + 1)
            scraper.gap += drift
        elif abs(d - 2 * gap) <= tolerance or abs(d - 3 * gap) <= tolerance:
            scraper.score = max(0, scraper.score - 1)
            if scraper.score < 3:
                scraper.gap += drift
        else:
            scraper.score = max(0, scraper.score - 4)
            scraper.gap += drift
        if scraper.score >= 4:
            scraper.trusted = True
        elif scraper.score < 3:
            scraper.trusted = False
