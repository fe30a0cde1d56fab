"""A real Prometheus server on a free port, and the parts of its API the test asks."""

import json
import pathlib
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass

START_ATTEMPTS = 3


@dataclass(frozen=True)
class Exemplar:
    """One exemplar as `query_exemplars` returned it."""

    series: dict[str, str]
    labels: dict[str, str]
    value: float
    timestamp: float


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url: str, headers: dict[str, str] | None = None) -> tuple[str, str]:
    """Return content type and body of `url`."""
    request = urllib.request.Request(url, headers=headers or {})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.headers.get("Content-Type", ""), answer.read().decode()


class Prometheus:
    """One server; `jobs` is a list of scrape_configs entries."""

    def __init__(self, binary: str, folder: pathlib.Path, name: str, jobs: list[dict]) -> None:
        self.name = name
        self.port = 0
        self._binary = binary
        self._folder = folder / name
        self._folder.mkdir()
        self._process: subprocess.Popen | None = None
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "900ms"},
            "storage": {"exemplars": {"max_exemplars": 100_000}},
            "scrape_configs": jobs,
        }
        # JSON is YAML, so no YAML writer is needed.
        (self._folder / "prometheus.yml").write_text(json.dumps(config, indent=1))

    def start(self) -> None:
        # Another process may take the free port before the server binds it.
        for _ in range(START_ATTEMPTS):
            self.port = free_port()
            with (self._folder / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    [
                        self._binary,
                        f"--config.file={self._folder / 'prometheus.yml'}",
                        f"--storage.tsdb.path={self._folder / 'data'}",
                        f"--web.listen-address=127.0.0.1:{self.port}",
                        "--enable-feature=exemplar-storage",
                        # Hidden flag: without it new targets wait 5 s.
                        "--scrape.discovery-reload-interval=100ms",
                    ],
                    stdout=log,
                    stderr=log,
                )
            if self._wait_until_ready():
                return
            self.stop()
        raise RuntimeError(f"prometheus {self.name} did not get ready in {START_ATTEMPTS} attempts:\n{self.log_tail()}")

    def _wait_until_ready(self) -> bool:
        assert self._process is not None
        for _ in range(600):
            if self._process.poll() is not None:
                return False
            try:
                get(f"http://127.0.0.1:{self.port}/-/ready")
                return True
            except OSError:
                time.sleep(0.1)
        return False

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def log_tail(self) -> str:
        return "\n".join((self._folder / "log").read_text(errors="replace").splitlines()[-20:])

    def _api(self, path: str, **parameters: str):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            return json.loads(get(url)[1])["data"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path} with {parameters}: {error.read().decode()}") from error

    def version(self) -> str:
        return self._api("status/buildinfo")["version"]

    def query(self, expression: str) -> list[dict]:
        return self._api("query", query=expression)["result"]

    def exemplars(self, expression: str, start: float) -> list[Exemplar]:
        """Return the stored exemplars of all series of `expression` since `start`."""
        found = self._api("query_exemplars", query=expression, start=f"{start:.3f}", end=f"{time.time() + 60:.3f}")
        return [
            Exemplar(series["seriesLabels"], e["labels"], float(e["value"]), float(e["timestamp"]))
            for series in found
            for e in series["exemplars"]
        ]

    def scrapes(self, since: float = 0.0) -> dict[tuple[str, str], int]:
        """Return the number of good scrapes per (job, service) that began after `since`."""
        result = {}
        for series in self.query("up[1h]"):
            key = (series["metric"]["job"], series["metric"]["service"])
            result[key] = sum(1 for at, up in series["values"] if up == "1" and at > since)
        return result

    def scrape_errors(self) -> list[str]:
        """Return the last error of each target that has one, timeouts aside.

        A loaded machine may answer late; what must not happen is an answer
        that Prometheus refuses.
        """
        errors = [t["lastError"] for t in self._api("targets")["activeTargets"]]
        return [e for e in errors if e and "deadline" not in e and "imeout" not in e]

    def own_metric(self, name: str) -> float:
        """Return the value of a metric of the server itself, without labels."""
        for line in get(f"http://127.0.0.1:{self.port}/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        raise RuntimeError(f"prometheus {self.name} exposes no {name}")
