"""The LISTEN connection: reconnects, and what it reports."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
import structlog

from tests.jobs.processes import wait_until
from undercroft.core.db import Database
from undercroft.core.db.connect import connect
from undercroft.jobs.engines import listener
from undercroft.jobs.engines.listener import MAX_RETRY_DELAY, MIN_RETRY_DELAY, listen

CHANNEL = "test_listener"


class Connections:
    """Replaces `connect`: refuses the next `refusals` attempts."""

    def __init__(self) -> None:
        self.refusals = 0
        self.opened: list[asyncpg.Connection] = []

    async def open(self, *arguments: Any, **options: Any) -> asyncpg.Connection:
        if self.refusals:
            self.refusals -= 1
            raise ConnectionRefusedError
        self.opened.append(await connect(*arguments, **options))
        return self.opened[-1]


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> Connections:
    replaced = Connections()
    monkeypatch.setattr(listener, "connect", replaced.open)
    return replaced


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses before new attempts, which take no time."""
    recorded: list[float] = []

    async def sleep(seconds: float) -> None:
        recorded.append(seconds)
        await asyncio.sleep(0)

    monkeypatch.setattr(listener, "asyncio", SimpleNamespace(**vars(asyncio) | {"sleep": sleep}))
    monkeypatch.setattr(listener, "random", SimpleNamespace(uniform=lambda _low, high: high))
    return recorded


@pytest.fixture
async def received(
    database: Database, connections: Connections, pauses: list[float]
) -> AsyncIterator[tuple[list[str], list[str]]]:
    """The notifications and log events of a listener whose first four attempts are refused."""
    connections.refusals = 4
    payloads: list[str] = []

    async def is_connected() -> bool:
        return "connected" in payloads

    with structlog.testing.capture_logs() as logs:
        events = list[str]()
        listening = asyncio.create_task(
            listen(
                database.url,
                database.settings,
                CHANNEL,
                on_notification=payloads.append,
                on_connect=lambda: payloads.append("connected"),
            )
        )
        await wait_until(is_connected)
        events += [each["event"] for each in logs]
        yield payloads, events
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def notify(database: Database, payload: str) -> None:
    async with database.session() as session:
        await (await session.raw()).execute("SELECT pg_notify($1, $2)", CHANNEL, payload)


async def test_refused_connection_is_retried_with_growing_pauses_and_reported_once(
    database: Database, received: tuple[list[str], list[str]], pauses: list[float]
) -> None:
    payloads, events = received
    assert pauses == [MIN_RETRY_DELAY * factor for factor in (1, 2, 4, 8)]
    assert events == ["listen_connection.lost", "listen_connection.restored"]

    async def is_notified() -> bool:
        return payloads == ["connected", "here"]

    await notify(database, "here")
    await wait_until(is_notified)


async def test_listener_reconnects_when_its_connection_ends(
    database: Database, received: tuple[list[str], list[str]], connections: Connections, pauses: list[float]
) -> None:
    payloads, _ = received
    pauses.clear()
    connections.refusals = 7
    async with database.session() as session:
        pid = connections.opened[0].get_server_pid()
        await (await session.raw()).execute("SELECT pg_terminate_backend($1)", pid)

    async def is_connected_again() -> bool:
        return payloads.count("connected") == 2

    await wait_until(is_connected_again)
    assert pauses == [min(MAX_RETRY_DELAY, MIN_RETRY_DELAY * 2**attempt) for attempt in range(8)]
    assert pauses[-1] == MAX_RETRY_DELAY
    assert connections.opened[0].is_closed()
