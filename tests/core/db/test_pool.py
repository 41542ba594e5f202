"""Connections pass from borrower to borrower: the same one again, never a dead one, and everybody's turn comes."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from undercroft.core.db import DatabaseSettings, Statement
from undercroft.core.db.errors import DatabaseUnavailable
from undercroft.core.db.pool import Pool
from undercroft.devstack.machine import free_port

SIZE = 2
PID = Statement(text("SELECT pg_backend_pid()"))
SLEEP = Statement(text("SELECT pg_sleep(0.01)"))


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = Pool(database_url, DatabaseSettings(db_acquire_timeout=0.2), name="read", size=SIZE, read_only=True)
    yield pool
    await pool.close()


async def test_a_connection_given_back_is_the_next_ones(pool: Pool) -> None:
    first = await pool.fetchrow(PID)

    assert await pool.fetchrow(PID) == first


async def test_more_borrowers_than_connections_take_turns(pool: Pool) -> None:
    borrowers = [pool.fetch(SLEEP) for _ in range(5 * SIZE)]

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


async def test_those_who_wait_come_in_their_order(pool: Pool) -> None:
    lent = [await pool.acquire() for _ in range(SIZE)]
    order: list[int] = []

    async def borrow(number: int) -> None:
        borrowed = await pool.acquire()
        order.append(number)
        borrowed.release()

    waiting = [asyncio.create_task(borrow(number)) for number in range(5)]
    await asyncio.sleep(0)
    lent.pop().release()
    await asyncio.gather(*waiting)

    assert order == [0, 1, 2, 3, 4]
    lent.pop().release()


async def test_one_who_gave_up_does_not_keep_the_connection(pool: Pool) -> None:
    lent = [await pool.acquire() for _ in range(SIZE)]
    gives_up, waits = (asyncio.create_task(pool.acquire()) for _ in range(2))
    await asyncio.sleep(0)

    handed = lent.pop()
    handed.release()
    gives_up.cancel()

    borrowed = await waits
    assert borrowed.raw is handed.raw
    assert gives_up.cancelled()
    for each in (*lent, borrowed):
        each.release()
    assert pool.in_use == 0


async def test_who_waits_makes_another_connection_when_one_is_closed(pool: Pool) -> None:
    lent = [await pool.acquire() for _ in range(SIZE)]
    waiting = asyncio.create_task(pool.acquire())
    await asyncio.sleep(0)
    closed = lent.pop()
    closed.discard()

    borrowed = await waiting
    assert borrowed.raw is not closed.raw
    for each in (*lent, borrowed):
        each.release()
    assert pool.in_use == 0


async def test_who_waits_is_told_at_once_when_no_connection_can_be_made() -> None:
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    pool = Pool(nowhere, DatabaseSettings(db_acquire_timeout=60), name="write", size=SIZE)

    tries = await asyncio.wait_for(asyncio.gather(*(pool.acquire() for _ in range(10)), return_exceptions=True), 20)

    assert [type(each) for each in tries] == [DatabaseUnavailable] * 10
    await pool.close()


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

    assert not pool._idle
    await pool.close()
