"""The command as it is built from this tree, and segments to look into."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@dataclasses.dataclass(frozen=True)
class Programs:
    spanpin: str
    segments: str
    batch_job: str


@pytest.fixture(scope="session")
def programs() -> Programs:
    subprocess.run(["cargo", "build", "-q", "-p", "spanpin-cli", "--bins", "--examples"], cwd=ROOT, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
    return Programs(str(target / "spanpin"), str(target / "examples/test-segments"), str(target / "examples/batch-job"))


@pytest.fixture
def folder() -> Iterator[pathlib.Path]:
    """A folder in memory, where segments should lie."""
    shm = pathlib.Path("/dev/shm")
    path = pathlib.Path(tempfile.mkdtemp(prefix="spanpin-cli-", dir=shm if shm.is_dir() else None))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def segments(programs: Programs, folder: pathlib.Path) -> pathlib.Path:
    """A folder with first.spanpin, second.spanpin and third.spanpin."""
    subprocess.run([programs.segments, str(folder)], check=True)
    return folder


class Server:
    """`spanpin serve` on a port of its own."""

    def __init__(self, spanpin: str, log: pathlib.Path, *arguments: str) -> None:
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen([spanpin, "serve", "--listen", "127.0.0.1:0", *arguments], stderr=out)
        for _ in range(600):
            said = log.read_text()
            if "/metrics\n" in said or self.process.poll() is not None:
                break
            time.sleep(0.05)
        assert "/metrics\n" in said, said
        self.port = int(said.split("/metrics")[0].rsplit(":", 1)[1])

    def get(self, accept: str = OPENMETRICS, user_agent: str = "test", path: str = "/metrics") -> str:
        headers = {"Accept": accept, "User-Agent": user_agent}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read().decode()

    def stop(self) -> int:
        self.process.terminate()
        try:
            return self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


@pytest.fixture
def serve(programs: Programs, tmp_path: pathlib.Path):
    """Starts servers that end with the test."""
    started: list[Server] = []

    def start(*arguments: str) -> Server:
        started.append(Server(programs.spanpin, tmp_path / f"serve-{len(started)}.log", *arguments))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.stop()
