"""The writer in Python: writer.py SEGMENT NUMBER COUNT. test_together.py says what it does."""

import sys
import time

import spanpin

segment, writer, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
registry = spanpin.Registry(segment=segment, strict=True)
seconds = spanpin.Histogram("shared_seconds", "Values of all.", ["who"], unit="seconds", buckets=[0.25, 0.5, 0.75], registry=registry)
jobs = spanpin.Counter("shared_jobs_total", "Jobs of all.", ["who"], registry=registry)

print("ready", flush=True)
sys.stdin.readline()
for i in range(count):
    if i % (count // 100) == 0:
        # So that all three are at work at one time, however fast one of them is.
        time.sleep(0.01)
    # The value follows from the span.
    value, span = i % 64 / 64 + 1 / 128, spanpin.TraceContext(writer << 64 | i + 1, i + 1)
    seconds.labels("all").observe(value, trace=span)
    seconds.labels("python").observe(value, trace=span)
    jobs.labels("all").inc(trace=span)
    jobs.labels("python").inc(0.5, trace=span)
    if i % 100 == 0:
        # Series that all three create at about the same time.
        jobs.labels(f"n{i // 100 % 200}").inc()
print("done", flush=True)
sys.stdin.readline()
_, body = registry.scrape("application/openmetrics-text", scraper="python")
print(body.decode(), end="")
