"""Rows of live workers, which each worker renews with its heartbeats."""

import os
import socket
from typing import Protocol
from uuid import UUID

from undercroft.core.db.session import Database

UPSERT_WORKER = """
INSERT INTO job_workers (id, host, pid, queues, concurrency, tasks, started_at, seen_at)
VALUES ($1, $2, $3, $4, $5, $6, now(), now())
ON CONFLICT (id) DO UPDATE SET seen_at = now()
"""


class WorkerInfo(Protocol):
    """The stored properties of a worker."""

    id: UUID
    queues: tuple[str, ...]
    concurrency: int

    @property
    def task_names(self) -> list[str]: ...


async def record_heartbeat(database: Database, worker: WorkerInfo) -> None:
    """Record that this worker accepts jobs. A worker with a blocked event loop accepts none and records nothing."""
    async with database.session() as session:
        await (await session.raw()).execute(
            UPSERT_WORKER,
            worker.id,
            socket.gethostname(),
            os.getpid(),
            ",".join(worker.queues),
            worker.concurrency,
            worker.task_names,
        )


async def delete_worker(database: Database, worker_id: UUID) -> None:
    """Delete the row of a worker that has stopped."""
    async with database.session() as session:
        await (await session.raw()).execute("DELETE FROM job_workers WHERE id = $1", worker_id)
