"""Requests with known trace contexts, and a record of every one that was answered."""

import collections
import http.client
import random
import threading
from dataclasses import dataclass

import buckets

# Each route has its own mixture of traces, so that a bucket exists for every
# case: sampled only, mixed, and never sampled.
KINDS = {
    "/users": ("sampled", "unsampled", "unsampled", "untraced"),
    "/orders": ("sampled", "sampled", "unsampled"),
    "/health": ("unsampled", "untraced"),
}


@dataclass(frozen=True)
class Sent:
    """One answered request."""

    route: str
    seconds: float
    trace_id: str | None
    kind: str

    @property
    def bucket(self) -> int:
        return buckets.index_of(self.seconds)


class Ledger:
    """What one service was sent. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent: list[Sent] = []
        self._errors: list[str] = []

    def add(self, sent: Sent) -> None:
        with self._lock:
            self._sent.append(sent)

    def fail(self, why: str) -> None:
        with self._lock:
            self._errors.append(why)

    def sent(self) -> list[Sent]:
        with self._lock:
            return list(self._sent)

    def errors(self) -> list[str]:
        with self._lock:
            return list(self._errors)

    def count_by_route(self) -> dict[str, int]:
        return dict(collections.Counter(sent.route for sent in self.sent()))

    def sampled_buckets(self) -> set[tuple[str, int]]:
        """Return (route, bucket) of every bucket that got a sampled request."""
        return {(s.route, s.bucket) for s in self.sent() if s.kind == "sampled"}


class Client:
    """Sends requests to one service and records the answered ones."""

    def __init__(self, port: int, ledger: Ledger, seed: int) -> None:
        self._port = port
        self._ledger = ledger
        self._random = random.Random(seed)

    def send(self, route: str, seconds: float, kind: str) -> Sent:
        headers, trace_id = {}, None
        if kind != "untraced":
            # An all-zero id is invalid, hence the lower limit of 1.
            trace_id = f"{self._random.randrange(1, 1 << 128):032x}"
            parent_id = f"{self._random.randrange(1, 1 << 64):016x}"
            flags = "01" if kind == "sampled" else "00"
            headers["traceparent"] = f"00-{trace_id}-{parent_id}-{flags}"
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("GET", f"/work?route={route}&seconds={seconds!r}", headers=headers)
            answer = connection.getresponse()
            answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise RuntimeError(f"GET /work answered {answer.status}; 200 was expected")
        sent = Sent(route, seconds, trace_id, kind)
        self._ledger.add(sent)
        return sent

    def send_one_of_plan(self) -> None:
        route = self._random.choice(tuple(KINDS))
        kind = self._random.choice(KINDS[route])
        if self._random.random() < 0.2:
            # On the bound itself, where an off-by-one shows.
            seconds = self._random.choice(buckets.BOUNDS[:-1])
        else:
            seconds = round(0.001 * 20_000 ** self._random.random(), 6)
        self.send(route, seconds, kind)


class Traffic:
    """Keeps one service under traffic from a thread until stopped."""

    def __init__(self, port: int, ledger: Ledger, seed: int, pause: float = 0.03) -> None:
        self._client = Client(port, ledger, seed)
        self._ledger = ledger
        self._pause = pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_exc) -> None:
        self._stop.set()
        self._thread.join(timeout=60)

    def _run(self) -> None:
        while not self._stop.wait(self._pause):
            try:
                self._client.send_one_of_plan()
            except (OSError, http.client.HTTPException, RuntimeError) as error:
                # Whether the request was counted is unknown now, so the test
                # of the counts must fail and say why.
                self._ledger.fail(repr(error))
