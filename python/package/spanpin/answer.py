"""What the HTTP server and the WSGI and ASGI apps answer to a request."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, Protocol

from spanpin._native import SpanpinError, default_registry

if TYPE_CHECKING:
    from spanpin._native import Registry

_PLAIN = "text/plain; charset=utf-8"


class Header(Protocol):
    """Gives the value of a request header by its lower-case name, or ``""``."""

    def __call__(self, name: str, /) -> str: ...


class Answer(NamedTuple):
    """A response, ready to be sent."""

    status: HTTPStatus
    headers: list[tuple[str, str]]
    body: bytes


def answer(registry: Registry | None, method: str, path: str, peer: str, header: Header) -> Answer:
    """Scrape on behalf of a request.

    The scraper is told apart from others by its headers, the path with its
    query, and its address without the port, so that each gets the exemplars
    since its own last scrape.
    """
    if method not in ("GET", "HEAD"):
        refused = _plain(HTTPStatus.METHOD_NOT_ALLOWED, "metrics are read with GET\n")
        refused.headers.append(("Allow", "GET, HEAD"))
        return refused
    try:
        result = (registry or default_registry()).scrape_request(
            accept=header("accept"),
            accept_encoding=header("accept-encoding"),
            user_agent=header("user-agent"),
            scrape_timeout=header("x-prometheus-scrape-timeout-seconds"),
            path=path,
            peer=peer,
        )
    except SpanpinError as error:
        return _plain(HTTPStatus.SERVICE_UNAVAILABLE, f"{error}\n")
    headers = [("Content-Type", result.content_type), ("Content-Length", str(len(result.body)))]
    if result.content_encoding:
        headers.append(("Content-Encoding", result.content_encoding))
    headers.append(("Vary", "Accept, Accept-Encoding"))
    return Answer(HTTPStatus.OK, headers, result.body)


def not_found() -> Answer:
    """Point to the metrics from any other path."""
    return _plain(HTTPStatus.NOT_FOUND, "metrics are at /metrics\n")


def _plain(status: HTTPStatus, text: str) -> Answer:
    body = text.encode("utf-8", "replace")
    return Answer(status, [("Content-Type", _PLAIN), ("Content-Length", str(len(body)))], body)
