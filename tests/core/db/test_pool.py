"""Connection pool: connections are reused, dead ones are discarded, and waiters are served in order."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from sqlalchemy import func, select, text
from structlog.testing import capture_logs

from tests.core.db.proxy import Cut, run_proxy
from undercroft.core.db import DatabaseSettings, Statement
from undercroft.core.db import pool as pool_module
from undercroft.core.db.errors import DatabaseUnavailable, translate_error
from undercroft.core.db.pool import Pool
from undercroft.devstack.machine import free_port
from undercroft.modules.projects.models import Project

SIZE = 2
PID = Statement(text("SELECT pg_backend_pid()"))
SLEEP = Statement(text("SELECT pg_sleep(0.01)"))


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = Pool(database_url, DatabaseSettings(db_acquire_timeout=60), name="read", size=SIZE, read_only=True)
    yield pool
    await pool.close()


@pytest.fixture
async def impatient_pool(database_url: str) -> AsyncIterator[Pool]:
    pool = Pool(database_url, DatabaseSettings(db_acquire_timeout=0.2), name="read", size=SIZE, read_only=True)
    yield pool
    await pool.close()


async def test_released_connection_is_reused(pool: Pool) -> None:
    first = await pool.fetchrow(PID)

    assert await pool.fetchrow(PID) == first


async def test_more_callers_than_connections_all_succeed(pool: Pool) -> None:
    calls = [pool.fetch(SLEEP) for _ in range(5 * SIZE)]

    assert len(await asyncio.gather(*calls)) == 5 * SIZE
    assert pool.in_use == 0


async def test_waiter_gets_the_released_connection(pool: Pool) -> None:
    acquired = [await pool.acquire() for _ in range(SIZE)]
    waiting = asyncio.create_task(pool.acquire())
    await asyncio.sleep(0)
    acquired.pop().release()

    acquired.append(await waiting)
    assert pool.in_use == SIZE
    for connection in acquired:
        connection.release()


async def test_waiters_are_served_in_order(pool: Pool) -> None:
    acquired = [await pool.acquire() for _ in range(SIZE)]
    order: list[int] = []

    async def acquire(number: int) -> None:
        connection = await pool.acquire()
        order.append(number)
        connection.release()

    waiting = [asyncio.create_task(acquire(number)) for number in range(5)]
    await asyncio.sleep(0)
    acquired.pop().release()
    await asyncio.gather(*waiting)

    assert order == [0, 1, 2, 3, 4]
    acquired.pop().release()


async def test_canceled_waiter_passes_the_connection_on(pool: Pool) -> None:
    acquired = [await pool.acquire() for _ in range(SIZE)]
    canceled, waiting = (asyncio.create_task(pool.acquire()) for _ in range(2))
    await asyncio.sleep(0)

    released = acquired.pop()
    released.release()
    canceled.cancel()

    connection = await waiting
    assert connection.raw is released.raw
    assert canceled.cancelled()
    for each in (*acquired, connection):
        each.release()
    assert pool.in_use == 0


async def test_waiter_connects_when_a_connection_is_discarded(pool: Pool) -> None:
    acquired = [await pool.acquire() for _ in range(SIZE)]
    waiting = asyncio.create_task(pool.acquire())
    await asyncio.sleep(0)
    closed = acquired.pop()
    closed.discard()

    connection = await waiting
    assert connection.raw is not closed.raw
    for each in (*acquired, connection):
        each.release()
    assert pool.in_use == 0


async def test_waiters_fail_immediately_when_the_server_is_unreachable() -> None:
    nowhere = f"postgresql://unknown@127.0.0.1:{free_port()}/nothing"
    pool = Pool(nowhere, DatabaseSettings(db_acquire_timeout=60), name="write", size=SIZE)

    results = await asyncio.wait_for(asyncio.gather(*(pool.acquire() for _ in range(10)), return_exceptions=True), 20)

    assert [type(each) for each in results] == [DatabaseUnavailable] * 10
    await pool.close()


async def test_acquire_timeout_raises_database_unavailable(impatient_pool: Pool) -> None:
    acquired = [await impatient_pool.acquire() for _ in range(SIZE)]

    with pytest.raises(DatabaseUnavailable):
        await impatient_pool.acquire()
    for connection in acquired:
        connection.release()


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.CannotConnectNowError("the database system is shutting down"),
        asyncpg.TooManyConnectionsError("sorry, too many clients already"),
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.InterfaceError("cannot perform operation"),
        ConnectionRefusedError(),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_refused_connection_is_an_unavailable_database(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def refuse(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(asyncpg, "connect", refuse)
    with pytest.raises(DatabaseUnavailable):
        await pool.fetchrow(PID)
    monkeypatch.undo()
    assert await pool.fetchrow(PID)
    assert pool.in_use == 0


async def test_connection_closed_while_idle_is_not_reused(pool: Pool) -> None:
    connection = await pool.acquire()
    closed = connection.raw
    connection.release()
    await closed.close()

    again = await pool.acquire()
    assert again.raw is not closed
    again.release()


async def log_of_quarter_second_statements(
    database_url: str, monkeypatch: pytest.MonkeyPatch, *, slow_from: float
) -> Sequence[Mapping[str, Any]]:
    """The log of a compiled and a Core statement, each of which takes exactly 0.25 s."""
    monkeypatch.setattr(pool_module, "time", SimpleNamespace(perf_counter=itertools.count(1000.0, 0.25).__next__))
    pool = Pool(database_url, DatabaseSettings(db_slow_statement=slow_from), name="read", size=SIZE, read_only=True)
    with capture_logs() as logs:
        await pool.fetch(PID)
        async with pool.engine.connect() as connection:
            await connection.execute(text("SELECT  2"))
    await pool.close()
    return logs


async def test_slow_statement_is_logged_with_its_duration(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    logs = await log_of_quarter_second_statements(database_url, monkeypatch, slow_from=0.25)

    assert [(each["event"], each["sql"], each["ms"], each["pool"]) for each in logs] == [
        ("slow statement", "SELECT pg_backend_pid()", 250.0, "read"),
        ("slow statement", "SELECT 2", 250.0, "read"),
    ]


async def test_faster_statement_is_not_logged(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await log_of_quarter_second_statements(database_url, monkeypatch, slow_from=0.26) == []


@pytest.mark.parametrize("settings", [{"db_pool": "null"}, {"db_pool_pre_ping": True}], ids=str)
async def test_connections_are_checked_in_when_pooling_requires_it(
    database_url: str, settings: dict[str, object]
) -> None:
    pool = Pool(database_url, DatabaseSettings.model_validate(settings), name="write", size=SIZE)
    (await pool.acquire()).release()

    assert not pool._idle
    await pool.close()


async def test_waiter_connects_when_it_gets_a_closed_connection(pool: Pool) -> None:
    acquired = [await pool.acquire() for _ in range(SIZE)]
    waiting = asyncio.create_task(pool.acquire())
    await asyncio.sleep(0)
    closed = acquired.pop()
    await closed.raw.close()
    closed.release()

    connection = await waiting
    assert not connection.raw.is_closed()
    assert pool.in_use == SIZE
    for each in (*acquired, connection):
        each.release()
    assert pool.in_use == 0


async def test_waiter_that_loses_its_place_to_a_new_caller_is_refused_after_the_timeout(impatient_pool: Pool) -> None:
    acquired = [await impatient_pool.acquire() for _ in range(SIZE)]
    waiting = asyncio.create_task(impatient_pool.acquire())
    await asyncio.sleep(0)
    acquired.pop().discard()
    acquired.append(await impatient_pool.acquire())

    with pytest.raises(DatabaseUnavailable, match="are busy"):
        await waiting
    assert impatient_pool.in_use == SIZE
    for each in acquired:
        each.release()
    assert await impatient_pool.fetchrow(PID)


async def test_connection_whose_rollback_fails_is_closed(database_url: str) -> None:
    failing = Statement(select(text("1 / 0"), func.count()).select_from(Project))
    async with run_proxy(database_url) as proxy:
        settings = DatabaseSettings(tenant_rls=True)
        pool = Pool(proxy.url(database_url), settings, name="read", size=SIZE, read_only=True)
        connection = await pool.acquire()
        connection.release()
        proxy.cut, proxy.marker = Cut.BEFORE_REQUEST, b"ROLLBACK"
        with pytest.raises(Exception) as raised:
            await pool.fetch(failing)
        assert isinstance(translate_error(raised.value), DatabaseUnavailable)
        assert proxy.hits > 0
        assert connection.raw.is_closed()
        assert pool.in_use == 0
        proxy.cut = Cut.NEVER
        assert await pool.fetchrow(PID)
        await pool.close()
