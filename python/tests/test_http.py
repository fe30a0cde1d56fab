"""The HTTP server and the WSGI and ASGI apps, by real requests."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import socket
import socketserver
import threading
import wsgiref.simple_server
from collections.abc import Iterator
from typing import Any
from wsgiref.validate import validator

import pytest

import spanpin
from reading import OPENMETRICS, parsed, tick
from spanpin import Counter, Gauge, Registry

TRACE = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"


@pytest.fixture
def jobs(registry: Registry) -> Counter:
    counter = Counter("jobs", "Help.", policy="slowest", registry=registry)
    counter.inc(trace=TRACE)
    tick(registry)
    return counter


class _Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(params=["server", "wsgi"])
def port(request: pytest.FixtureRequest, registry: Registry, jobs: Counter) -> Iterator[int]:
    """A server for the registry, by our own server and by wsgiref's around our app."""
    assert jobs.name == "jobs"
    server: socketserver.BaseServer
    if request.param == "server":
        server, thread = spanpin.start_http_server(0, registry=registry)
    else:
        app = validator(spanpin.make_wsgi_app(registry))
        server = wsgiref.simple_server.make_server("127.0.0.1", 0, app, handler_class=_Quiet)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
    yield int(server.server_address[1])
    server.shutdown()
    server.server_close()
    thread.join()


