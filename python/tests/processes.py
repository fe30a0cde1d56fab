"""Programs of several processes, for test_processes.py: ``processes.py PROGRAM [ARGUMENTS]``.

What they print is JSON. A child that hangs is ended by its alarm, which shows in its status.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from typing import Any

import spanpin

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
WORKERS = 4
EACH = 2_000
HANGS_AFTER = 30

# At import time, as in a service: a spawned process registers them anew.
BUSY = spanpin.Gauge("busy_workers", "Workers at work.")
LEVEL = spanpin.Gauge("level", "What was set last.")
JOBS = spanpin.Counter("jobs_total", "Jobs done.", ["kind"])
SECONDS = spanpin.Histogram("job_seconds", "Time of a job.", ["worker"], unit="seconds")


def page() -> str:
    return spanpin.scrape(accept=OPENMETRICS)[1].decode()


def work(worker: int, barrier: Barrier, pages: Queue[str]) -> None:
    """Count, then show what this process sees once all have counted."""
    for number in range(EACH):
        trace = f"00-{worker + 1:032x}-{number + 1:016x}-01"
        SECONDS.labels(worker).observe(0.3, trace=trace)
        JOBS.labels(number % 50).inc()
    barrier.wait(HANGS_AFTER)
    pages.put(page())


def started_by(method: str) -> None:
    """Workers of `multiprocessing`, side by side."""
    context: Any = multiprocessing.get_context(method)
    pages, barrier = context.Queue(), context.Barrier(WORKERS)
    workers = [context.Process(target=work, args=(n, barrier, pages)) for n in range(WORKERS)]
    for process in workers:
        process.start()
    found = [pages.get(timeout=2 * HANGS_AFTER) for _ in workers]
    for process in workers:
        process.join(HANGS_AFTER)
    print(json.dumps({"codes": [p.exitcode for p in workers], "pages": [*found, page()]}))


def child(program: Callable[[], int]) -> int:
    """Fork. The program's result is the child's exit status; returns its process id."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(HANGS_AFTER)
        status = 255
        try:
            status = program()
        finally:
            os._exit(status)
    return pid


def status_of(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def threaded() -> None:
    """Forks while threads register, make series and scrape.

    A child registers what the threads are about to, and counts once in each; what was
    registered when it was forked is none of its business.
    """
    stop = threading.Event()
    newest = 0

    def register() -> None:
        nonlocal newest
        for number in range(1, 2_000):
            if stop.is_set():
                return
            spanpin.Counter(f"c{number}_total", "Help.").inc()
            JOBS.labels(number % 500).inc()
            newest = number

    def scrape() -> None:
        for _ in range(100_000):
            if stop.is_set():
                return
            page()

    def in_child() -> int:
        counted = 0
        for number in range(newest, newest + 5):
            try:
                spanpin.Counter(f"c{number}_total", "Help.").inc()
                counted += 1
            except spanpin.SpanpinError as error:
                if error.code != "duplicate_name":
                    return 254
        JOBS.labels("child").inc()
        return counted if "# EOF" in page() else 253

    threads = [threading.Thread(target=target) for target in (register, scrape)]
    for thread in threads:
        thread.start()
    statuses = [status_of(child(in_child)) for _ in range(60)]
    stop.set()
    for thread in threads:
        thread.join()
    print(json.dumps({"statuses": statuses, "newest": newest, "page": page()}))


def in_registration() -> None:
    """Forks in the middle of a registration, which both processes then finish."""
    forked: list[int] = []

    def names() -> Iterator[str]:
        yield "half"
        forked.append(os.fork())
        if forked[-1] == 0:
            signal.alarm(HANGS_AFTER)
        yield "done"

    family = spanpin.Counter("forked_total", "Help.", names())
    family.labels("a", "b").inc()
    if forked[0] == 0:
        os._exit(0 if "# EOF" in page() else 1)
    status = status_of(forked[0])
    print(json.dumps({"statuses": [status], "page": page()}))


def alone() -> None:
    """Without a file: a forked process says so at its first scrape, its parent never."""

    def in_child() -> int:
        JOBS.labels("x").inc()
        return (page() + page()).count('spanpin_segment_degraded{reason="per_worker"} 1')

    statuses = [status_of(child(in_child)) for _ in range(2)]
    print(json.dumps({"statuses": statuses, "page": page()}))


def gauges() -> None:
    """What a worker added to a gauge goes when it is killed; what it set stays."""
    BUSY.inc()
    LEVEL.inc(2)
    told, tell = os.pipe()
    seen = [BUSY.get(), LEVEL.get()]

    def in_child() -> int:
        BUSY.inc(10)
        LEVEL.set(5)
        LEVEL.inc()
        os.write(tell, b"!")
        signal.pause()
        return 1

    for _ in range(2):
        pid = child(in_child)
        os.read(told, 1)
        seen += [BUSY.get(), LEVEL.get()]
        os.kill(pid, signal.SIGKILL)
        assert status_of(pid) == -signal.SIGKILL
        seen += [BUSY.get(), LEVEL.get()]
    BUSY.dec()
    LEVEL.dec()
    print(json.dumps({"seen": [*seen, BUSY.get(), LEVEL.get()], "page": page()}))


if __name__ == "__main__":
    programs = {
        "gauges": gauges,
        "started_by": started_by,
        "threaded": threaded,
        "in_registration": in_registration,
        "alone": alone,
    }
    programs[sys.argv[1]](*sys.argv[2:])  # type: ignore[operator]
