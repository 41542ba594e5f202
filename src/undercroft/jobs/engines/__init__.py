"""What carries jobs to workers. The rows of `jobs` are the history; an engine's messages say what is due to whom.

A message is written in the transaction that writes the row. It is claimed by one worker at a time, whose
heartbeats renew the claim, given to another worker when they stop, and removed when the job has ended.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Protocol
from uuid import UUID

import asyncpg
from msgspec import Struct

from undercroft.core.db.settings import DatabaseSettings
from undercroft.core.settings import load
from undercroft.jobs.settings import JobsSettings


class NewJob(Struct, frozen=True):
    """A job as `enqueue` asks for it; `at` wins over `delay`, which counts from the database's clock."""

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
    """One delivery of a job to a worker; `handle` is the engine's own."""

    id: int
    job_id: UUID
    handle: Any


class Engine(Protocol):
    """The queueing itself. Every method but `listen` works on a connection inside the caller's transaction."""

    async def enqueue(self, connection: asyncpg.Connection, job: NewJob) -> Mapping[str, Any] | None:
        """Write the job's row and its message in one statement.

        The row's `scheduled_at`, `created_at` and `message_id`; None when an unfinished job of the task has the key.
        """
        ...

    async def send(self, connection: asyncpg.Connection, job_ids: Collection[UUID]) -> None:
        """Write a new message for each of these rows that is queued; an older message of theirs counts no more."""
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
        """Take up to `limit` due messages of these tasks, and those whose worker gave no heartbeat for so long."""
        ...

    def heartbeat_sql(self, worker_id: UUID) -> str:
        """The statement, without parameters, that renews every claim of this worker. It never waits for a lock."""
        ...

    async def finish(self, connection: asyncpg.Connection, finished: Sequence[tuple[QueueMessage, str]]) -> None:
        """Remove the messages of jobs that ended in these statuses."""
        ...

    async def release(
        self, connection: asyncpg.Connection, worker_id: UUID, released: Sequence[tuple[QueueMessage, timedelta]]
    ) -> None:
        """Give messages back, due after these delays, unless another worker has claimed them since."""
        ...

    async def release_unknown(self, connection: asyncpg.Connection, worker_id: UUID, known_ids: Collection[int]) -> int:
        """Give back what this worker claimed beside these messages; how many there were."""
        ...

    async def next_due(self, connection: asyncpg.Connection, tasks: Collection[str]) -> timedelta | None:
        """How long until the next message is due; None when none waits."""
        ...

    async def notify_cancel(self, connection: asyncpg.Connection, message_id: int) -> None:
        """Tell whichever worker runs this message, once the transaction commits, to stop it."""
        ...

    async def sweep(self, connection: asyncpg.Connection, limit: int) -> tuple[int, int]:
        """Send anew for unfinished jobs without a message and drop messages without one; how many of each."""
        ...

    async def delete_records(self, connection: asyncpg.Connection, keep: timedelta, limit: int) -> int:
        """Delete up to `limit` rows of each kind of the engine's own records that are older; how many."""
        ...

    async def listen(
        self, url: str, settings: DatabaseSettings, *, on_message: Callable[[], None], on_cancel: Callable[[int], None]
    ) -> None:
        """Call back for every announcement until cancelled, over a connection that comes back by itself."""
        ...


@cache
def _load_engine(name: str) -> Engine:
    from undercroft.jobs.engines.postgres import PostgresEngine

    return {"postgres": PostgresEngine}[name]()


def get_engine() -> Engine:
    """The engine that `JOBS_ENGINE` names."""
    return _load_engine(load(JobsSettings).jobs_engine)
