"""The bucket bounds all four services use, and which bucket a value falls into."""

import bisect
import math

# The default bounds of every binding; the services register nothing else.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, math.inf)


def index_of(value: float) -> int:
    """Return the index of the bucket of `value`: bounds are inclusive."""
    return bisect.bisect_left(BOUNDS, value)


def index_of_le(le: str) -> int:
    """Return the index of the bucket whose `le` label reads `le`.

    Compared as a number: Prometheus 3 rewrites `le="1"` to `le="1.0"`, 2.42
    leaves it alone.
    """
    return BOUNDS.index(float(le))
