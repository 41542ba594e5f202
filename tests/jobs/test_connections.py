"""A worker's own connections after an error: given back, and closed when they lead to the wrong server."""

import asyncpg
import pytest

from undercroft.core.db import Database
from undercroft.jobs.connections import autocommit_connection


@pytest.mark.parametrize(
    ("code", "closed"), [("23505", False), ("57014", False), ("53100", False), ("25006", True), ("XX000", True)]
)
async def test_a_connection_is_given_back_after_an_error(database: Database, code: str, *, closed: bool) -> None:
    with pytest.raises(asyncpg.PostgresError):
        async with autocommit_connection(database) as connection:
            await connection.execute(f"DO $$ BEGIN RAISE EXCEPTION 'as asked' USING ERRCODE = '{code}'; END $$")
    assert connection.is_closed() is closed
    assert database.write.in_use == 0


async def test_a_connection_is_closed_after_an_error_of_the_program(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with autocommit_connection(database) as connection:
            raise ZeroDivisionError
    assert connection.is_closed()
    assert database.write.in_use == 0
