"""The Python service of the end-to-end test: OpenTelemetry SDK, spans picked up by themselves."""

import json
import os
import socketserver
import sys
import threading
import urllib.parse
import wsgiref.simple_server

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


def work(environ, start_response):
    query = urllib.parse.parse_qs(environ["QUERY_STRING"])
    route, seconds = query["route"][0], float(query["seconds"][0])
    traceparent = environ.get("HTTP_TRACEPARENT")
    if traceparent:
        parent = propagate.extract({"traceparent": traceparent})
        attributes = {"route": route, "seconds": seconds}
        with tracer.start_as_current_span("work", context=parent, attributes=attributes):
            record(route, seconds)
    else:
        record(route, seconds)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok\n"]


def spans(_environ, start_response):
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
    start_response("200 OK", [("Content-Type", "application/jsonl")])
    return ["".join(line + "\n" for line in lines).encode()]


PATHS = {"/work": work, "/spans": spans, "/metrics": spanpin.make_wsgi_app()}


def app(environ, start_response):
    return PATHS[environ["PATH_INFO"]](environ, start_response)


class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class QuietHandler(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_args) -> None:
        pass


def end_with_standard_input() -> None:
    # The test holds the other end of the pipe for as long as it runs.
    sys.stdin.buffer.read()
    os._exit(0)


server = wsgiref.simple_server.make_server("127.0.0.1", 0, app, Server, QuietHandler)
threading.Thread(target=end_with_standard_input, daemon=True).start()
print(f"PORT {server.server_address[1]}", flush=True)
server.serve_forever()
