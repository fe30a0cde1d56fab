"""Sends requests whose trace ids decide what happens to them, and remembers each."""

from __future__ import annotations

import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

USERS_SLOW, ORDERS_SLOW, ORDERS_FAIL = 5, 10, 1


@dataclass(frozen=True)
class Request:
    """A request to a users service, as this program, the first caller of the trace, knows it."""

    trace_id: str
    span_id: str
    sampled: bool

    @property
    def draw(self) -> int:
        """What the services decide by: the lower half of the trace id."""
        return int(self.trace_id[16:], 16)

    @property
    def user_is_slow(self) -> bool:
        return self.draw % 100 < USERS_SLOW

    @property
    def orders_are_slow(self) -> bool:
        return self.draw // 100 % 100 < ORDERS_SLOW

    @property
    def orders_fail(self) -> bool:
        return self.draw // 10_000 % 100 < ORDERS_FAIL

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def _cards(rng: random.Random, cards: list[int]) -> Iterator[int]:
    while True:
        rng.shuffle(cards)
        yield from cards


def deal(rng: random.Random) -> Iterator[Request]:
    """Requests without end. The shares are dealt like cards, so that every 200 requests hold them exactly.

    Half of the requests are sampled, half of the failing ones too.
    """
    users, orders = _cards(rng, list(range(100))), _cards(rng, list(range(100)))
    for fails_and_sampled in _cards(rng, list(range(200))):
        fails, sampled = divmod(fails_and_sampled, 2)
        draw = rng.getrandbits(42) * 1_000_000 + fails * 10_000 + next(orders) * 100 + next(users)
        trace_id = (rng.getrandbits(63) + 1 << 64) + draw
        yield Request(f"{trace_id:032x}", f"{rng.getrandbits(63) + 1:016x}", bool(sampled))


class Traffic:
    """Several clients, each of which sends its next request when the one before is answered."""

    def __init__(self, urls: dict[str, str], rng: random.Random, most: int, clients: int, pause: float = 0.0) -> None:
        """`most` requests go to each of the services in `urls`, or fewer if `stop` is called."""
        self.requests: dict[str, Request] = {}
        self.statuses: dict[str, int] = {}
        self.failures: list[str] = []
        self.total = most * len(urls)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._pause = pause
        # Twice the seed would be twice the same ids, so the generators are drawn from one.
        supplies = {url: self._supply(deal(random.Random(rng.getrandbits(64))), most) for url in urls.values()}
        self._threads = [
            threading.Thread(target=self._client, args=(url, supply), daemon=True)
            for url, supply in supplies.items()
            for _ in range(clients)
        ]

    def _supply(self, requests: Iterator[Request], most: int) -> Iterator[Request]:
        for _, request in zip(range(most), requests):
            self.requests[request.trace_id] = request
            yield request

    def _client(self, url: str, supply: Iterator[Request]) -> None:
        while not self._stop.wait(self._pause):
            with self._lock:
                request = next(supply, None)
            if request is None:
                return
            try:
                status = self._send(url, request)
            except OSError as error:
                with self._lock:
                    self.failures.append(f"GET {url}/users: {error}")
                    if len(self.failures) > 20:
                        self._stop.set()
                continue
            with self._lock:
                self.statuses[request.trace_id] = status

    def _send(self, url: str, request: Request) -> int:
        sent = urllib.request.Request(f"{url}/users", headers={"traceparent": request.traceparent})
        try:
            with urllib.request.urlopen(sent, timeout=60) as answer:
                answer.read()
                return answer.status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def running(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def ask_to_stop(self) -> None:
        self._stop.set()

    def stop(self) -> None:
        self.ask_to_stop()
        for thread in self._threads:
            thread.join(65)

    def answered(self) -> int:
        return len(self.statuses)


class Scraper:
    """Scrapes every service on a steady beat, as a Prometheus server does, and keeps what it saw."""

    def __init__(self, urls: dict[str, str], seconds: float, scrape) -> None:  # noqa: ANN001
        self.scrapes: dict[str, list] = {name: [] for name in urls}
        self.failures: list[str] = []
        self._urls, self._seconds, self._scrape = urls, seconds, scrape
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        beat = time.monotonic()
        last = False
        while not last:
            last = self._stop.is_set()
            for name, url in self._urls.items():
                try:
                    self.scrapes[name].append(self._scrape(url))
                except (OSError, ValueError) as error:
                    self.failures.append(f"scraping {name}: {error}")
            beat = max(beat + self._seconds, time.monotonic())
            if not last:
                time.sleep(max(0.0, beat - time.monotonic()))

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        """Scrape once more, on the beat, and end."""
        self._stop.set()
        self._thread.join(120)
