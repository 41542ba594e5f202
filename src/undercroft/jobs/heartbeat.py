"""Which workers are alive: each keeps a row that it renews with its heartbeats."""

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
    """What is stored of a worker."""

    id: UUID
    queues: tuple[str, ...]
    concurrency: int

    @property
    def task_names(self) -> list[str]: ...


async def record_heartbeat(database: Database, worker: WorkerInfo) -> None:
    """Report that this worker takes jobs now. One whose event loop is blocked takes none, and is not seen."""
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
    """Say that this worker has ended."""
    async with database.session() as session:
        await (await session.raw()).execute("DELETE FROM job_workers WHERE id = $1", worker_id)
