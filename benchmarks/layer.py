"""The feature layer by itself: the whole application against its router alone, in process, without I/O.

Run as a program it prints microseconds per request: request id, limits with headers, log, metrics, security headers and
whatever else stands between the server and the router.
"""

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable
from os import devnull
from time import perf_counter
from typing import Any

from starlette.types import ASGIApp, Message, Scope

PATH = "/api/v1/public/health"
REQUESTS, REPEATS = 5_000, 5


def _scope(app: Any) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1"), (b"user-agent", b"benchmark"), (b"accept", b"*/*")],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
        "state": {},
        "app": app,
    }


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(_message: Message) -> None:
    return None


async def _microseconds(app: ASGIApp, make_scope: Callable[[], Scope]) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        started = perf_counter()
        for _ in range(REQUESTS):
            await app(make_scope(), _receive, _send)
        best = min(best, (perf_counter() - started) / REQUESTS * 1e6)
    return best


async def measure() -> float:
    """Microseconds per request of everything around the router, the best of five repeats."""
    from contextlib import AsyncExitStack

    from undercroft.app.api import create_app

    app = create_app()

    async def router_alone(scope: Scope, receive: Any, send: Callable[[Message], Awaitable[None]]) -> None:
        async with AsyncExitStack() as inner, AsyncExitStack() as outer:
            scope["fastapi_inner_astack"], scope["fastapi_middleware_astack"] = inner, outer
            await app.router(scope, receive, send)

    async with app.router.lifespan_context(app):
        gc.collect()
        gc.freeze()
        whole = await _microseconds(app, lambda: _scope(app))
        return whole - await _microseconds(router_alone, lambda: _scope(app))


if __name__ == "__main__":
    kept = sys.stdout
    sys.stdout = sys.stderr = open(devnull, "w")  # noqa: SIM115, PTH123
    print(asyncio.run(measure()), file=kept)
