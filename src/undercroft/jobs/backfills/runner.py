"""Runs a backfill, in a worker or in a command: one process at a time, one transaction per batch.

A process takes over a backfill for a limited time, which each batch extends. If it is killed, another one continues
after that time. The row of the backfill is locked during a batch, so no two processes ever change the same rows.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from msgspec import Struct
from sqlalchemy import ColumnElement, func, select
from sqlmodel import col

from undercroft.core.db import Database, Session, all_tenants
from undercroft.core.errors import AppError
from undercroft.core.ids import new_id
from undercroft.core.settings import load
from undercroft.core.telemetry.redaction import clean_text
from undercroft.jobs.backfills.declaration import Backfill
from undercroft.jobs.context import sanitize_text
from undercroft.jobs.errors import BackfillNotFound, RowsLeft
from undercroft.jobs.models import BackfillRow, BackfillStatus
from undercroft.jobs.registry import Backoff
from undercroft.jobs.settings import JobsSettings

log = structlog.get_logger("undercroft.application")

FIRST_BATCH = 100
MAX_FAILURES = 8
FAILURE_DELAY = Backoff(initial=1, maximum=60)
BUSY_DELAY = 1.0
MAX_THROTTLE = 30.0
"""Seconds that a batch waits for a busy database. Then it runs nevertheless, so that the backfill ends."""
ERROR_LIMIT = 5000

REGISTER = """
INSERT INTO backfills (name, status, done, attempts, created_at, updated_at)
SELECT name, 'queued', 0, 0, now(), now() FROM unnest($1::text[]) AS n (name) ORDER BY name
ON CONFLICT (name) DO NOTHING
"""
CLAIM = """
UPDATE backfills SET runner = $2, runner_until = now() + $3::interval, started_at = coalesce(started_at, now())
WHERE status = 'queued' AND name = (
    SELECT name FROM backfills
    WHERE name = $1 AND (runner_until IS NULL OR runner_until < now()) FOR UPDATE SKIP LOCKED
) RETURNING total
"""
LOCK = "SELECT last_key FROM backfills WHERE name = $1 AND runner = $2 AND status = 'queued' FOR UPDATE"
ADVANCE = """
UPDATE backfills SET last_key = $3, done = done + $4, rate = $5, attempts = 0, error = NULL, throttled = NULL,
    runner_until = now() + $6::interval, updated_at = now()
WHERE name = $1 AND runner = $2
"""
COMPLETE = """
UPDATE backfills SET status = 'completed', finished_at = now(), runner = NULL, runner_until = NULL, updated_at = now()
WHERE name = $1 AND runner = $2
"""
FAIL = """
UPDATE backfills SET attempts = attempts + 1, error = $3, runner_until = now() + $4::interval, updated_at = now(),
    status = CASE WHEN attempts + 1 >= $5 THEN 'failed' ELSE status END
WHERE name = $1 AND runner = $2 AND status = 'queued' RETURNING attempts, status
"""
THROTTLE = """
UPDATE backfills SET throttled = $3, runner_until = now() + $4::interval WHERE name = $1 AND runner = $2
"""
COUNT = "UPDATE backfills SET total = $3 WHERE name = $1 AND runner = $2"
RELEASE = "UPDATE backfills SET runner = NULL, runner_until = NULL, throttled = NULL WHERE name = $1 AND runner = $2"
BUSY = """
SELECT
    count(*) FILTER (WHERE wait_event_type = 'Lock' AND clock_timestamp() - state_change > interval '0.5 s') AS locks,
    (SELECT coalesce(extract(epoch FROM max(replay_lag)), 0)::float FROM pg_stat_replication) AS lag
FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
MAX_LAG = 5.0
"""Replication lag in seconds from which a backfill waits. Roles without `pg_monitor` do not see it."""

Report = Callable[[BackfillRow], None]


def lease() -> float:
    """The seconds after a batch, and the pause after it, in which no other process takes over."""
    return load(JobsSettings).jobs_redelivery


class Stopped(Exception):
    """Another process runs the backfill, or it is not queued any more."""


class Batch(Struct, frozen=True):
    """The result of a batch: the number of rows, and whether no row is left."""

    rows: int
    is_last: bool = False


