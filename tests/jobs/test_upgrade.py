"""Canceled jobs of an earlier release after the upgrade, and after a downgrade."""

import asyncpg

from undercroft.app.migrations import histories, upgrade_all
from undercroft.core.db import migrations
from undercroft.core.ids import new_id

JOB = """
INSERT INTO jobs (id, task, queue, status, priority, attempts, max_attempts, lost, args, cancel_requested, scheduled_at,
    created_at, updated_at)
VALUES ($1, 'old.task', 'default', $2, 0, 1, 1, 0, '{}', false, now(), now(), now())
"""
STATUSES = "SELECT status FROM jobs ORDER BY status"


async def test_status_of_canceled_jobs_is_renamed_in_both_directions(empty_database_url: str) -> None:
    await upgrade_all(empty_database_url)
    core = histories()[0]
    await migrations.downgrade(empty_database_url, core, "0013_reauthenticated_at")
    connection = await asyncpg.connect(empty_database_url)
    try:
        for status in ("cancelled", "failed"):
            await connection.execute(JOB, new_id(), status)
        await upgrade_all(empty_database_url)
        assert [row["status"] for row in await connection.fetch(STATUSES)] == ["canceled", "failed"]
        await migrations.downgrade(empty_database_url, core, "0013_reauthenticated_at")
        assert [row["status"] for row in await connection.fetch(STATUSES)] == ["cancelled", "failed"]
    finally:
        await connection.close()
