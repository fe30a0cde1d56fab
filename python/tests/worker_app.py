"""The service that test_workers.py runs under gunicorn and uvicorn.

A request to ``/work/ROUTE`` is counted before it is answered, in a counter of its route and in
a histogram of the worker that answers, with the request's trace. ``/metrics`` is the scrape.
Every answer names the worker in the header ``X-Worker``.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

import spanpin

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

REQUESTS = spanpin.Counter("requests_total", "Answered requests.", ["route"])
LATENCY = spanpin.Histogram("request_seconds", "Time to answer.", ["worker"], unit="seconds")

_wsgi_metrics = spanpin.make_wsgi_app()
_asgi_metrics = spanpin.make_asgi_app()


def _work(path: str, traceparent: str) -> bytes:
    route = path.removeprefix("/work/")
    LATENCY.labels(os.getpid()).observe(0.3, trace=traceparent)
    REQUESTS.labels(route).inc()
    return f"done {route}".encode()


def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """The service under WSGI."""
    worker = ("X-Worker", str(os.getpid()))
    path = str(environ["PATH_INFO"])
    if path == "/metrics":

        def named(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, worker], exc_info)

        return list(_wsgi_metrics(environ, named))
    body = _work(path, str(environ["HTTP_TRACEPARENT"]))
    start_response("200 OK", [worker, ("Content-Length", str(len(body)))])
    return [body]


async def asgi_app(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """The service under ASGI."""
    worker = (b"x-worker", str(os.getpid()).encode())

    async def named(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], worker]
        await send(message)

    if scope["type"] != "http" or scope["path"] == "/metrics":
        await _asgi_metrics(scope, receive, named)
        return
    traceparent = dict(scope["headers"])[b"traceparent"].decode()
    body = _work(scope["path"], traceparent)
    length = (b"content-length", str(len(body)).encode())
    await named({"type": "http.response.start", "status": 200, "headers": [length]})
    await named({"type": "http.response.body", "body": body})
