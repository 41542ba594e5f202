"""The interface of queue engines. The rows of `jobs` are the history; an engine's messages deliver jobs to workers.

A message is written in the same transaction as the row. One worker at a time claims it and renews the claim with
heartbeats. When the heartbeats stop, another worker can claim it. It is removed when the job has ended.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import asyncpg
from msgspec import Struct

from undercroft.core.adapters import find_adapter
from undercroft.core.context import current_context
from undercroft.core.db import DatabaseSettings
from undercroft.core.settings import load
from undercroft.jobs.settings import KIND, JobsSettings


class NewJob(Struct, frozen=True):
    """A job to enqueue. `at` takes precedence over `delay`, which is added to the database's current time."""

    id: UUID
    task: str
    queue: str
    priority: int
    max_attempts: int
    args: str
    key: str | None
    request_id: str | None
    at: datetime | None
    delay: timedelta


class QueueMessage(Struct, frozen=True):
    """One delivery of a job to a worker; `handle` is internal to the engine."""

    id: int
    job_id: UUID
    handle: Any


class Engine(Protocol):
    """A message queue. Every method except `listen` and `heartbeat_sql` uses the caller's connection."""

    async def enqueue(self, connection: asyncpg.Connection, job: NewJob) -> Mapping[str, Any] | None:
        """Write the job's row and its message in one statement.

        Returns `scheduled_at`, `created_at` and `message_id`, or None if an unfinished job of the task has the key.
        """
        ...

    async def send(self, connection: asyncpg.Connection, job_ids: Collection[UUID]) -> None:
        """Write a new message for each of these jobs that is queued; it replaces their older messages."""
        ...

    async def claim(
        self,
        connection: asyncpg.Connection,
        *,
        limit: int,
        tasks: Collection[str],
        worker_id: UUID,
        stale_after: timedelta,
    ) -> list[QueueMessage]:
        """Claim up to `limit` messages of these tasks that are due, or have had no heartbeat for `stale_after`."""
        ...

    def heartbeat_sql(self, worker_id: UUID) -> str:
        """Return a statement without parameters that renews all claims of this worker. It never waits for a lock."""
        ...

    async def finish(self, connection: asyncpg.Connection, finished: Sequence[tuple[QueueMessage, str]]) -> None:
        """Remove the messages of jobs that ended with these statuses."""
        ...

    async def release(
        self, connection: asyncpg.Connection, worker_id: UUID, released: Sequence[tuple[QueueMessage, timedelta]]
    ) -> None:
        """Return messages to the queue, due after these delays, unless another worker has claimed them."""
        ...

    async def release_unknown(self, connection: asyncpg.Connection, worker_id: UUID, known_ids: Collection[int]) -> int:
        """Return all messages of this worker except the known ones to the queue; returns their number."""
        ...

    async def next_due(self, connection: asyncpg.Connection, tasks: Collection[str]) -> timedelta | None:
        """Return the time until the next message is due, or None if there is none."""
        ...

    async def notify_cancel(self, connection: asyncpg.Connection, message_id: int) -> None:
        """Notify the worker that runs this message, when the transaction commits, to stop it."""
        ...

    async def sweep(self, connection: asyncpg.Connection, limit: int) -> tuple[int, int]:
        """Write messages for unfinished jobs without one and delete messages without a job; returns both numbers."""
        ...

    async def delete_records(self, connection: asyncpg.Connection, keep: timedelta, limit: int) -> int:
        """Delete up to `limit` rows older than `keep` from each of the engine's internal tables; returns the number."""
        ...

    async def delete_tasks(self, connection: asyncpg.Connection, prefix: str) -> None:
        """Delete all messages and records of the tasks with this prefix in their names."""
        ...

    async def listen(
        self, url: str, settings: DatabaseSettings, *, on_message: Callable[[], None], on_cancel: Callable[[int], None]
    ) -> None:
        """Call back for every notification until canceled. Reconnects automatically."""
        ...


def get_engine() -> Engine:
    """Return the engine configured by `JOBS_ENGINE`, created once per application. Raises `ConfigurationError`."""
    context = current_context()
    engine = context.find(Engine)
    if engine is None:
        engine = context.add(Engine, find_adapter(KIND, load(JobsSettings).jobs_engine, "JOBS_ENGINE")())
    return engine
