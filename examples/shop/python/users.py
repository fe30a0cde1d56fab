"""users-python: the users of the shop. GET /users asks an orders service, and takes 0.8 s for every twentieth trace.

What a service needs of spanpin is two metrics, one line each to record, and `/metrics`.
"""

from __future__ import annotations

import argparse
import http.server
import time
import urllib.error
import urllib.request

import spanpin
from trace_log import Recorder, child_of, draw, parent_of

SERVICE = "users-python"

durations = spanpin.Histogram("shop_request_duration_seconds", "Time to answer a request.", ["service", "route"], unit="seconds")
errors = spanpin.Counter("shop_errors_total", "Requests that failed.", ["service"])
DURATION = durations.labels(SERVICE, "/users")
# A counter that is there before the first error can be used in rate().
ERRORS = errors.labels(SERVICE)


class Handler(http.server.BaseHTTPRequestHandler):
    server: Shop
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/users":
            self.users()
        elif path == "/metrics":
            self.metrics()
        else:
            self.answer(404, {"Content-Type": "text/plain"}, b"there are /users and /metrics\n")

    def users(self) -> None:
        wall, started = time.time(), time.perf_counter()
        # With OpenTelemetry the span is active, and `observe(seconds)` takes it by itself.
        parent = parent_of(self.headers.get("traceparent", ""))
        span = child_of(parent)

        look_up_user(span)
        status = 200 if self.orders_answer(span) else 502

        seconds = time.perf_counter() - started
        DURATION.observe(seconds, trace=span)
        if status >= 500:
            ERRORS.inc(trace=span)
        self.server.recorder.request(wall, SERVICE, "/users", parent, span, seconds, status)
        self.answer(status, {"Content-Type": "application/json"}, b'{"status":%d}\n' % status)

    def orders_answer(self, span: spanpin.TraceContext) -> bool:
        """Make the orders service part of the trace by the traceparent it is sent."""
        traceparent = f"00-{span.trace_id}-{span.span_id}-{span.flags:02x}"
        request = urllib.request.Request(f"{self.server.orders}/orders", headers={"traceparent": traceparent})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                answer.read()
        except urllib.error.HTTPError as error:
            error.close()
            return False
        except OSError:
            return False
        return True

    def metrics(self) -> None:
        """What identifies a scraper is taken from its request, so that each gets the exemplars since its last scrape."""
        result = spanpin.default_registry().scrape_request(
            accept=self.headers.get("accept", ""),
            accept_encoding=self.headers.get("accept-encoding", ""),
            user_agent=self.headers.get("user-agent", ""),
            scrape_timeout=self.headers.get("x-prometheus-scrape-timeout-seconds", ""),
            path=self.path,
            peer=self.client_address[0],
        )
        headers = {"Content-Type": result.content_type}
        if result.content_encoding:
            headers["Content-Encoding"] = result.content_encoding
        self.answer(200, headers, result.body)

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """The recorder writes the log."""


class Shop(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], orders: str, recorder: Recorder) -> None:
        super().__init__(address, Handler)
        self.orders = orders
        self.recorder = recorder


def look_up_user(span: spanpin.TraceContext) -> None:
    """Stand for a database. The trace id decides, so that a whole run can be checked."""
    number = draw(span)
    time.sleep(0.8 if number % 100 < 5 else (1 + number // 1_000_000 % 15) / 1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8101, help="port to listen on; 0 picks a free one")
    parser.add_argument("--orders", default="http://127.0.0.1:8103", help="URL of an orders service")
    parser.add_argument("--log", default="/dev/stdout", help="file that log lines are appended to")
    parser.add_argument("--spans", help="file that spans are appended to; none by default")
    arguments = parser.parse_args()
    recorder = Recorder(arguments.log, arguments.spans)
    server = Shop((arguments.host, arguments.port), arguments.orders, recorder)
    host, port = server.server_address[:2]
    print(f"{SERVICE} http://{host}:{port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
