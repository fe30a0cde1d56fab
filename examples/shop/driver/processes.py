"""Starts the services and ends them again, whatever happens in between."""

from __future__ import annotations

import select
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PORTS = {"users-python": 8101, "users-go": 8102, "orders-c": 8103, "orders-rust": 8104}
# Which orders each users service asks.
ORDERS = {"users-python": "orders-c", "users-go": "orders-rust"}
ROUTES = {"users-python": "/users", "users-go": "/users", "orders-c": "/orders", "orders-rust": "/orders"}


class StartError(Exception):
    """A program that did not get ready. The message holds the end of its output."""


def port_or_zero(port: int) -> int:
    """The port if it is free, else 0, which lets the system pick one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


class Processes:
    """Everything that was started. Leaving the `with` block ends it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []
        # So that nothing stays behind even if this program is killed.
        self._prefix = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []

    def start(self, name: str, command: list[str], stdout: int) -> subprocess.Popen[bytes]:
        """Start in a session of its own, so that Ctrl-C reaches only this program, which then ends the others in order."""
        with (self.folder / f"{name}.stderr").open("ab") as stderr:
            process = subprocess.Popen(
                [*self._prefix, *command],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        self._running.append((name, process))
        return process

    def start_service(self, name: str, command: list[str], urls: dict[str, str]) -> str:
        """Start a service on its own port, or on a free one, and return its URL."""
        files = ["--log", str(self.folder / f"{name}.log"), "--spans", str(self.folder / f"{name}.spans")]
        orders = ["--orders", urls[ORDERS[name]]] if name in ORDERS else []
        for port in (port_or_zero(PORTS[name]), 0):
            process = self.start(name, [*command, "--port", str(port), *files, *orders], subprocess.PIPE)
            words = _first_line(process, 60).split()
            if len(words) == 2 and words[0] == name:
                return words[1]
            # Somebody else may have taken the port in the meantime.
            self._end(process)
        raise StartError(f"{name} did not get ready:\n{self.stderr(name)}")

    def stderr(self, name: str) -> str:
        return "\n".join((self.folder / f"{name}.stderr").read_text(errors="replace").splitlines()[-20:])

    def dead(self) -> list[str]:
        """The names of programs that ended by themselves."""
        return [name for name, process in self._running if process.poll() is not None]

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdout:
            process.stdout.close()
        self._running = [(name, other) for name, other in self._running if other is not process]

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        # A second Ctrl-C must not leave half of them running.
        before = {stop: signal.signal(stop, signal.SIG_IGN) for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        # All at once first, so that they need not wait for each other.
        for _name, process in self._running:
            if process.poll() is None:
                process.terminate()
        for _name, process in reversed(self._running.copy()):
            self._end(process)
        for stop, handler in before.items():
            signal.signal(stop, handler)


def _first_line(process: subprocess.Popen[bytes], seconds: float) -> str:
    assert process.stdout is not None
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ready, _, _ = select.select([process.stdout], [], [], 0.2)
        if ready:
            return process.stdout.readline().decode(errors="replace")
        if process.poll() is not None:
            break
    return ""
