"""Open WebSockets whose callers lose access."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2 as httpx
import pytest
from fastapi import WebSocket

from tests.modules.auth.users import RegisteredUser, make_client, post, sign_in
from undercroft.app.api import create_app
from undercroft.core.db import Database
from undercroft.core.http import Exempt, Router
from undercroft.core.http.application import Api
from undercroft.core.http.middleware import websocket_access
from undercroft.testing import run_lifespan

PATH = "/api/v1/app/clock"
CONNECT, TEXT = {"type": "websocket.connect"}, {"type": "websocket.receive", "text": "again"}
CLOSED = {"type": "websocket.close", "code": 1008, "reason": "SESSION_ENDED"}


@pytest.fixture
def clock(database: Database) -> Api:
    router = Router(surface="app", self_only=True, audit=Exempt("It is a test."))

    @router.websocket("/clock")
    async def tick(websocket: WebSocket) -> None:
        await websocket.accept()
        while True:
            await websocket.send_text("tick")
            await websocket.receive_text()

    app = create_app(database=database)
    app.add([router])
    return app


class OpenWebSocket:
    """A connected client: `send` passes a message to the server, `sent` is what the server sent, in order."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[Any] = asyncio.Queue()
        self.sent: asyncio.Queue[Any] = asyncio.Queue()

    async def next(self) -> Any:
        async with asyncio.timeout(10):
            return await self.sent.get()


@asynccontextmanager
async def connect(app: Api, tokens: dict[str, str]) -> AsyncIterator[OpenWebSocket]:
    client = OpenWebSocket()
    client.inbox.put_nowait(CONNECT)
    headers = [(b"host", b"test.local"), (b"authorization", f"Bearer {tokens['access_token']}".encode())]
    scope = {"type": "websocket", "path": PATH, "query_string": b"", "headers": headers, "scheme": "wss"}
    base = {"root_path": "", "client": ("192.0.2.9", 4711), "subprotocols": []}
    server = asyncio.create_task(app({**scope, **base}, client.inbox.get, client.sent.put))
    assert (await client.next())["type"] == "websocket.accept"
    assert (await client.next())["text"] == "tick"
    try:
        yield client
    finally:
        client.inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})
        async with asyncio.timeout(10):
            await server


@asynccontextmanager
async def signed_in(app: Api, user: RegisteredUser) -> AsyncIterator[tuple[httpx.AsyncClient, dict[str, str]]]:
    async with run_lifespan(app), make_client(app) as client:
        yield client, (await sign_in(client, user.email)).json()


async def sign_out(client: httpx.AsyncClient, tokens: dict[str, str]) -> None:
    response = await post(client, "/logout", {"refresh_token": tokens["refresh_token"]})
    assert response.status_code == 204, response.text


async def test_message_after_the_session_ended_closes_the_connection(
    clock: Api, ada: RegisteredUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_access, "VERIFY_SECONDS", 0)
    async with signed_in(clock, ada) as (client, tokens), connect(clock, tokens) as mine:
        mine.inbox.put_nowait(TEXT)
        assert (await mine.next())["text"] == "tick"
        other = (await sign_in(client, ada.email)).json()
        async with connect(clock, other) as bystander:
            await sign_out(client, tokens)
            for each in (mine, bystander):
                each.inbox.put_nowait(TEXT)
            assert await mine.next() == CLOSED
            assert (await bystander.next())["text"] == "tick"


async def test_server_that_only_sends_is_stopped(
    database: Database, ada: RegisteredUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_access, "VERIFY_SECONDS", 0)
    router = Router(surface="app", self_only=True, audit=Exempt("It is a test."))
    go_on = asyncio.Event()

    @router.websocket("/clock")
    async def tick(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("tick")
        await go_on.wait()
        await websocket.send_text("a secret")

    app = create_app(database=database)
    app.add([router])
    async with signed_in(app, ada) as (client, tokens), connect(app, tokens) as mine:
        await sign_out(client, tokens)
        go_on.set()
        assert await mine.next() == CLOSED


async def test_recent_verification_is_reused(clock: Api, ada: RegisteredUser) -> None:
    async with signed_in(clock, ada) as (client, tokens), connect(clock, tokens) as mine:
        await sign_out(client, tokens)
        mine.inbox.put_nowait(TEXT)
        assert (await mine.next())["text"] == "tick"
