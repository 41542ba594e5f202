"""What a task can know about the job it runs for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from uuid import UUID

from msgspec import Struct, field

from undercroft.core.db.session import Database, ReadSession, Session

MESSAGE_LIMIT = 1000


class Progress(Struct):
    """How far a job has come; written to its row now and then, not at each call."""

    fraction: float | None = None
    message: str | None = None
    changed: bool = False


class CurrentJob(Struct, frozen=True):
    """The job that is being run. A task gets it as a parameter annotated `CurrentJob` or from `current_job()`.

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
        """Tell how far it has come, from 0 to 1. Costs nothing: it is written about twice a second. Thread-safe."""
        self._progress.fraction = min(1.0, max(0.0, fraction))
        self._progress.message = None if message is None else sanitize_text(message, MESSAGE_LIMIT)
        self._progress.changed = True

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """One transaction of the task's own, committed at the end of the block.

        When the job is canceled, so is its statement: another attempt never waits for what the last one left running.
        """
        async with self.database.session() as session, _canceling(session):
            yield session

    @asynccontextmanager
    async def read_session(self) -> AsyncIterator[ReadSession]:
        """Reads without a transaction; their statement is canceled with the job."""
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
    """The job that this code runs for. Raises `LookupError` outside of one."""
    job = current.get()
    if job is None:
        raise LookupError("No job is running here.")
    return job


def sanitize_text(text: str, limit: int) -> str:
    """Text that PostgreSQL can store: no NUL, no lone surrogates, and the end cut off beyond `limit` characters."""
    cut = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return cut.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
