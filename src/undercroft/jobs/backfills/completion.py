"""Starts backfills in workers, and completes one in a command."""

import asyncio
from typing import Any

from sqlalchemy import exists, select

from undercroft.core.context import current_context
from undercroft.core.db import Database, all_tenants
from undercroft.core.errors import ConfigurationError
from undercroft.jobs.backfills.declaration import Backfill, Backfills
from undercroft.jobs.backfills.runner import REGISTER, BackfillRunner, Report, find_row, get_row, lease
from undercroft.jobs.context import CurrentJob
from undercroft.jobs.enqueueing import enqueue
from undercroft.jobs.models import BackfillRow, BackfillStatus

JOB_KEY = "backfill"
WAITING = "SELECT name FROM backfills WHERE name = ANY ($1) AND status = 'queued' ORDER BY name"
RESTART = """
UPDATE backfills SET status = 'queued', done = 0, total = NULL, last_key = NULL, started_at = NULL, finished_at = NULL,
    updated_at = now()
WHERE name = $1 AND status = 'completed'
"""


async def start_backfills(database: Database) -> list[str]:
    """Enqueue a job for each declared backfill that waits to be run; returns their names. Workers start with it."""
    declared = current_context().get(Backfills).by_name
    if not declared:
        return []
    async with database.session() as session:
        connection = await session.raw()
        await connection.execute(REGISTER, list(declared))
        names = [row["name"] for row in await connection.fetch(WAITING, list(declared))]
        for name in names:
            await enqueue(session, declared[name].task, key=JOB_KEY)
    return names


async def run_in_job(job: CurrentJob, declared: Backfill) -> dict[str, Any]:
    """Run a backfill in its job. If another process runs it, wait whether that process dies."""

    def report(row: BackfillRow) -> None:
        job.progress(row.fraction or 0.0, f"{row.done} of {row.total} rows")

    ran = await BackfillRunner(job.database, declared).run(report)
    if not ran:
        await asyncio.sleep(lease() + 1)
        ran = await BackfillRunner(job.database, declared).run(report)
    row = await get_row(job.database, declared.name)
    return {"status": row.state, "done": row.done}


async def complete_backfill(database: Database, name: str, report: Report | None = None) -> None:
    """Run a backfill until no row is left, or follow the process that runs it. `report` is called with its progress.

    Raises `ConfigurationError` if it is paused, failed or canceled, or if this application does not have it and the
    database has not completed it.
    """
    declared = current_context().get(Backfills).by_name.get(name)
    if declared is None:
        await _require_completed(database, name)
        return
    while not await _is_complete(database, declared):
        if not await BackfillRunner(database, declared).run(report):
            row = await find_row(database, name)
            if report is not None and row is not None:
                report(row)
            await asyncio.sleep(1)


async def _require_completed(database: Database, name: str) -> None:
    row = await find_row(database, name)
    if row is None or row.status != BackfillStatus.COMPLETED:
        raise ConfigurationError(
            f"The backfill {name} has not been completed in this database, and this application does not have it. "
            "Check the name in `requires_backfill`, or complete the backfill with the release that contains it."
        )


async def _is_complete(database: Database, declared: Backfill) -> bool:
    """Whether no row is left. Raises `ConfigurationError` if the backfill is paused, failed or canceled."""
    row = await find_row(database, declared.name)
    if row is None or row.status == BackfillStatus.QUEUED:
        return False
    if row.status != BackfillStatus.COMPLETED:
        raise ConfigurationError(_stopped_message(row))
    return not await _restart_if_pending(database, declared)


async def _restart_if_pending(database: Database, declared: Backfill) -> bool:
    """Queue a completed backfill again if rows match it, which an older release may have written since."""
    with all_tenants():
        async with database.session() as session:
            if not await session.scalar(select(exists().where(declared.where).select_from(declared.model))):
                return False
            await (await session.raw()).execute(RESTART, declared.name)
            return True


def _stopped_message(row: BackfillRow) -> str:
    what = f"The backfill {row.name} is {row.status} at {row.done} of {row.total or 0} rows"
    if row.status == BackfillStatus.FAILED:
        return f"{what}: {row.error}\nFix the cause, then run `undercroft backfill retry {row.name}`."
    command = "resume" if row.status == BackfillStatus.PAUSED else "retry"
    return f"{what}. Continue it with `undercroft backfill {command} {row.name}`."
