"""Servers with several workers, traffic to them, and an account of what was answered."""

from __future__ import annotations

import collections
import http.client
import itertools
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
# Seconds until a server must have started, or a worker been replaced.
PATIENCE = 30


class Server:
    """A server that runs, and the port it has chosen."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log
        self.port = self._port()

    def _port(self) -> int:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", self.log.read_text()):
                return int(found[1])
            time.sleep(0.02)
        raise AssertionError(f"the server did not start:\n{self.log.read_text()}")

    def wait_for(self, line: str, times: int) -> None:
        """Until the server has written this so many times."""
        end = time.monotonic() + PATIENCE
        while (text := self.log.read_text()).count(line) < times:
            assert time.monotonic() < end, text
            time.sleep(0.02)

    def workers(self) -> list[int]:
        """Its child processes, but for those that are dead and those that do not serve."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        found = []
        for child in map(int, children):
            try:
                command = Path(f"/proc/{child}/cmdline").read_bytes()
            except OSError:
                continue
            # That of a dead one is empty.
            if command and b"resource_tracker" not in command:
                found.append(child)
        return found

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        """One request on a connection of its own: the worker that answered, and its body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                raise http.client.HTTPException(f"{response.status} {body!r}")
            return int(response.headers["X-Worker"]), body
        finally:
            connection.close()

    def scrapes(self, workers: set[int]) -> dict[int, str]:
        """A scrape by each of these workers; asks until each of them has answered."""
        found: dict[int, str] = {}
        end = time.monotonic() + PATIENCE
        while not workers <= found.keys():
            assert time.monotonic() < end, f"only {found.keys()} of {workers} answer scrapes"
            worker, body = self.get("/metrics", Accept=OPENMETRICS)
            found[worker] = body.decode()
        return found


@contextmanager
def serving(command: list[str], log: Path, **environment: str) -> Iterator[Server]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=HERE,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Server(process, log)
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
    finally:
        if process.poll() is None:
            # The session is this server's own: it and its workers.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Traffic:
    """Requests by several clients at once, and what became of each.

    A request is acknowledged when its answer was read to the end. Of others nobody knows
    whether they were counted: the worker may have died before or after.
    """

    def __init__(self, server: Server, clients: int, routes: int) -> None:
        self.server = server
        self.acknowledged: collections.Counter[str] = collections.Counter()
        self.unacknowledged: collections.Counter[str] = collections.Counter()
        self.workers: collections.Counter[int] = collections.Counter()
        self.unexpected: list[str] = []
        self._numbers = itertools.count(1)
        self._routes = routes
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._client) for _ in range(clients)]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _client(self) -> None:
        while not self._stop.is_set():
            number = next(self._numbers)
            route = f"r{number % self._routes}"
            traceparent = f"00-{number:032x}-{number:016x}-01"
            try:
                worker, body = self.server.get(f"/work/{route}", traceparent=traceparent)
            except (OSError, http.client.HTTPException):
                with self._lock:
                    self.unacknowledged[route] += 1
                continue
            with self._lock:
                if body != f"done {route}".encode():
                    self.unexpected.append(repr(body))
                self.acknowledged[route] += 1
                self.workers[worker] += 1


def kill_one_every_second(server: Server, seconds: int) -> list[int]:
    """Kill a worker by SIGKILL each second; at most one, so that there is always another."""
    killed = []
    for _ in range(seconds):
        time.sleep(1)
        victim = random.choice(server.workers())
        os.kill(victim, signal.SIGKILL)
        killed.append(victim)
    return killed
