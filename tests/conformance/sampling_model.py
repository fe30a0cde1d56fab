"""The lots of the oracle: hashes of series, what is drawn by them, and adaptive sampling.

README.md says how a lot is made; everything else here follows the documents, with lists of counts in place of atomic
words.
"""

import math
from collections import deque

MASK = 2**64 - 1
FACTOR = 0xD6E8FEB86659FD93
GOLDEN = 0x9E3779B97F4A7C15
SALTS = {"probability": 0x9B0B, "adaptive": 0xADA9}

QUARTERS = 4
OBSERVATIONS_LEAST = 100
REFRESH_MS = 1000
MIDDLE, BELOW = 0.10, 0.01


def fold(value, text):
    """Folds a text into a hash: its length, its words of 8 bytes, and what is left of it."""
    data = text.encode("utf-8")
    whole = len(data) // 8 * 8
    words = [len(data) | 1 << 63]
    words += [int.from_bytes(data[at : at + 8], "little") for at in range(0, whole, 8)]
    words.append(int.from_bytes(data[whole:], "big"))
    for word in words:
        product = (value ^ word) * (FACTOR << 1 | 1)
        low, high = product & MASK, product >> 64 & MASK
        value = low ^ (high << 29 | high >> 35) & MASK
    return value


def series_hash(name, values):
    value = fold(0, name)
    for one in values:
        value = fold(value, one)
    return value


def lot(series, bucket, seed):
    """64 bits that are as good as random for each observation."""
    x = series ^ bucket << 56 & MASK ^ seed * GOLDEN & MASK
    for _ in range(2):
        x ^= x >> 32
        x = x * FACTOR & MASK
    return x ^ x >> 32


def is_drawn(purpose, part, series, bucket, seed):
    salted = series ^ SALTS[purpose] * GOLDEN & MASK
    return (lot(salted, bucket, seed) >> 11) / 2**53 < part


def quantile(q, counts, bounds):
    """The quantile as `histogram_quantile` has it; above the last bound, that bound."""
    rank, running = q * sum(counts), 0
    for index, bound in enumerate(bounds):
        count = counts[index]
        if count and running + count >= rank:
            start = bounds[index - 1] if index else min(0.0, bound)
            return start + (bound - start) * ((rank - running) / count)
        running += count
    return bounds[-1] if bounds else -math.inf


class Adaptive:
    """The bands of one series."""

    def __init__(self, options, bounds):
        self.window_ms = 1000 * options.get("window", 120)
        self.lower, self.bounds = options.get("lower", 0.8), bounds
        self.refreshed = self.copied = None
        self.copies = deque(maxlen=QUARTERS)
        self.bands = (-math.inf, -math.inf)

    def refresh(self, counts, given, now):
        if self.refreshed is not None and now - self.refreshed < REFRESH_MS:
            return
        self.refreshed = now
        since = self.window_ms if self.copied is None else now - self.copied
        if since >= self.window_ms // QUARTERS:
            self.copied = now
            # A copy for each quarter that has passed, so that what is older than the window does not count.
            self.copies.extend([list(counts)] * min(QUARTERS, since // (self.window_ms // QUARTERS)))
        self.bands = self.find(counts, given)

    def close(self, counts, given):
        """Looks again for the bands while there are none."""
        if self.bands[0] == -math.inf:
            self.bands = self.find(counts, given)

    def find(self, counts, given):
        counts = [now - then for now, then in zip(counts, self.copies[0])]
        if sum(counts) < OBSERVATIONS_LEAST:
            return -math.inf, -math.inf
        upper = quantile(0.99, counts, self.bounds) if given is None else given
        if self.lower != "p95":
            lower = self.lower * upper
        else:
            lower = quantile(0.95, counts, self.bounds) if self.bounds else 0.8 * upper
        return upper, min(lower, upper)

    def keeps(self, value, series, bucket, seed):
        upper, lower = self.bands
        part = 1.0 if value > upper else MIDDLE if value > lower else BELOW
        return part == 1.0 or is_drawn("adaptive", part, series, bucket, seed)
