"""A small HTTP server for a program that has none of its own."""

from __future__ import annotations

import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

from spanpin.answer import answer, not_found

if TYPE_CHECKING:
    from spanpin._native import Registry


def start_http_server(
    port: int, addr: str = "127.0.0.1", registry: Registry | None = None
) -> tuple[ThreadingHTTPServer, Thread]:
    """Serve the metrics at ``/metrics`` (and at ``/``) from a daemon thread.

    Only this machine can connect unless `addr` says otherwise: ``"0.0.0.0"``
    or ``"::"`` opens it to every network the machine is on. With port 0 the
    system chooses a free one, to be read from ``server.server_port``. Without a
    registry it serves the default one.

    Returns the server and its thread. To stop: ``server.shutdown()``,
    ``server.server_close()``, ``thread.join()``.

    >>> server, thread = start_http_server(0)
    >>> server.shutdown(); server.server_close(); thread.join()
    """
    server = _Server(addr, port, registry)
    thread = Thread(target=server.serve_forever, name="spanpin-http", daemon=True)
    thread.start()
    return server, thread


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, addr: str, port: int, registry: Registry | None) -> None:
        found = socket.getaddrinfo(addr, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family, _, _, _, address = found[0]
        self.registry = registry
        super().__init__((str(address[0]), int(address[1])), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report what went wrong, unless it is only that the client has gone."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    # Seconds after which a silent client is dropped; without it each would hold a thread.
    timeout = 30

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path in ("/", "/metrics"):
            peer = self.client_address[0]
            registry = self.server.registry
            response = answer(registry, self.command, self.path, peer, self._header)
        else:
            response = not_found()
        self.send_response(response.status)
        for name, value in response.headers:
            self.send_header(name, value)
        if self.command not in ("GET", "HEAD"):
            # Its body is not read, so the connection cannot be used again.
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_GET  # noqa: N815

    def _header(self, name: str) -> str:
        return ", ".join(self.headers.get_all(name, []))

    def version_string(self) -> str:
        return "spanpin"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep the program's standard error for the program."""
