"""Stored responses of an earlier release after the upgrade."""

import asyncpg

from undercroft.app.migrations import histories, upgrade_all
from undercroft.core.db import migrations

KEY = """
INSERT INTO idempotency_keys (digest, request, outcome, answer, created_at, expires_at) -- typos: ignore
VALUES ($1, 'r', $2, $3, now(), now())
"""


async def test_responses_and_outcomes_are_preserved(empty_database_url: str) -> None:
    await upgrade_all(empty_database_url)
    (history,) = [history for history in histories() if history.name == "idempotency"]
    await migrations.downgrade(empty_database_url, history, "0001_idempotency_keys")
    connection = await asyncpg.connect(empty_database_url)
    try:
        for digest, outcome, response in ((b"1", "answered", b"sealed"), (b"2", "not kept", None)):  # typos: ignore
            await connection.execute(KEY, digest, outcome, response)
        await upgrade_all(empty_database_url)
        rows = await connection.fetch("SELECT outcome, response FROM idempotency_keys ORDER BY digest")
        assert [tuple(row) for row in rows] == [("completed", b"sealed"), ("not_stored", None)]
    finally:
        await connection.close()
