"""A real Prometheus server, if there is one, and the exemplars it stored."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path

from driver.building import BUILD
from driver.exposition import Exemplar
from driver.following import DURATION, ERRORS, Bucket
from driver.processes import Processes, StartError, port_or_zero

HOW_TO_GET = "`make prometheus` builds it, Debian's package is prometheus, and PROMETHEUS=<path> names another"
Stored = dict[tuple[str, float | None], list[Exemplar]]


def find() -> str | None:
    """The server to run: the one that PROMETHEUS names, one below build/, or the one in PATH."""
    named = os.environ.get("PROMETHEUS")
    if named:
        return shutil.which(named)
    places = [BUILD / "prometheus-3" / "prometheus", BUILD / "prometheus-debian" / "root" / "usr" / "bin" / "prometheus"]
    return next((str(place) for place in places if os.access(place, os.X_OK)), shutil.which("prometheus"))


class Prometheus:
    def __init__(self, binary: str, folder: Path, urls: dict[str, str], processes: Processes) -> None:
        self.started = time.time()
        targets = [url.removeprefix("http://") for url in urls.values()]
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "900ms"},
            "storage": {"exemplars": {"max_exemplars": 100_000}},
            "scrape_configs": [{"job_name": "shop", "static_configs": [{"targets": targets}]}],
        }
        # JSON is YAML.
        (folder / "prometheus.yml").write_text(json.dumps(config, indent=1))
        port = port_or_zero(9090) or port_or_zero(9091) or _free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [
            binary,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'prometheus-data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            # Without it exemplars are scraped and thrown away.
            "--enable-feature=exemplar-storage",
            # Hidden: without it new targets wait for 5 s.
            "--scrape.discovery-reload-interval=100ms",
        ]
        process = processes.start("prometheus", command, subprocess.DEVNULL)
        for _ in range(300):
            if process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5):
                    self.version = self._api("status/buildinfo")["version"]
                    return
            except OSError:
                time.sleep(0.1)
        raise StartError(f"{binary} did not get ready:\n{processes.stderr('prometheus')}")

    def _api(self, path: str, **parameters: str):  # noqa: ANN202
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=30) as answer:
            return json.load(answer)["data"]

    def exemplars(self) -> Stored:
        """All stored exemplars by service and upper bound; None is the error counter."""
        stored: Stored = {}
        window = {"start": f"{self.started - 1:.3f}", "end": f"{time.time() + 60:.3f}"}
        for query in (f"{DURATION}_bucket", ERRORS):
            for series in self._api("query_exemplars", query=query, **window):
                labels = series["seriesLabels"]
                # Prometheus 3 writes 1.0 for the bound that Prometheus 2 leaves as 1.
                key = (labels["service"], float(labels["le"]) if "le" in labels else None)
                for e in series["exemplars"]:
                    ids = e["labels"]
                    stored.setdefault(key, []).append(Exemplar(ids["trace_id"], ids["span_id"], float(e["value"]), float(e["timestamp"])))
        return stored

    def wait_for(self, buckets: list[Bucket], seconds: float) -> Stored:
        """Wait until there is an exemplar of each bucket, and for the ones shown as well if they come."""
        until = time.monotonic() + seconds
        while True:
            stored = self.exemplars()
            if all(holds(stored, bucket) for bucket in buckets if bucket.exemplar) or time.monotonic() > until:
                return stored
            time.sleep(0.5)


def holds(stored: Stored, bucket: Bucket) -> bool:
    """Whether the ids of the exemplar that the service showed are stored for the same bucket."""
    shown = bucket.exemplar
    return shown is not None and any(
        (e.trace_id, e.span_id, e.value) == (shown.trace_id, shown.span_id, shown.value) for e in stored.get(bucket.key, [])
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
