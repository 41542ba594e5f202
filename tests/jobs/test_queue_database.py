"""Autocommit connections after an error: returned to the pool, and closed if they are broken."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from undercroft.core.db import Database
from undercroft.jobs.queue_database import QueueDatabase


@pytest_asyncio.fixture
async def queue(database: Database) -> AsyncIterator[QueueDatabase]:
    queue = QueueDatabase(database, connections=2)
    yield queue
    await queue.close()


@pytest.mark.parametrize(
    ("code", "closed"), [("23505", False), ("57014", False), ("53100", False), ("25006", True), ("XX000", True)]
)
async def test_connection_is_returned_after_a_database_error(queue: QueueDatabase, code: str, *, closed: bool) -> None:
    with pytest.raises(asyncpg.PostgresError):
        async with queue.autocommit() as connection:
            await connection.execute(f"DO $$ BEGIN RAISE EXCEPTION 'expected' USING ERRCODE = '{code}'; END $$")
    assert connection.is_closed() is closed
    assert queue.write.in_use == 0


async def test_connection_is_closed_after_an_exception_in_the_block(queue: QueueDatabase) -> None:
    with pytest.raises(ZeroDivisionError):
        async with queue.autocommit() as connection:
            raise ZeroDivisionError
    assert connection.is_closed()
    assert queue.write.in_use == 0
