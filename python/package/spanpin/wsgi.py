"""The metrics as a WSGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spanpin.answer import answer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from spanpin._native import Registry


def make_wsgi_app(registry: Registry | None = None) -> WSGIApplication:
    """Make an application to mount at ``/metrics``.

    It answers on every path it is given. Without a registry it serves the
    default one. Behind a proxy all scrapers have the proxy's address and are
    told apart by their headers only.

    >>> app = make_wsgi_app()
    """

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        def header(name: str) -> str:
            return str(environ.get("HTTP_" + name.upper().replace("-", "_"), ""))

        method = str(environ.get("REQUEST_METHOD", "GET"))
        path = str(environ.get("SCRIPT_NAME", "")) + str(environ.get("PATH_INFO", ""))
        if query := environ.get("QUERY_STRING"):
            path = f"{path}?{query}"
        peer = str(environ.get("REMOTE_ADDR", ""))
        response = answer(registry, method, path, peer, header)
        start_response(f"{response.status.value} {response.status.phrase}", response.headers)
        return [] if method == "HEAD" else [response.body]

    return app
