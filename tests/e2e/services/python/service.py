"""The Python service of the end-to-end test: OpenTelemetry SDK, spans picked up by themselves."""

import http.server
import json
import os
import sys
import threading
import urllib.parse

import spanpin
from opentelemetry import propagate, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

DURATION = spanpin.Histogram("e2e_request_duration_seconds", "Duration of a request.", ["route"], unit="seconds")
REQUESTS = spanpin.Counter("e2e_requests", "Requests answered.", ["route"])

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("e2e")


def record(route: str, seconds: float) -> None:
    DURATION.labels(route).observe(seconds)
    REQUESTS.labels(route).inc()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/work":
            self._work(urllib.parse.parse_qs(url.query))
        elif url.path == "/spans":
            self._answer("application/jsonl", self._spans())
        elif url.path == "/metrics":
            self._metrics()
        else:
            self.send_error(404)

    def _work(self, query: dict[str, list[str]]) -> None:
        route, seconds = query["route"][0], float(query["seconds"][0])
        if "traceparent" in self.headers:
            parent = propagate.extract(dict(self.headers))
            attributes = {"route": route, "seconds": seconds}
            with tracer.start_as_current_span("work", context=parent, attributes=attributes):
                record(route, seconds)
        else:
            record(route, seconds)
        self._answer("text/plain", b"ok\n")

    def _metrics(self) -> None:
        content_type, body = spanpin.scrape(
            accept=self.headers.get("Accept", ""),
            user_agent=self.headers.get("User-Agent", ""),
            scrape_timeout=self.headers.get("X-Prometheus-Scrape-Timeout-Seconds", ""),
            path=self.path,
            peer=self.client_address[0],
        )
        self._answer(content_type, body)

    @staticmethod
    def _spans() -> bytes:
        lines = (
            json.dumps(
                {
                    "trace_id": f"{span.context.trace_id:032x}",
                    "span_id": f"{span.context.span_id:016x}",
                    "route": span.attributes["route"],
                    "seconds": span.attributes["seconds"],
                }
            )
            for span in exporter.get_finished_spans()
        )
        return "".join(line + "\n" for line in lines).encode()

    def _answer(self, content_type: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args) -> None:
        pass


def end_with_standard_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=end_with_standard_input, daemon=True).start()
print(f"PORT {server.server_address[1]}", flush=True)
server.serve_forever()
