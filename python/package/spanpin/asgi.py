"""The metrics as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias

from spanpin.answer import Answer, answer

if TYPE_CHECKING:
    from spanpin._native import Registry

# The protocol's messages hold values of any type.
Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


def make_asgi_app(registry: Registry | None = None) -> ASGIApp:
    """Make an application to mount at ``/metrics``.

    It answers on every path it is given. Without a registry it serves the
    default one. Under asyncio it renders in a thread, so that a large scrape
    does not hold up the event loop.

    >>> app = make_asgi_app()
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"spanpin serves metrics over http, not over {scope['type']}")
        response = await _off_the_loop(lambda: _answer(registry, scope))
        headers = [(name.lower().encode(), value.encode()) for name, value in response.headers]
        await send(
            {"type": "http.response.start", "status": response.status.value, "headers": headers}
        )
        body = b"" if scope["method"] == "HEAD" else response.body
        await send({"type": "http.response.body", "body": body})

    return app


def _answer(registry: Registry | None, scope: Scope) -> Answer:
    def header(name: str) -> str:
        wanted = name.encode()
        values = [value for found, value in scope["headers"] if found.lower() == wanted]
        return b", ".join(values).decode("latin-1")

    path = str(scope["path"])
    if query := scope.get("query_string"):
        path = f"{path}?{query.decode('latin-1')}"
    client = scope.get("client")
    return answer(registry, scope["method"], path, str(client[0]) if client else "", header)


async def _off_the_loop(work: Callable[[], Answer]) -> Answer:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        # Another event loop, such as trio's.
        return work()
    return await asyncio.to_thread(work)


async def _live(receive: Receive, send: Send) -> None:
    """Take part in start and shutdown, for a server that runs this application alone."""
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return
