"""A Go, a Python and a C process record into one segment file at the same time.

Each registers the same two families, waits for a line, and records as often as it is told into a series of all and one of
its own, and creates series that the others create as well. The spans say who recorded what: the trace id is the number of
the writer and that of the observation plus one, which is the span id too, and the value follows from it.
"""

from __future__ import annotations

import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator

import pytest
import spanpin
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
WRITERS = {"go": 1, "python": 2, "c": 3}
# The lower bound of each bucket, by its upper one.
LOWER = {0.25: 0, 0.5: 0.25, 0.75: 0.5, math.inf: 0.75}
COUNT = int(os.environ.get("COUNT", "20000"))


def need(tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is missing")


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    need("go")
    need("cc")
    folder, c = tmp_path_factory.mktemp("writers"), ROOT / "build/c"
    flags = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{c}/include"]
    libraries = [f"{c}/lib/libspanpin.a", "-lpthread", "-lm"]
    subprocess.run(["cc", *flags, str(HERE / "writer.c"), "-o", str(folder / "c"), *libraries], check=True)
    subprocess.run(["go", "build", "-o", str(folder / "go"), "."], cwd=HERE / "go", check=True)
    return {"go": [str(folder / "go")], "c": [str(folder / "c")], "python": [sys.executable, str(HERE / "writer.py")]}


@pytest.fixture
def segment() -> Iterator[str]:
    shm = pathlib.Path("/dev/shm")
    folder = tempfile.mkdtemp(prefix="spanpin-together-", dir=shm if shm.is_dir() else None)
    yield f"{folder}/all.spanpin"
    shutil.rmtree(folder)


class Page:
    """An exposition, by the strict parser; each exemplar in it was checked to be whole."""

    def __init__(self, body: str) -> None:
        self.values: dict[tuple[str, str, str], float] = {}
        self.writers: dict[str, set[int]] = {}
        for family in parse(body):
            for sample in family.samples:
                who = sample.labels.get("who", "")
                self.values[sample.name, who, sample.labels.get("le", "")] = sample.value
                if sample.exemplar is not None:
                    self.writers.setdefault(who, set()).add(self.writer_of(sample))

    @staticmethod
    def writer_of(sample) -> int:
        trace, span = int(sample.exemplar.labels["trace_id"], 16), int(sample.exemplar.labels["span_id"], 16)
        writer, number = trace >> 64, trace & (1 << 64) - 1
        assert writer in WRITERS.values() and number == span and 1 <= number <= COUNT, sample
        if sample.name == "shared_seconds_bucket":
            assert sample.exemplar.value == (number - 1) % 64 / 64 + 1 / 128, sample
            bound = float(sample.labels["le"])
            assert LOWER[bound] < sample.exemplar.value <= bound, sample
        assert sample.value > 0, sample
        return writer


def scrape(registry: spanpin.Registry, scraper: str) -> Page:
    _, body = registry.scrape(OPENMETRICS, scraper=scraper)
    return Page(body.decode())


def expected() -> dict[tuple[str, str, str], float]:
    """All counts and sums; the values are multiples of 1/128, so sums are exact in any order."""
    values = [i % 64 / 64 + 1 / 128 for i in range(COUNT)]
    wanted: dict[tuple[str, str, str], float] = {}
    for who, times in [("all", len(WRITERS)), *((name, 1) for name in WRITERS)]:
        wanted["shared_seconds_count", who, ""] = times * COUNT
        wanted["shared_seconds_sum", who, ""] = times * math.fsum(values)
        for bound in LOWER:
            le = "+Inf" if bound == math.inf else str(bound)
            wanted["shared_seconds_bucket", who, le] = times * sum(value <= bound for value in values)
        wanted["shared_jobs_total", who, ""] = times * COUNT if who == "all" else COUNT / 2
    for number, times in Counter(i // 100 % 200 for i in range(0, COUNT, 100)).items():
        wanted["shared_jobs_total", f"n{number}", ""] = len(WRITERS) * times
    return wanted


def test_three_languages_count_in_one_file(commands: dict[str, list[str]], segment: str) -> None:
    running: dict[str, subprocess.Popen[str]] = {}
    try:
        for name, command in commands.items():
            arguments = [*command, segment, str(WRITERS[name]), str(COUNT)]
            running[name] = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for process in running.values():
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        reader = spanpin.Registry(segment=segment, strict=True, self_metrics=False)
        for process in running.values():
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()

        done = threading.Event()

        def wait_for_all() -> None:
            for process in running.values():
                assert process.stdout is not None
                said.append(process.stdout.readline())
            done.set()

        said: list[str] = []
        waiting = threading.Thread(target=wait_for_all, daemon=True)
        waiting.start()
        at_work, shown = 0, set()
        for _ in range(6_000):
            page = scrape(reader, "meanwhile")
            counts = [page.values.get(("shared_seconds_count", name, ""), 0) for name in WRITERS]
            at_work += all(0 < count < COUNT for count in counts)
            shown |= page.writers.get("all", set())
            if done.wait(0.02):
                break
        waiting.join(60)
        assert said == ["done\n"] * len(WRITERS)
        assert at_work > 0, "they never recorded at the same time"
        assert shown == set(WRITERS.values())

        # The same from each of them, and from one that only reads; nobody records any more.
        pages = {"reader": scrape(reader, "afterwards")}
        for name, process in running.items():
            body, _ = process.communicate("page\n", timeout=60)
            assert process.returncode == 0
            pages[name] = Page(body)
        wanted = expected()
        for name, page in pages.items():
            got = {key: value for key, value in page.values.items() if key in wanted}
            assert got == wanted, name
            others = {key[1] for key in page.values if key[0].startswith("shared_")} - {key[1] for key in wanted}
            assert others == set(), name
            for who, writer in WRITERS.items():
                assert page.writers[who] == {writer}, (name, who)
    finally:
        for process in running.values():
            if process.poll() is None:
                process.kill()
            process.wait()

    # They are gone; what they counted is not.
    dump = subprocess.run(
        ["cargo", "run", "-q", "-p", "spanpin-cli", "--", "dump", segment],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    page = Page(dump.stdout)
    assert {key: page.values[key] for key in wanted} == wanted
    assert {page.writers[who].pop() for who in WRITERS} == set(WRITERS.values())