def fetch(
    port: int, path: str = "/metrics", method: str = "GET", **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    sent = {name.replace("_", "-"): text for name, text in headers.items()}
    connection.request(method, path, headers=sent)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def test_openmetrics(port: int) -> None:
    response, body = fetch(port, Accept=OPENMETRICS)
    assert response.status == 200
    content_type = response.headers["Content-Type"]
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert response.headers["Vary"] == "Accept, Accept-Encoding"
    assert int(response.headers["Content-Length"]) == len(body)
    assert "Content-Encoding" not in response.headers
    shown = parsed(body)["jobs"].samples[0].exemplar
    assert shown is not None
    assert shown.labels["trace_id"] == "ab" * 16


def test_text(port: int) -> None:
    response, body = fetch(port)
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b"\njobs_total 1\n" in body


def test_gzip(port: int) -> None:
    response, body = fetch(port, Accept_Encoding="gzip")
    assert response.headers["Content-Encoding"] == "gzip"
    assert b"\njobs_total 1\n" in gzip.decompress(body)


def test_head(port: int) -> None:
    response, body = fetch(port, method="HEAD")
    assert response.status == 200
    assert body == b""
    assert int(response.headers["Content-Length"]) > 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods(port: int, method: str) -> None:
    response, _ = fetch(port, method=method)
    assert response.status == 405
    assert response.headers["Allow"] == "GET, HEAD"


def test_a_scraper_that_no_longer_waits(port: int, registry: Registry) -> None:
    gauge = Gauge("g", "Help.", ["a"], max_series=50000, registry=registry)
    for number in range(50000):
        gauge.labels(str(number)).set(number)
    response, body = fetch(port, X_Prometheus_Scrape_Timeout_Seconds="0.001")
    assert response.status == 503
    assert b"deadline" in body


def test_scrapers_are_told_apart(port: int, registry: Registry, jobs: Counter) -> None:
    def shown(agent: str) -> float:
        body = fetch(port, Accept=OPENMETRICS, User_Agent=agent)[1]
        exemplar = parsed(body)["jobs"].samples[0].exemplar
        return exemplar.value if exemplar else 0

    # A scraper that keeps its beat is trusted with a memory of its own.
    for _ in range(10):
        tick(registry)
        shown("often")
        tick(registry)
        shown("often")
        shown("seldom")
    jobs.inc(3, trace=TRACE)
    tick(registry)
    assert shown("often") == 3
    jobs.inc(2, trace=TRACE)
    tick(registry)
    assert (shown("often"), shown("seldom")) == (2, 3)


def test_our_server_has_two_paths(registry: Registry) -> None:
    server, thread = spanpin.start_http_server(0, registry=registry)
    try:
        assert server.server_address[0] == "127.0.0.1"
        for path, status in (("/", 200), ("/metrics?a=b", 200), ("/favicon.ico", 404)):
            assert fetch(server.server_port, path)[0].status == status
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert thread.daemon


def test_our_server_keeps_connections_and_survives_bad_clients(
    registry: Registry, capfd: pytest.CaptureFixture[str]
) -> None:
    server, thread = spanpin.start_http_server(0, registry=registry)
    try:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
        for _ in range(3):
            connection.request("GET", "/metrics")
            assert connection.getresponse().read()
        connection.close()
        for request in (b"", b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nAccept: \xff\xfe\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", server.server_port), 30) as client:
                client.sendall(request)
                client.shutdown(socket.SHUT_WR)
                client.recv(100)
        assert fetch(server.server_port)[0].status == 200
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert capfd.readouterr() == ("", "")


def test_our_server_over_ipv6(registry: Registry) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    server, thread = spanpin.start_http_server(0, "::1", registry)
    connection = http.client.HTTPConnection("::1", server.server_port, timeout=30)
    connection.request("GET", "/metrics")
    assert connection.getresponse().read().startswith(b"# ")
    connection.close()
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_taken_port_is_an_error(registry: Registry) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        spanpin.start_http_server(taken.getsockname()[1], registry=registry)


def test_the_default_registry_is_served() -> None:
    Counter("served_by_default", "Help.").inc()
    server, thread = spanpin.start_http_server(0)
    try:
        assert b"served_by_default_total 1\n" in fetch(server.server_port)[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class TestASGI:
    def call(self, app: Any, **scope: Any) -> tuple[int, dict[str, str], bytes]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        full = {"type": "http", "method": "GET", "path": "/metrics", "query_string": b"",
                "headers": [], "client": ("10.0.0.1", 1234), **scope}  # fmt: skip
        asyncio.run(app(full, receive, send))
        start, body = sent
        headers = {name.decode(): text.decode() for name, text in start["headers"]}
        assert all(name == name.lower() for name in headers)
        return start["status"], headers, body["body"]

    def test_a_request(self, registry: Registry, jobs: Counter) -> None:
        app = spanpin.make_asgi_app(registry)
        accept = [(b"accept", OPENMETRICS.encode()), (b"accept-encoding", b"gzip")]
        status, headers, body = self.call(app, headers=accept, query_string=b"a=b")
        assert status == 200
        assert headers["content-encoding"] == "gzip"
        assert headers["vary"] == "Accept, Accept-Encoding"
        assert int(headers["content-length"]) == len(body)
        assert parsed(gzip.decompress(body))["jobs"].samples[0].exemplar is not None
        jobs.inc()
        assert b"jobs_total 2\n" in self.call(app, client=None)[2]

    def test_methods(self, registry: Registry) -> None:
        app = spanpin.make_asgi_app(registry)
        status, headers, body = self.call(app, method="HEAD")
        assert (status, body) == (200, b"")
        assert int(headers["content-length"]) > 0
        status, headers, _ = self.call(app, method="POST")
        assert (status, headers["allow"]) == (405, "GET, HEAD")

    def test_lifespan(self, registry: Registry) -> None:
        app: Any = spanpin.make_asgi_app(registry)
        received = iter(["lifespan.startup", "lifespan.shutdown"])
        sent: list[str] = []

        async def receive() -> dict[str, Any]:
            return {"type": next(received)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message["type"])

        asyncio.run(app({"type": "lifespan"}, receive, send))
        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]

    def test_other_protocols_are_refused(self, registry: Registry) -> None:
        with pytest.raises(ValueError, match="websocket"):
            self.call(spanpin.make_asgi_app(registry), type="websocket")

    def test_without_asyncio(self, registry: Registry) -> None:
        app: Any = spanpin.make_asgi_app(registry)
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        with pytest.raises(StopIteration):
            app(scope, None, send).send(None)
        assert sent[0]["status"] == 200
