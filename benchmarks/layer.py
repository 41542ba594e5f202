"""CPU time per request of the feature layer around the routes, in microseconds, measured in process.

Run as a program it prints microseconds per request: request id, log, metrics, security headers, limits with headers and
whatever else stands between the server and the table of routes.
"""

import asyncio
import sys
from os import devnull
from time import perf_counter
from typing import Any

from fastapi import Response
from starlette.types import ASGIApp, Message, Scope

from undercroft.core.http import Router
from undercroft.core.http.dispatcher import Dispatcher

PREFIX = "/api/v1/public/benchmark"
REQUESTS, REPEATS = 5_000, 5

router = Router(surface="public", prefix="/benchmark")


@router.get("/limited")
async def limited() -> Response:
    return Response(b"{}", media_type="application/json")


@router.get("/bare", limit=None)
async def bare() -> Response:
    return Response(b"{}", media_type="application/json")


async def measure() -> float:
    """Return the microseconds per request of all layers around the routes, the best of five repeats."""
    from undercroft.app.api import create_app
    from undercroft.core.context import PROCESS

    app = create_app(context=PROCESS)
    app.add([router])
    async with app.router.lifespan_context(app):
        whole = await _microseconds(app, "/limited", app)
        return whole - await _microseconds(Dispatcher(app.router.routes), "/bare", app)


async def _microseconds(asgi_app: ASGIApp, path: str, app: Any) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        started = perf_counter()
        for _ in range(REQUESTS):
            await asgi_app(_scope(PREFIX + path, app), _receive, _send)
        best = min(best, (perf_counter() - started) / REQUESTS * 1e6)
    return best


def _scope(path: str, app: Any) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1"), (b"user-agent", b"benchmark"), (b"accept", b"*/*")],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
        "state": {"request_headers": {}, "response_headers": []},
        "app": app,
    }


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(_message: Message) -> None:
    return None


if __name__ == "__main__":
    kept = sys.stdout
    sys.stdout = sys.stderr = open(devnull, "w")  # noqa: SIM115, PTH123
    print(asyncio.run(measure()), file=kept, flush=True)
