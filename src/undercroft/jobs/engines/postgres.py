"""The pgqueuer engine: queues in PostgreSQL. Claiming, redelivery and completion use the library's statements.

Only workers import the library. Other processes enqueue with a statement of this module, which writes the job's row and
its message.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import asyncpg
from msgspec.structs import astuple

from undercroft.core.db import DatabaseSettings
from undercroft.jobs.engines import NewJob, QueueMessage
from undercroft.jobs.engines.listener import listen
from undercroft.jobs.models import UNFINISHED_SQL

if TYPE_CHECKING:
    from pgqueuer.domain.settings import DBSettings
    from pgqueuer.queries import Queries

CHANNEL = "ch_pgqueuer"

NEXT_ID = "nextval('pgqueuer_id_seq')"
INSERT_MESSAGES = """
    INSERT INTO pgqueuer (id, priority, entrypoint, payload, execute_after, status)
    SELECT message_id, priority, task, uuid_send(id), scheduled_at, 'queued' FROM job
"""

ENQUEUE = f"""
WITH job AS (
    INSERT INTO jobs (
        id, task, queue, status, priority, attempts, max_attempts, lost, args, key, request_id, cancel_requested,
        scheduled_at, created_at, updated_at, message_id
    ) VALUES (
        $1, $2, $3, 'queued', $4, 0, $5, 0, $6, $7, $8, false,
        coalesce($9, now() + $10::interval), now(), now(), {NEXT_ID}
    )
    ON CONFLICT (task, key) WHERE key IS NOT NULL AND {UNFINISHED_SQL} DO NOTHING
    RETURNING id, task, priority, scheduled_at, created_at, message_id
), message AS ({INSERT_MESSAGES})
SELECT scheduled_at, created_at, message_id FROM job
"""  # noqa: S608 - only constants

SEND = f"""
WITH job AS (
    UPDATE jobs SET message_id = {NEXT_ID}, updated_at = now()
    WHERE id = ANY($1::uuid[]) AND status = 'queued'
    RETURNING id, task, priority, scheduled_at, message_id
) {INSERT_MESSAGES}"""  # noqa: S608 - only constants

HEARTBEAT = """
UPDATE pgqueuer SET heartbeat = now() WHERE id IN (
    SELECT id FROM pgqueuer WHERE queue_manager_id = '{worker_id}' AND status = 'picked' FOR UPDATE SKIP LOCKED
)
"""

RELEASE = """
WITH released AS (
    UPDATE pgqueuer p SET
        status = 'queued', queue_manager_id = NULL, execute_after = now() + r.delay, attempts = p.attempts + 1,
        updated = now()
    FROM unnest($2::bigint[], $3::interval[]) AS r(id, delay)
    WHERE p.id = r.id AND p.queue_manager_id = $1 AND p.status = 'picked'
    RETURNING p.id, p.entrypoint, p.priority
)
INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority)
SELECT id, 'queued', entrypoint, priority FROM released
"""

RELEASE_UNKNOWN = """
UPDATE pgqueuer SET status = 'queued', queue_manager_id = NULL, updated = now()
WHERE queue_manager_id = $1 AND status = 'picked' AND NOT id = ANY($2::bigint[])
"""

NEXT_DUE = """
SELECT min(execute_after) - now() AS due FROM pgqueuer WHERE status = 'queued' AND entrypoint = ANY($1::text[])
"""

RESEND_LOST = f"""
WITH lost AS (
    SELECT id FROM jobs j
    WHERE {UNFINISHED_SQL} AND NOT EXISTS (SELECT FROM pgqueuer p WHERE p.id = j.message_id)
        AND (status = 'queued' OR NOT EXISTS (
            SELECT FROM job_workers w WHERE w.id = j.worker_id AND w.seen_at > now() - interval '1 hour'
        ))
    ORDER BY scheduled_at LIMIT $1
    FOR UPDATE SKIP LOCKED
), job AS (
    UPDATE jobs j SET message_id = {NEXT_ID}, status = 'queued', updated_at = now()
    FROM lost WHERE j.id = lost.id
    RETURNING j.id, j.task, j.priority, j.scheduled_at, j.message_id
) {INSERT_MESSAGES}"""  # noqa: S608 - only constants

DROP_ORPHANS = f"""
DELETE FROM pgqueuer WHERE id IN (
    SELECT p.id FROM pgqueuer p
    WHERE NOT EXISTS (
        SELECT FROM jobs j
        WHERE j.id = encode(p.payload, 'hex')::uuid AND j.message_id = p.id AND {UNFINISHED_SQL}
    )
    LIMIT $1
    FOR UPDATE SKIP LOCKED
)
"""  # noqa: S608 - only constants

DELETE_LOG = """
DELETE FROM pgqueuer_log WHERE id IN (
    SELECT id FROM pgqueuer_log WHERE created < now() - $1::interval ORDER BY created LIMIT $2
)
"""

DELETE_STATISTICS = """
DELETE FROM pgqueuer_statistics WHERE id IN (
    SELECT id FROM pgqueuer_statistics WHERE created < now() - $1::interval ORDER BY id LIMIT $2
)
"""

PGQUEUER_STATUS = {"succeeded": "successful", "failed": "exception", "canceled": "canceled"}


class PostgresEngine:
    """The `postgres` engine. `Engine` documents the methods."""

    async def enqueue(self, connection: asyncpg.Connection, job: NewJob) -> Mapping[str, Any] | None:
        return cast("Mapping[str, Any] | None", await connection.fetchrow(ENQUEUE, *astuple(job)))

    async def send(self, connection: asyncpg.Connection, job_ids: Collection[UUID]) -> None:
        await connection.execute(SEND, list(job_ids))

    async def claim(
        self,
        connection: asyncpg.Connection,
        *,
        limit: int,
        tasks: Collection[str],
        worker_id: UUID,
        stale_after: timedelta,
    ) -> list[QueueMessage]:
        from pgqueuer.ports.repository import EntrypointExecutionParameter

        unlimited = EntrypointExecutionParameter(concurrency_limit=0)
        claimed = await self._queries(connection).dequeue(
            batch_size=limit,
            entrypoints=dict.fromkeys(cast("Collection[Any]", tasks), unlimited),
            queue_manager_id=cast(Any, worker_id),
            global_concurrency_limit=None,
            heartbeat_timeout=stale_after,
        )
        return [QueueMessage(job.id, UUID(bytes=job.payload), job) for job in claimed if job.payload]

    def heartbeat_sql(self, worker_id: UUID) -> str:
        return HEARTBEAT.format(worker_id=UUID(str(worker_id)))

    async def finish(self, connection: asyncpg.Connection, finished: Sequence[tuple[QueueMessage, str]]) -> None:
        if finished:
            await self._queries(connection).log_jobs(
                [(message.handle, cast(Any, PGQUEUER_STATUS[status]), None) for message, status in finished]
            )

    async def release(
        self, connection: asyncpg.Connection, worker_id: UUID, released: Sequence[tuple[QueueMessage, timedelta]]
    ) -> None:
        """Avoids the library's `retry_job`, which would take a message from another worker that has claimed it."""
        if released:
            ids, delays = [message.id for message, _ in released], [delay for _, delay in released]
            await connection.execute(RELEASE, worker_id, ids, delays)

    async def release_unknown(self, connection: asyncpg.Connection, worker_id: UUID, known_ids: Collection[int]) -> int:
        return _row_count(await connection.execute(RELEASE_UNKNOWN, worker_id, list(known_ids)))

    async def next_due(self, connection: asyncpg.Connection, tasks: Collection[str]) -> timedelta | None:
        return cast("timedelta | None", await connection.fetchval(NEXT_DUE, list(tasks)))

    async def notify_cancel(self, connection: asyncpg.Connection, message_id: int) -> None:
        event = {"channel": CHANNEL, "ids": [message_id], "type": "cancellation_event"}
        sent_at = datetime.now(UTC).isoformat()
        await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, json.dumps(event | {"sent_at": sent_at}))

    async def sweep(self, connection: asyncpg.Connection, limit: int) -> tuple[int, int]:
        resent = await connection.execute(RESEND_LOST, limit)
        dropped = await connection.execute(DROP_ORPHANS, limit)
        return _row_count(resent), _row_count(dropped)

    async def delete_records(self, connection: asyncpg.Connection, keep: timedelta, limit: int) -> int:
        """Deletes in batches. The library would first aggregate its entire log in one unbounded statement, for
        statistics that are not used: the rows of `jobs` are the history.
        """
        log = await connection.execute(DELETE_LOG, keep, limit)
        statistics = await connection.execute(DELETE_STATISTICS, keep, limit)
        return _row_count(log) + _row_count(statistics)

    async def delete_tasks(self, connection: asyncpg.Connection, prefix: str) -> None:
        for table in ("pgqueuer", "pgqueuer_log", "pgqueuer_statistics"):
            await connection.execute(f"DELETE FROM {table} WHERE starts_with(entrypoint, $1)", prefix)  # noqa: S608

    async def listen(
        self, url: str, settings: DatabaseSettings, *, on_message: Callable[[], None], on_cancel: Callable[[int], None]
    ) -> None:
        def on_notification(payload: str) -> None:
            event = json.loads(payload)
            if event.get("type") == "cancellation_event":
                for message_id in event.get("ids", ()):
                    on_cancel(message_id)
            elif event.get("operation") == "insert":
                on_message()

        await listen(url, settings, CHANNEL, on_notification=on_notification, on_connect=on_message)

    @cached_property
    def _builders(self) -> dict[str, Any]:
        """Builders of the library's statements, shared by all connections."""
        from pgqueuer.adapters.persistence import qb

        names = library_names()
        return {
            "qbe": qb.QueryBuilderEnvironment(names),
            "qbq": qb.QueryQueueBuilder(names),
            "qbs": qb.QuerySchedulerBuilder(names),
        }

    def _queries(self, connection: asyncpg.Connection) -> "Queries":
        from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
        from pgqueuer.adapters.persistence.queries import Queries

        return Queries(AsyncpgDriver(connection), **self._builders)


create = PostgresEngine


def library_names() -> "DBSettings":
    """Return the table names of our migration, independent of the library's environment variables."""
    from pgqueuer.domain.settings import DBSettings, Durability

    return DBSettings(
        prefix="",
        db_schema=None,
        channel=cast(Any, CHANNEL),
        function="fn_pgqueuer_changed",
        statistics_table="pgqueuer_statistics",
        queue_status_type="pgqueuer_status",
        queue_table="pgqueuer",
        queue_table_log="pgqueuer_log",
        trigger="tg_pgqueuer_changed",
        schedules_table="pgqueuer_schedules",
        durability=Durability.durable,
    )


def _row_count(status: str) -> int:
    """Return the number of rows in a PostgreSQL command tag such as `DELETE 3`."""
    return int(status.rpartition(" ")[2])
