"""Curl beside the Prometheus servers: a scraper at no fixed beat."""

import random
import shutil
import subprocess
import threading

OPENMETRICS = "Accept: application/openmetrics-text; version=1.0.0"


class CurlLoop:
    """Fetches /metrics of each port in turn until stopped."""

    def __init__(self, ports: list[int]) -> None:
        self._ports = ports
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.answers = 0
        self.errors: list[str] = []

    @staticmethod
    def path() -> str | None:
        return shutil.which("curl")

    def __enter__(self) -> "CurlLoop":
        self._thread.start()
        return self

    def __exit__(self, *_exc) -> None:
        self._stop.set()
        self._thread.join(timeout=60)

    def _run(self) -> None:
        chance = random.Random(4)
        while not self._stop.wait(chance.uniform(0.05, 0.7)):
            for port in self._ports:
                # Without a header curl gets the text format, which must not
                # end a window.
                header = ["-H", OPENMETRICS] if chance.random() < 0.7 else []
                url = f"http://127.0.0.1:{port}/metrics"
                done = subprocess.run(
                    ["curl", "--silent", "--show-error", "--fail", "--max-time", "30", *header, url],
                    capture_output=True,
                    check=False,
                )
                if done.returncode == 0 and done.stdout:
                    self.answers += 1
                else:
                    self.errors.append(done.stderr.decode(errors="replace"))
