"""Processes that fork, spawn or come from a fork server count together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from prometheus_client.samples import Sample

import processes
from reading import parsed

HERE = Path(__file__).parent


@pytest.fixture
def segment() -> Iterator[str]:
    with TemporaryDirectory(prefix="spanpin-", dir="/dev/shm") as directory:
        yield f"{directory}/metrics.spanpin"


def run(*arguments: str, segment: str = "") -> tuple[dict[str, Any], str]:
    """What a program prints, and what it writes to standard error."""
    ended = subprocess.run(
        [sys.executable, str(HERE / "processes.py"), *arguments],
        env={**os.environ, "SPANPIN_SEGMENT": segment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout), ended.stderr


def samples(page: str, name: str) -> list[Sample]:
    families = parsed(page.encode()).values()
    return [sample for family in families for sample in family.samples if sample.name == name]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_multiprocessing(method: str, segment: str) -> None:
    answer, errors = run("started_by", method, segment=segment)
    assert errors == ""
    assert answer["codes"] == [0] * processes.WORKERS
    # What each worker saw when all had counted, and what the parent sees.
    for page in answer["pages"]:
        by_kind = samples(page, "jobs_total")
        assert len(by_kind) == 50
        assert {s.value for s in by_kind} == {processes.WORKERS * processes.EACH / 50}
        of_workers = samples(page, "job_seconds_count")
        assert {s.labels["worker"]: s.value for s in of_workers} == {
            str(n): processes.EACH for n in range(processes.WORKERS)
        }
        shown = {
            (sample.labels["worker"], int(sample.exemplar.labels["trace_id"], 16))
            for sample in samples(page, "job_seconds_bucket")
            if sample.exemplar
        }
        assert shown == {(str(n), n + 1) for n in range(processes.WORKERS)}


def test_gauges_are_those_of_the_living_workers(segment: str) -> None:
    answer, errors = run("gauges", segment=segment)
    assert errors == ""
    assert answer["seen"] == [1, 2, *[11, 6, 1, 6] * 2, 0, 5]
    names = ["busy_workers", "level"]
    shown = {name: [s.value for s in samples(answer["page"], name)] for name in names}
    assert shown == {"busy_workers": [0], "level": [5]}


def test_children_of_a_threaded_parent(segment: str) -> None:
    answer, errors = run("threaded", segment=segment)
    assert errors == ""
    statuses, newest = answer["statuses"], answer["newest"]
    assert min(statuses) >= 0
    assert max(statuses) <= 5
    assert sum(statuses) > 0
    jobs = {s.labels["kind"]: s.value for s in samples(answer["page"], "jobs_total")}
    assert jobs["child"] == len(statuses)
    counted = sum(
        sample.value
        for family in parsed(answer["page"].encode()).values()
        if family.name[0] == "c" and family.name[1:].isdigit()
        for sample in family.samples
    )
    assert counted == newest + sum(statuses)


def test_a_fork_in_the_middle_of_a_registration(segment: str) -> None:
    answer, errors = run("in_registration", segment=segment)
    assert (answer["statuses"], errors) == ([0], "")
    [sample] = samples(answer["page"], "forked_total")
    assert (sample.value, sample.labels) == (2, {"half": "a", "done": "b"})


# Another thread forks while this one makes the default registry, at a look-up in the environment.
FORKED_WHILE_IT_IS_MADE = """
import os, signal, threading, spanpin

statuses = []

def fork():
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)
        spanpin.Counter("jobs_total", "Jobs.").inc()
        os._exit(0)
    statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

class Environment(dict):
    asked = False

    def get(self, name, default=None):
        if name == "SPANPIN_SEGMENT" and not self.asked:
            self.asked = True
            thread = threading.Thread(target=fork)
            thread.start()
            thread.join()
        return super().get(name, default)

os.environ = Environment(os.environ)
spanpin.Counter("jobs_total", "Jobs.").inc()
print(statuses, [line for line in spanpin.scrape()[1].decode().splitlines() if line[:4] == "jobs"])
"""


def test_a_fork_while_the_default_registry_is_made(segment: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", FORKED_WHILE_IT_IS_MADE],
        env={**os.environ, "SPANPIN_SEGMENT": segment},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert (ended.stdout, ended.stderr) == ("[0] ['jobs_total 2']\n", "")


def test_a_process_that_counts_alone_says_so_once() -> None:
    answer, errors = run("alone")
    # Two scrapes in each of two children.
    assert answer["statuses"] == [2, 2]
    assert "spanpin_segment_degraded" not in answer["page"]
    assert samples(answer["page"], "jobs_total") == []
    lines = errors.splitlines()
    assert len(lines) == 2
    assert all("counts in memory of its own" in line for line in lines)
    assert all("(SPANPIN_SEGMENT, or its option segment)" in line for line in lines)
