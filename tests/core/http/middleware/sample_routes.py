"""Routes for the tests of middleware."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse

from undercroft.core.http import Router

router = Router(surface="public", prefix="/shelf")
pages = Router(surface="root", prefix="/pages")


@router.get("/who")
async def who(request: Request) -> dict[str, Any]:
    assert request.client is not None
    state = request.scope["state"]
    return {
        "client": request.client.host,
        "scheme": request.url.scheme,
        "request_id": state["request_id"],
    }


@router.get("/text/{size}")
async def text(size: int, kind: str = "text/plain", etag: str = "", encoding: str = "") -> Response:
    headers = {name: value for name, value in (("ETag", etag), ("Content-Encoding", encoding)) if value}
    return Response("x" * size, media_type=kind, headers=headers)


@router.get("/stream")
async def stream(pause: float = 0) -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"y" * 2000
            await asyncio.sleep(pause)

    return StreamingResponse(parts(), media_type="text/plain")


@router.get("/slow")
async def slow() -> str:
    await asyncio.Event().wait()
    return "never"


@router.get("/stubborn")
async def stubborn() -> str:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return "late"
    return "never"


@router.post("/echo")
async def echo(body: dict[str, Any]) -> JSONResponse:
    return JSONResponse(body)


@router.post("/drain")
async def drain(request: Request) -> Response:
    try:
        size = sum([len(chunk) async for chunk in request.stream()])
    except Exception as error:
        return PlainTextResponse(f"swallowed {error!r}", status_code=500)
    return PlainTextResponse(str(size))


@router.get("/headers")
async def headers() -> Response:
    own = {"Content-Security-Policy": "default-src 'self'", "Cache-Control": "public, max-age=60"}
    return PlainTextResponse("own", headers=own)


@pages.get("/hello")
async def hello() -> Response:
    return HTMLResponse("<p>hello</p>")


@pages.get("/any-host", any_host=True)
async def any_host() -> Response:
    return PlainTextResponse("alive")
