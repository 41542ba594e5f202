"""The current job, as a task sees it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from uuid import UUID

from msgspec import Struct, field

from undercroft.core.db import Database, ReadSession, Session

MESSAGE_LIMIT = 1000


class Progress(Struct):
    """The progress of a job; written to its row periodically, not at each call."""

    fraction: float | None = None
    message: str | None = None
    changed: bool = False


class CurrentJob(Struct, frozen=True):
    """The running job. A task receives it as a parameter annotated `CurrentJob` or calls `current_job()`.

    @task()
    async def export(job: CurrentJob, *, user_id: UUID) -> dict[str, int]:
        async with job.session() as session: ...
        job.progress(0.4, "invoices")
        return {"files": 12}
    """

    id: UUID
    task: str
    queue: str
    attempt: int
    max_attempts: int
    key: str | None
    request_id: str | None
    database: Database
    _progress: Progress = field(default_factory=Progress)

    def progress(self, fraction: float, message: str | None = None) -> None:
        """Set the progress, a fraction from 0 to 1. Thread-safe and cheap: it is stored about twice a second."""
        self._progress.fraction = min(1.0, max(0.0, fraction))
        self._progress.message = None if message is None else sanitize_text(message, MESSAGE_LIMIT)
        self._progress.changed = True

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Open a transaction, which is committed at the end of the block.

        When the job is canceled, its running statement is canceled too, so that it does not block the next attempt.
        """
        async with self.database.session() as session, _canceling(session):
            yield session

    @asynccontextmanager
    async def read_session(self) -> AsyncIterator[ReadSession]:
        """Open a session for reading without a transaction. Its running statement is canceled with the job."""
        async with self.database.read_session() as session, _canceling(session):
            yield session


@asynccontextmanager
async def _canceling(session: ReadSession) -> AsyncIterator[None]:
    try:
        yield
    except asyncio.CancelledError:
        await session.cancel_statement()
        raise


current: ContextVar[CurrentJob | None] = ContextVar("undercroft_job", default=None)


def current_job() -> CurrentJob:
    """Return the running job. Raises `LookupError` outside a job."""
    job = current.get()
    if job is None:
        raise LookupError("No job is running here.")
    return job


def sanitize_text(text: str, limit: int) -> str:
    """Make text storable in PostgreSQL: replace NUL and lone surrogates, and truncate it to `limit` characters."""
    cut = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return cut.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
