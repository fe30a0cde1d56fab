"""Builds and runs the four services, one per language."""

import importlib.util
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import time

from prometheus_server import get
from traffic import Ledger

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SOURCES = HERE / "services"
LANGUAGES = ("python", "go", "c", "rust")

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class MissingPrerequisite(Exception):
    """A tool the machine lacks; the message names it and the remedy.

    What the project itself builds is no prerequisite: without it a test fails.
    """


def build_folder() -> pathlib.Path:
    folder = pathlib.Path(os.environ.get("SPANPIN_BUILD_DIR", ROOT / "build")) / "e2e"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _run(command: list[str], folder: pathlib.Path, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, cwd=folder, env={**os.environ, **(environment or {})}, capture_output=True, check=False)
    if done.returncode != 0:
        output = (done.stdout + done.stderr).decode(errors="replace")
        raise RuntimeError(f"{' '.join(command)} in {folder} exited {done.returncode}:\n{output[-6000:]}")


def _need(tool: str, remedy: str) -> None:
    if shutil.which(tool) is None:
        raise MissingPrerequisite(f"{tool} was not found; {remedy}")


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _python() -> list[str]:
    if not _installed("opentelemetry.sdk"):
        raise MissingPrerequisite("Python module opentelemetry.sdk was not found; run: pip install -r tests/e2e/requirements.txt")
    if not _installed("spanpin"):
        raise RuntimeError(f"{sys.executable} has no module spanpin; run: pip install ./python")
    return [sys.executable, str(SOURCES / "python" / "service.py")]


def _go() -> list[str]:
    _need("go", "install Go 1.26 or newer")
    binary = build_folder() / "service-go"
    _run(["go", "build", "-o", str(binary), "."], SOURCES / "go")
    return [str(binary)]


def _c() -> list[str]:
    compiler = os.environ.get("CC", "cc")
    _need(compiler, "install a C compiler")
    # The variable names a build of the C library elsewhere.
    library = pathlib.Path(os.environ.get("SPANPIN_C_DIR", ROOT / "build" / "c"))
    archive = library / "lib" / "libspanpin.a"
    if not archive.exists():
        raise RuntimeError(f"{archive} does not exist; run: make archive")
    binary = build_folder() / "service-c"
    warnings = ["-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror"]
    sources = [str(p) for p in sorted((SOURCES / "c").glob("*.c"))]
    include = f"-I{library / 'include'}"
    _run([compiler, *warnings, include, *sources, str(archive), "-lpthread", "-o", str(binary)], HERE)
    return [str(binary)]


def _rust() -> list[str]:
    _need("cargo", "install Rust from https://rustup.rs")
    target = os.environ.get("CARGO_TARGET_DIR", str(build_folder() / "rust"))
    _run(["cargo", "build", "--locked", "--quiet"], SOURCES / "rust", {"CARGO_TARGET_DIR": target})
    return [str(pathlib.Path(target) / "debug" / "spanpin-e2e-service")]


BUILDERS = {"python": _python, "go": _go, "c": _c, "rust": _rust}


class Service:
    """A running service, what it was sent, and what it says of itself."""

    def __init__(self, language: str, log_folder: pathlib.Path) -> None:
        self.language = language
        self.ledger = Ledger()
        self.port = 0
        self._log = log_folder / f"service-{language}.log"
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        """Build and start; raises MissingPrerequisite when that is impossible here."""
        command = BUILDERS[self.language]()
        # The services end when their standard input does, so none outlives a
        # test run that was killed.
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log.open("wb"))
        line = self._first_line(timeout=60)
        if not line.startswith("PORT "):
            self.stop()
            raise RuntimeError(f"the {self.language} service printed {line!r}; 'PORT n' was expected:\n{self.log_tail()}")
        self.port = int(line.split()[1])

    def _first_line(self, timeout: float) -> str:
        assert self._process is not None and self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], timeout)
        return self._process.stdout.readline().decode(errors="replace").strip() if ready else ""

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process = None

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log_tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])

    def spans(self) -> dict[tuple[str, str], dict]:
        """Return the sampled spans the service really made, by (trace_id, span_id).

        A span is exported after the answer is sent, so this waits until there
        is one for every sampled request.
        """
        expected = sum(1 for sent in self.ledger.sent() if sent.kind == "sampled")
        spans: list[dict] = []
        for _ in range(100):
            body = get(f"http://127.0.0.1:{self.port}/spans")[1]
            spans = [json.loads(line) for line in body.splitlines()]
            if len(spans) >= expected:
                break
            time.sleep(0.1)
        return {(span["trace_id"], span["span_id"]): span for span in spans}

    def scrape(self, accept: str = OPENMETRICS) -> tuple[str, str]:
        """Scrape the service directly; return content type and body."""
        headers = {"Accept": accept, "User-Agent": "spanpin-e2e"}
        return get(f"http://127.0.0.1:{self.port}/metrics", headers)