class BackfillRunner:
    """Runs a backfill until it ends or is paused. A failed batch is retried with increasing delays."""

    def __init__(self, database: Database, declared: Backfill) -> None:
        self._database = database
        self._backfill = declared
        self._token: UUID = new_id()
        self._limit = min(FIRST_BATCH, declared.batch)
        self._rate: float | None = None
        self._throttled = 0.0

    async def run(self, report: Report | None = None) -> bool:
        """Run all batches. Returns False if another process runs it, or if it does not wait to be run."""
        if not await self._claim():
            return False
        try:
            while not await self._step():
                if report is not None:
                    report(await get_row(self._database, self._backfill.name))
        except Stopped:
            pass
        finally:
            with suppress(Exception):  # after that time, another process takes over in any case
                await self._update(RELEASE)
        return True

    async def _claim(self) -> bool:
        async with self._database.session() as session:
            connection = await session.raw()
            await connection.execute(REGISTER, [self._backfill.name])
            row = await connection.fetchrow(CLAIM, self._backfill.name, self._token, timedelta(seconds=lease()))
        if row is not None and row["total"] is None:
            await self._count()
        return row is not None

    async def _count(self) -> None:
        """Store the number of rows. Without it, for example after a timeout, there is no remaining time."""
        query = select(func.count()).select_from(self._backfill.model).where(self._backfill.where)
        with suppress(AppError, asyncpg.PostgresError), all_tenants():
            async with self._database.read_session() as session:
                await self._update(COUNT, await session.scalar(query))

    async def _step(self) -> bool:
        """Run a batch, or wait until the database is less busy. Returns whether the backfill is complete."""
        if self._throttled < MAX_THROTTLE and (reason := await self._find_load()):
            await self._update(THROTTLE, reason, timedelta(seconds=BUSY_DELAY + lease()))
            await asyncio.sleep(BUSY_DELAY)
            self._throttled += BUSY_DELAY
            return False
        self._throttled = 0.0
        try:
            batch = await self._run_batch()
        except Stopped:
            raise
        except Exception as error:
            await self._record_failure(error)
            return False
        if not batch.is_last:
            await asyncio.sleep(self._backfill.pause)
        return batch.is_last

    async def _find_load(self) -> str:
        """The reason why the database is busy; empty if it is not."""
        async with self._database.session() as session:
            row = await (await session.raw()).fetchrow(BUSY)
        if row["locks"]:
            return f"{row['locks']} session{'s wait' if row['locks'] > 1 else ' waits'} for locks"
        return f"replication is {row['lag']:.0f} s behind" if row["lag"] > MAX_LAG else ""

    async def _run_batch(self) -> Batch:
        """Change the next rows and store the position, in one transaction. Raises `Stopped`."""
        started, name = time.monotonic(), self._backfill.name
        async with self._database.session() as session:
            with all_tenants():
                row = await (await session.raw()).fetchrow(LOCK, name, self._token)
                if row is None:
                    raise Stopped
                position = self._backfill.parse_key(row["last_key"])
                keys = await self._next_keys(session, position)
                if not keys and position is not None:  # rows may have been written behind the position
                    keys = await self._next_keys(session, None)
                if keys:
                    await self._change(session, keys)
                connection = await session.raw()
            if not keys:
                await connection.execute(COMPLETE, name, self._token)
                return Batch(0, is_last=True)
            rate = self._rate_with(len(keys), time.monotonic() - started + self._backfill.pause)
            until = timedelta(seconds=self._backfill.pause + lease())
            await connection.execute(ADVANCE, name, self._token, str(keys[-1]), len(keys), rate, until)
        self._rate = rate
        self._adapt_limit(time.monotonic() - started)
        return Batch(len(keys))

    async def _next_keys(self, session: Session, after: Any) -> list[Any]:
        """Lock and return the keys of the next rows after a key."""
        key, conditions = self._backfill.key, [self._backfill.where]
        if after is not None:
            conditions.append(key > after)
        query = select(key).where(*conditions).order_by(key).limit(self._limit)
        return list((await session.scalars(query.with_for_update(key_share=True))).all())

    async def _change(self, session: Session, keys: list[Any]) -> None:
        """Call the function. Raises `RowsLeft` if it did not change every row, because the backfill would never end."""
        await self._backfill.function(session, keys)
        await session.flush()
        unchanged: list[ColumnElement[bool]] = [self._backfill.key.in_(keys), self._backfill.where]
        left = await session.scalar(select(func.count()).select_from(self._backfill.model).where(*unchanged))
        if left:
            raise RowsLeft(f"{left} of {len(keys)} rows still match `where` after the function has returned.")

    def _rate_with(self, rows: int, seconds: float) -> float:
        current = rows / max(seconds, 0.001)
        return current if self._rate is None else 0.8 * self._rate + 0.2 * current

    def _adapt_limit(self, took: float) -> None:
        """Set the size of the next batch so that it takes about the declared time; it at most doubles."""
        factor = min(2.0, self._backfill.seconds / max(took, 0.001))
        self._limit = max(1, min(self._backfill.batch, round(self._limit * factor)))

    async def _record_failure(self, error: Exception) -> None:
        """Store the error and wait for the next attempt. Raises `Stopped` after the last one."""
        text = sanitize_text(clean_text(f"{type(error).__name__}: {error}"), ERROR_LIMIT)
        self._limit = max(1, self._limit // 2)
        patience = timedelta(seconds=FAILURE_DELAY.maximum + lease())
        async with self._database.session() as session:
            connection = await session.raw()
            row = await connection.fetchrow(FAIL, self._backfill.name, self._token, text, patience, MAX_FAILURES)
        if row is None or row["status"] == BackfillStatus.FAILED:
            log.error("backfill.failed", backfill=self._backfill.name, exc_info=error)
            raise Stopped
        log.warning("backfill.batch_failed", backfill=self._backfill.name, attempt=row["attempts"], error=text)
        await asyncio.sleep(FAILURE_DELAY.delay(row["attempts"]))

    async def _update(self, sql: str, *values: Any) -> None:
        async with self._database.session() as session:
            await (await session.raw()).execute(sql, self._backfill.name, self._token, *values)


async def find_row(database: Database, name: str) -> BackfillRow | None:
    """Return the state of a backfill; None if it has never been started."""
    async with database.read_session() as session:
        found: BackfillRow | None = (
            await session.scalars(select(BackfillRow).where(col(BackfillRow.name) == name))
        ).first()
    return found


async def get_row(database: Database, name: str) -> BackfillRow:
    """Return the state of a backfill. Raises `BackfillNotFound`."""
    found = await find_row(database, name)
    if found is None:
        raise BackfillNotFound
    return found
