"""A naive model of the exemplar rule: windows, gates, scrapers, labels.

Written from the documents, single-threaded and with plain lists where the
product has slots and atomic words. It is one half of the oracle; counting and
encoding are in `oracle.py`.
"""

import re
import struct

SHUT = 0x7FC00000  # priority of +Inf: values stay below it, explicit exemplars above
W_MIN_MS = 20
W_MAX_MS = 10_000
AGE_MAX_MS = 90_000
FORGET_MS = 600_000  # a scraper silent for longer starts again
BUDGET = 16_384
STAMP_AHEAD_MS = 1000  # explicit exemplars of one window may run ahead so far, then they share a stamp
LABEL_LIMIT = 128

LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
HEX = re.compile(r"[0-9a-fA-F]+\Z")
TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?\Z", re.S)


class CaseError(Exception):
    """The case asks for something on which the documents leave a free choice."""


def priority_of_value(value):
    try:
        bits = struct.unpack(">I", struct.pack(">f", value))[0]
    except OverflowError:
        bits = 0xFF800000 if value < 0 else 0x7F800000
    bits = bits ^ 0xFFFFFFFF if bits & 0x80000000 else bits | 0x80000000
    return min(bits >> 1, SHUT - 1)


def hex_id(text, digits):
    """The id in lower case, or None when `text` is not one."""
    if len(text) == digits and HEX.match(text) and text.strip("0"):
        return text.lower()
    return None


def parse_traceparent(text):
    """(trace id, span id, flags), or None when W3C Trace Context forbids it."""
    match = TRACEPARENT.match(text)
    if not match:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest is not None):
        return None
    if not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return trace_id, span_id, int(flags, 16)


def clean_labels(labels, taken=()):
    """Valid, non-empty labels, the first of each name, with harmless values."""
    seen, kept = set(taken), []
    for name, value in labels:
        if not LABEL_NAME.match(name) or not value or name in seen:
            continue
        seen.add(name)
        kept.append((name, value.replace('"', "'").replace("\\", "/").replace("\n", " ")))
    return kept


def fit(ids, labels):
    """Ids first, then as many labels as the limit allows, dropped from the end."""
    def length(pairs):
        return sum(len(name) + len(value) for name, value in pairs)

    labels = list(labels)
    while labels and length(ids) + length(labels) > LABEL_LIMIT:
        labels.pop()
    return ids + labels


def offer_labels(trace_id, span_id, extra):
    ids = [("trace_id", trace_id), ("span_id", span_id)]
    return fit(ids, clean_labels(extra, taken=("trace_id", "span_id")))


def explicit_labels(labels):
    kept = clean_labels(labels)
    ids = []
    for name, digits in (("trace_id", 32), ("span_id", 16)):
        for pair in kept:
            found = hex_id(pair[1], digits) if pair[0] == name else None
            if found:
                ids.append((name, found))
                kept.remove(pair)
                break
    return fit(ids, kept)


class Exemplar:
    def __init__(self, epoch, priority, stamp, value, labels, mono, tied):
        self.order = (epoch, priority)
        self.epoch, self.stamp, self.value = epoch, stamp, value
        self.labels, self.mono, self.tied = labels, mono, tied
        self.rank = min(priority, SHUT + 1)


