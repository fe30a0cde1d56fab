"""Servers with several workers count together, whoever of them is scraped or killed."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from reading import parsed
from serving import PATIENCE, Server, Traffic, kill_one_every_second, serving

GUNICORN = ["gunicorn", "--bind", "127.0.0.1:0", "--graceful-timeout", "5", "worker_app:app"]
FORMS = {
    "sync": ["--workers", "3"],
    "preload": ["--workers", "3", "--preload"],
    "gthread": ["--workers", "2", "--worker-class", "gthread", "--threads", "3"],
}
UVICORN = ["uvicorn", "--host", "127.0.0.1", "--port", "0", "--workers", "2", "worker_app:asgi_app"]


@pytest.fixture
def segment() -> Iterator[str]:
    """A path on a tmpfs, where segments belong."""
    with TemporaryDirectory(prefix="spanpin-", dir="/dev/shm") as directory:
        yield f"{directory}/metrics.spanpin"


def samples(body: str, name: str, label: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for family in parsed(body.encode()).values():
        for sample in family.samples:
            if sample.name == name:
                found[sample.labels[label]] = sample.value
    return found


def workers_with_exemplars(body: str) -> set[int]:
    """The workers whose series shows an exemplar, with the trace of a request."""
    found = set()
    for family in parsed(body.encode()).values():
        for sample in family.samples:
            if sample.exemplar:
                number = int(sample.exemplar.labels["trace_id"], 16)
                assert number == int(sample.exemplar.labels["span_id"], 16) > 0
                assert sample.exemplar.value == 0.3
                found.add(int(sample.labels["worker"]))
    return found


def until_ready(server: Server, count: int) -> set[int]:
    end = time.monotonic() + PATIENCE
    while len(workers := set(server.workers())) != count:
        assert time.monotonic() < end, f"{workers} in place of {count} workers"
        time.sleep(0.02)
    return workers


def check_account(traffic: Traffic, scrapes: dict[int, str]) -> None:
    """Each scrape has all that was acknowledged, and no more than was asked for."""
    assert not traffic.unexpected
    asked = traffic.acknowledged + traffic.unacknowledged
    for worker, body in scrapes.items():
        counted = samples(body, "requests_total", "route")
        assert counted.keys() <= asked.keys()
        for route in asked:
            least = traffic.acknowledged[route]
            found = counted.get(route, 0.0)
            assert least <= found <= asked[route], (worker, route, least, found, asked[route])
        of_workers = samples(body, "request_seconds_count", "worker")
        for pid, least in traffic.workers.items():
            assert of_workers[str(pid)] >= least
        # A worker observes before it counts, so each that died may have observed one more
        # for each request it was at.
        total = sum(of_workers.values())
        assert traffic.acknowledged.total() <= sum(counted.values()) <= total <= asked.total()
        assert workers_with_exemplars(body) >= traffic.workers.keys()
        assert "spanpin_segment_degraded" in body
        assert not re.search(r"^spanpin_segment_degraded\{.*\} 1", body, re.MULTILINE)


def run_and_kill(arguments: list[str], log: Path, segment: str, seconds: int) -> None:
    count = int(arguments[1])
    with serving([*GUNICORN, *arguments], log, SPANPIN_SEGMENT=segment) as server:
        until_ready(server, count)
        with Traffic(server, clients=4, routes=40) as traffic:
            killed = kill_one_every_second(server, seconds)
        workers = until_ready(server, count)
        scrapes = server.scrapes(workers)
        check_account(traffic, scrapes)
        # The dead ones are in the account, and the traffic went on without them.
        assert len(set(killed) & traffic.workers.keys()) > 0
        assert traffic.acknowledged.total() > 100 * seconds
        print(
            f"{arguments}: {len(killed)} killed, {traffic.acknowledged.total()} acknowledged,"
            f" {traffic.unacknowledged.total()} not,"
            f" {sum(samples(next(iter(scrapes.values())), 'requests_total', 'route').values()):.0f}"
            " counted"
        )
    assert "SPANPIN" not in log.read_text()


@pytest.mark.parametrize("form", FORMS)
def test_gunicorn_with_a_worker_killed_every_second(
    form: str, segment: str, tmp_path: Path
) -> None:
    run_and_kill(FORMS[form], tmp_path / "log", segment, seconds=4)


@pytest.mark.long
@pytest.mark.parametrize("form", FORMS)
def test_gunicorn_with_a_worker_killed_every_second_for_a_minute(
    form: str, segment: str, tmp_path: Path
) -> None:
    run_and_kill(FORMS[form], tmp_path / "log", segment, seconds=60)


def test_uvicorn(segment: str, tmp_path: Path) -> None:
    with serving(UVICORN, tmp_path / "log", SPANPIN_SEGMENT=segment) as server:
        # Started by spawn: all of them attach by the path.
        server.wait_for("Application startup complete", 2)
        with Traffic(server, clients=4, routes=40) as traffic:
            for _ in range(100):
                time.sleep(0.1)
                if len(traffic.workers) == 2 and traffic.acknowledged.total() > 500:
                    break
        assert len(traffic.workers) == 2
        assert traffic.unacknowledged.total() == 0
        check_account(traffic, server.scrapes(set(traffic.workers)))


def test_the_directory_of_prometheus_client(segment: str, tmp_path: Path) -> None:
    """A service that leaves prometheus_client needs no other setting."""
    directory = Path(segment).parent
    arguments = [*GUNICORN, *FORMS["sync"]]
    with serving(arguments, tmp_path / "log", PROMETHEUS_MULTIPROC_DIR=str(directory)) as server:
        workers = until_ready(server, 3)
        with Traffic(server, clients=4, routes=40) as traffic:
            time.sleep(1)
        check_account(traffic, server.scrapes(workers))
    assert [file.name for file in directory.iterdir()] == ["metrics.spanpin"]


def test_workers_without_a_file_say_so_once_each(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serving([*GUNICORN, *FORMS["preload"]], log) as server:
        workers = until_ready(server, 3)
        for _ in range(2):
            scrapes = server.scrapes(workers)
        for body in scrapes.values():
            assert 'spanpin_segment_degraded{reason="per_worker"} 1' in body
    lines = [line for line in log.read_text().splitlines() if "SPANPIN_SEGMENT" in line]
    assert len(lines) == 3, log.read_text()
    assert "counts in memory of its own" in lines[0]
