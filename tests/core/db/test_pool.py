"""Connections pass from borrower to borrower: the same one again, never a dead one, and everybody's turn comes."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from undercroft.core.db import DatabaseSettings, Statement
from undercroft.core.db.errors import DatabaseUnavailable
from undercroft.core.db.pool import Pool

SIZE = 2
PID = Statement(text("SELECT pg_backend_pid()"))
A_MOMENT = Statement(text("SELECT pg_sleep(0.01)"))


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = Pool(database_url, DatabaseSettings(db_acquire_timeout=0.2), name="write", size=SIZE)
    yield pool
    await pool.close()


async def test_a_connection_given_back_is_the_next_ones(pool: Pool) -> None:
    first = await pool.fetchrow(PID)

    assert await pool.fetchrow(PID) == first


async def test_more_borrowers_than_connections_take_turns(pool: Pool) -> None:
    borrowers = [pool.fetch(A_MOMENT) for _ in range(5 * SIZE)]

    assert len(await asyncio.gather(*borrowers)) == 5 * SIZE
    assert pool.in_use == 0


async def test_who_waits_gets_the_connection_that_is_given_back(pool: Pool) -> None:
    lent = [await pool.acquire() for _ in range(SIZE)]
    waiting = asyncio.create_task(pool.acquire())
    await asyncio.sleep(0)
    lent.pop().release()

    lent.append(await waiting)
    assert pool.in_use == SIZE
    for borrowed in lent:
        borrowed.release()


async def test_waiting_in_vain_is_an_outage(pool: Pool) -> None:
    lent = [await pool.acquire() for _ in range(SIZE)]

    with pytest.raises(DatabaseUnavailable):
        await pool.acquire()
    for borrowed in lent:
        borrowed.release()


async def test_a_connection_that_died_while_idle_is_not_lent_again(pool: Pool) -> None:
    borrowed = await pool.acquire()
    dead = borrowed.raw
    borrowed.release()
    await dead.close()

    again = await pool.acquire()
    assert again.raw is not dead
    again.release()


@pytest.mark.parametrize("settings", [{"db_pool": "null"}, {"db_pool_pre_ping": True}], ids=str)
async def test_where_sqlalchemys_pool_must_see_every_borrower_it_does(
    database_url: str, settings: dict[str, object]
) -> None:
    pool = Pool(database_url, DatabaseSettings.model_validate(settings), name="write", size=SIZE)
    (await pool.acquire()).release()

    assert not pool._ready
    await pool.close()
