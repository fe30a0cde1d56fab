"""What a scrape costs in a service with several workers.

    build/venv/bin/python benches/python/multiprocess.py [ROUNDS]

A service of 1, 4 or 16 workers, all alive, that have recorded the same between them: 16 times into each bucket
of 100 histograms of 11 bounds and into 100 counters, with a sampled span, and with a scrape between. Then one
worker after another is scraped, in OpenMetrics: spanpin's workers count in one segment, prometheus_client's each
in files of their own, which the scraped one adds up. The services take turns; a figure is the median of the
rounds, in CPU time of the scraped worker. Every answer is checked for the sum of what all workers have recorded,
and its exemplars are counted.

Prints a table and the ratios; `--json` also a line for each turn.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

SIZES = (1, 4, 16)
SERIES = 100
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
ONE_PER_BUCKET = (*(bound * 0.99 for bound in BOUNDS), 11.0)
ACCEPT = "application/openmetrics-text; version=1.0.0"
# How often all of it is recorded, by all workers together: more often than a ring of exemplars has slots.
PASSES = 16
# Scrapes of a turn, after those that nobody measures.
UNMEASURED, MEASURED = 3, 5
# Windows are at least so long, in seconds: a scrape after it is one of its own.
WINDOW = 0.02
# Whether the C library gives memory back after a scrape, to fetch it again at the next, depends on a process' past. Here it
# never does, in no engine.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}


Scrape = Callable[[], bytes]


def record_spanpin(passes: int) -> Scrape:
    import spanpin

    histogram = spanpin.Histogram("request_seconds", "Time to answer.", ["route"], buckets=BOUNDS)
    counter = spanpin.Counter("requests", "Requests.", ["route"])
    for _ in range(passes):
        for number in range(SERIES):
            trace = f"00-{os.getpid():032x}-{number + 1:016x}-01"
            for value in ONE_PER_BUCKET:
                histogram.labels(f"/route/{number}").observe(value, trace=trace)
            counter.labels(f"/route/{number}").inc(trace=trace)
        time.sleep(WINDOW)
        spanpin.scrape(ACCEPT)
    return lambda: spanpin.scrape(ACCEPT)[1]


def record_prometheus_client(passes: int) -> Scrape:
    from prometheus_client import CollectorRegistry, Counter, Histogram
    from prometheus_client.multiprocess import MultiProcessCollector
    from prometheus_client.openmetrics.exposition import generate_latest

    histogram = Histogram("request_seconds", "Time to answer.", ["route"], buckets=BOUNDS)
    counter = Counter("requests", "Requests.", ["route"])
    for number in [*range(SERIES)] * passes:
        labels = {"trace_id": f"{os.getpid():032x}", "span_id": f"{number + 1:016x}"}
        for value in ONE_PER_BUCKET:
            histogram.labels(f"/route/{number}").observe(value, exemplar=labels)
        counter.labels(f"/route/{number}").inc(exemplar=labels)

    def scrape() -> bytes:
        # As its documentation has it: a registry for each request.
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        return bytes(generate_latest(registry))

    return scrape


ENGINES = {"spanpin": record_spanpin, "prometheus_client": record_prometheus_client}


def serve(engine: str, passes: int) -> None:
    """A worker: records, then answers each line on its standard input with what a scrape gave and took."""
    scrape = ENGINES[engine](passes)
    print("ready", flush=True)
    for _ in sys.stdin:
        for _ in range(UNMEASURED):
            scrape()
        took = []
        for _ in range(MEASURED):
            started = time.process_time_ns()
            body = scrape()
            took.append(time.process_time_ns() - started)
        text = body.decode()
        counted = sum(float(n) for n in re.findall(r"^request(?:s_total|_seconds_count)\{.*?\} (\S+)", text, re.MULTILINE))
        answer = {"cpu_ns": median(took), "counted": counted, "exemplars": text.count(" # {"), "bytes": len(body)}
        print(json.dumps(answer), flush=True)


class Service:
    """Workers of one engine, and what their scrapes took."""

    def __init__(self, engine: str, size: int, folder: str) -> None:
        self.engine, self.size = engine, size
        self.answers: list[dict[str, Any]] = []
        self.turn = 0
        # Both libraries take the directory from this variable.
        environment = {**os.environ, **MALLOC, "PROMETHEUS_MULTIPROC_DIR": folder}
        environment.pop("SPANPIN_SEGMENT", None)
        command = [sys.executable, __file__, str(PASSES // size), "--serve", engine]
        self.workers = []
        # One by one, so that each of them has windows of its own.
        for _ in range(size):
            worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
            self.workers.append(worker)
            assert worker.stdout is not None
            if worker.stdout.readline() != "ready\n":
                raise SystemExit(f"a worker of {engine} did not start")

    def scrape(self) -> None:
        worker = self.workers[self.turn % self.size]
        self.turn += 1
        assert worker.stdin is not None and worker.stdout is not None
        worker.stdin.write("scrape\n")
        worker.stdin.flush()
        answer = json.loads(worker.stdout.readline())
        wanted = PASSES * SERIES * (len(ONE_PER_BUCKET) + 1)
        if answer["counted"] != wanted:
            raise SystemExit(f"wrong answer: {self.engine} counted {answer['counted']}, recorded were {wanted}")
        self.answers.append(answer)

    def cpu(self) -> float:
        return median(answer["cpu_ns"] for answer in self.answers)

    def row(self) -> str:
        took = [answer["cpu_ns"] / 1e6 for answer in self.answers]
        exemplars = min(answer["exemplars"] for answer in self.answers)
        spread = f"{min(took):.2f} to {max(took):.2f}"
        return f"| {self.engine} | {self.size} | {self.cpu() / 1e6:.2f} ms | {spread} | {exemplars} |"

    def end(self) -> None:
        for worker in self.workers:
            assert worker.stdin is not None
            worker.stdin.close()
        for worker in self.workers:
            worker.wait()


def verdict(what: str, ratio: float, bar: str, met: bool) -> str:
    return f"| {what} | {ratio:.2f} | {bar} | {'yes' if met else 'NO'} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", type=int, nargs="?", default=16)
    parser.add_argument("--json", action="store_true", help="also print every turn")
    parser.add_argument("--serve", choices=ENGINES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.rounds)
        return
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="spanpin-bench-", dir=place) as folder:
        services = []
        for engine in ENGINES:
            for size in SIZES:
                own = Path(folder, f"{engine}-{size}")
                own.mkdir()
                services.append(Service(engine, size, str(own)))
        for number in range(options.rounds):
            for service in services if number % 2 == 0 else services[::-1]:
                service.scrape()
        for service in services:
            service.end()
    if options.json:
        for service in services:
            for answer in service.answers:
                print(json.dumps({"engine": service.engine, "workers": service.size, **answer}))
    print("| engine | workers | a scrape, CPU | of single rounds, ms | exemplars |\n|---|---|---|---|---|")
    for service in services:
        print(service.row())
    cpu = {(service.engine, service.size): service.cpu() for service in services}
    print("\n| ratio | | bar | met |\n|---|---|---|---|")
    for size in SIZES[1:]:
        ratio = cpu["spanpin", size] / cpu["spanpin", 1]
        print(verdict(f"spanpin, {size} workers against 1", ratio, "0.90 to 1.10", 0.9 <= ratio <= 1.1))
    for size in SIZES[1:]:
        ratio = cpu["prometheus_client", size] / cpu["spanpin", size]
        print(verdict(f"prometheus_client against spanpin, {size} workers", ratio, "at least 30", ratio >= 30))


if __name__ == "__main__":
    main()