class Bucket:
    """The gate and the ring of one bucket."""

    def __init__(self, windows, policy):
        self.windows, self.policy = windows, policy
        self.head = (0, 0)
        self.budget = (0, 0)  # epoch, look-ups used
        self.ring = None
        self.last_ms = 0
        self.last_epoch = 0

    def offer(self, old_count, value, context, extra, trace_based):
        prio = {"slowest": priority_of_value(value), "first": 1, "uniform": 1}[self.policy]
        if (self.windows.epoch, prio) <= self.head and old_count & 15:
            return
        self.windows.turn_if_due()
        epoch = self.windows.epoch
        if self.policy == "uniform" and self.head[0] == epoch:
            raise CaseError("two offers of one window to a uniform ring: the winner is a free choice")
        if (epoch, prio) <= self.head:
            return
        used = self.budget[1] if self.budget[0] == epoch else 0
        if used >= BUDGET:
            self.head = max(self.head, (epoch, SHUT))
            return
        self.budget = (epoch, used + 1)
        trace_id, span_id, flags = context
        if trace_based and not flags & 1:
            return
        self.write(prio, value, offer_labels(trace_id, span_id, extra))

    def explicit(self, value, labels):
        labels = explicit_labels(labels)
        if not labels:
            return
        self.windows.turn_if_due()
        same_window = self.head[0] == self.windows.epoch
        self.write(max(SHUT, self.head[1] if same_window else 0) + 1, value, labels)

    def write(self, prio, value, labels):
        windows = self.windows
        self.head = (windows.epoch, prio)
        if self.ring is None:
            self.ring = []
            self.last_ms = windows.greatest_stamp if windows.greatest_stamp > windows.wall else 0
        tied = prio > SHUT and self.last_epoch == windows.epoch and self.last_ms >= windows.wall + STAMP_AHEAD_MS
        if not tied:
            self.last_ms = max(windows.wall, self.last_ms + 1)
        self.last_epoch = windows.epoch
        windows.greatest_stamp = max(windows.greatest_stamp, self.last_ms)
        self.ring.append(Exemplar(windows.epoch, prio, self.last_ms, value, labels, windows.mono, tied))

    def shown(self, lo, open_epoch):
        closed = [x for x in self.ring or [] if x.epoch < open_epoch]
        young = [x for x in closed if self.windows.mono - x.mono <= AGE_MAX_MS]
        fresh = [x for x in young if x.epoch >= lo]
        if fresh:
            if self.policy == "uniform" and len({x.epoch for x in fresh}) > 1:
                raise CaseError("two windows of a uniform ring to choose from: the winner is a free choice")
            return max(fresh, key=lambda x: (x.rank, x.order))
        newest = max(closed, key=lambda x: x.order, default=None)
        return newest if newest in young and not newest.tied else None


class Scraper:
    def __init__(self, now, newest):
        self.last, self.gap, self.score, self.trusted = now, 0, 0, False
        self.mark, self.lo, self.join_lo = 0, newest, newest


class Windows:
    """The shared epoch and the marks of the scrapers."""

    def __init__(self, wall, mono):
        self.wall, self.mono = wall, mono
        self.epoch, self.opened = 1, mono
        self.greatest_stamp = 0
        self.scrapers = {}

    def set_clock(self, wall, mono):
        self.wall, self.mono = wall, mono

    def turn_if_due(self):
        if self.mono - self.opened >= W_MAX_MS:
            self.epoch, self.opened = self.epoch + 1, self.mono

    def scrape(self, who):
        """Ends the window; (lo, open) of this scraper, whose mark moves on."""
        known = self.scrapers.get(who)
        returns = known is not None and self.mono - known.last >= W_MIN_MS
        if returns or self.mono - self.opened >= W_MIN_MS:
            self.epoch, self.opened = self.epoch + 1, self.mono
        lo = self.lower(who)
        scraper = self.scrapers[who]
        scraper.mark = max(scraper.mark, self.epoch)
        return lo, self.epoch

    def lower(self, who):
        now = self.mono
        newest = max((s.mark for s in self.scrapers.values()), default=0)
        scraper = self.scrapers.get(who)
        if scraper is None or now - scraper.last > FORGET_MS:
            if scraper is None and len(self.scrapers) == 16:
                raise CaseError("more than 16 scrapers: which one is forgotten is not modelled")
            self.scrapers[who] = scraper = Scraper(now, newest)
        else:
            self.judge(scraper, now - scraper.last)
            scraper.last = now
            if scraper.trusted:
                # Named scrapers have a class each, so no entry of the class is asked.
                lo = scraper.mark
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
