"""A batch job that records into a segment file and ends: job.py SEGMENT

A real one has its span from OpenTelemetry; this one takes it from the variable TRACEPARENT, as a job that is started by a
traced scheduler does.
"""

import os
import sys
import time

import spanpin

registry = spanpin.Registry(segment=sys.argv[1])
runs = spanpin.Histogram("batch_run_seconds", "How long a run took.", ["job"], unit="seconds", registry=registry)
items = spanpin.Counter("batch_items_total", "Items that were worked on.", ["job"], registry=registry)
started = time.perf_counter()

done = sum(1 for n in range(1, 1001) if n % 7 == 0)

items.labels("python").inc(done)
runs.labels("python").observe(time.perf_counter() - started, trace=os.environ.get("TRACEPARENT"))
