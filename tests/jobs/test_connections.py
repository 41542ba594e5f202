"""Autocommit connections after an error: returned to the pool, and closed if they are broken."""

import asyncpg
import pytest

from undercroft.core.db import Database
from undercroft.jobs.connections import autocommit_connection


@pytest.mark.parametrize(
    ("code", "closed"), [("23505", False), ("57014", False), ("53100", False), ("25006", True), ("XX000", True)]
)
async def test_connection_is_returned_after_a_database_error(database: Database, code: str, *, closed: bool) -> None:
    with pytest.raises(asyncpg.PostgresError):
        async with autocommit_connection(database) as connection:
            await connection.execute(f"DO $$ BEGIN RAISE EXCEPTION 'as asked' USING ERRCODE = '{code}'; END $$")
    assert connection.is_closed() is closed
    assert database.write.in_use == 0


async def test_connection_is_closed_after_an_exception_in_the_block(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with autocommit_connection(database) as connection:
            raise ZeroDivisionError
    assert connection.is_closed()
    assert database.write.in_use == 0
