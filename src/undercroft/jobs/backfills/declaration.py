"""Backfills: changes of existing rows that are too many for a migration.

    @backfill(Booking, where=col(Booking.minutes).is_(None))
    async def fill_minutes(session: Session, ids: list[UUID]) -> None:
        await BookingRepository.fill_minutes(session, ids)

The application has the backfills that the files `backfills.py` of its modules declare. Workers run each of them once in
every database. A migration that depends on one contains `requires_backfill = "hotel.fill_minutes"`.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement
from sqlmodel import SQLModel

from undercroft.core.db import Session
from undercroft.core.handlers import find_location
from undercroft.jobs.arguments import Arguments
from undercroft.jobs.context import CurrentJob
from undercroft.jobs.errors import InvalidTask
from undercroft.jobs.registry import NAME_PATTERN, Backoff, Task, default_name

KEY_TYPES = (UUID, int, str)
MAX_BATCH = 10_000
JOB_TIMEOUT = 7 * 86400.0
STATEMENT_TIMEOUT = 600.0
"""Seconds for a statement of a backfill in a worker, in which it also counts the rows."""

BackfillFunction = Callable[[Session, list[Any]], Awaitable[None]]


@dataclass(eq=False)
class BackfillTask(Task[..., Any]):
    """The task in which a worker runs a backfill. Its job has no arguments, and lasts as long as the backfill."""

    def read_arguments(self) -> Arguments:
        return Arguments(self.name, _without_arguments)

    @property
    def statement_timeout(self) -> float:
        return STATEMENT_TIMEOUT


@dataclass(eq=False)
class Backfill:
    """A declared backfill. `key` is the primary key of the table, `task` is what a worker runs."""

    name: str
    function: BackfillFunction
    model: type[SQLModel]
    where: ColumnElement[bool]
    batch: int
    seconds: float
    pause: float

    def __post_init__(self) -> None:
        if not NAME_PATTERN.fullmatch(self.name):
            raise InvalidTask(f"{self.name!r} is not a valid name. Use one such as 'hotel.fill_minutes'.")
        if not 1 <= self.batch <= MAX_BATCH or self.seconds <= 0 or self.pause < 0:
            raise InvalidTask(f"batch must be 1 to {MAX_BATCH}, seconds greater than 0, and pause not negative.")
        if not isinstance(self.where, ColumnElement):
            raise InvalidTask("where must be a condition on columns, such as col(Booking.minutes).is_(None).")
        if not inspect.iscoroutinefunction(self.function) or len(inspect.signature(self.function).parameters) != 2:
            raise InvalidTask("it must be an async function of a Session and a list of keys.")
        self.key: Column[Any] = _primary_key(self.model)
        self.task: Task[..., Any] = _build_task(self)

    @property
    def location(self) -> str:
        """The file and line of the function."""
        return find_location(self.function)

    def parse_key(self, text: str | None) -> Any:
        """Return a stored key as a value of the column."""
        return None if text is None else self.key.type.python_type(text)


class Backfills:
    """The backfills of an application by name. Raises `InvalidTask` if two have the same name."""

    def __init__(self, backfills: Iterable[Backfill] = ()) -> None:
        self.by_name: dict[str, Backfill] = {}
        for new in backfills:
            old = self.by_name.setdefault(new.name, new)
            if old is not new:
                raise InvalidTask(f"Two backfills have the name {new.name}: {new.location} and {old.location}.")


def backfill(
    model: type[SQLModel],
    *,
    where: ColumnElement[bool],
    batch: int = 1000,
    seconds: float = 0.5,
    pause: float = 0.1,
    name: str | None = None,
) -> Callable[[BackfillFunction], Backfill]:
    """Declare a function in `backfills.py` that changes existing rows of a table, batch by batch.

    `where` selects the rows that still have to be changed; the function must change all rows of a batch so that they no
    longer match it. Batches are in the order of the primary key (one column: UUID, integer or text), have at most
    `batch` rows, and become smaller when they take longer than `seconds`. `pause` is the time between two of them, in
    seconds. The backfill is complete when no row of the table matches.

    Each batch and its position commit in one transaction, in which its rows are locked, so an interrupted backfill
    continues after its last batch. One process at a time runs it, with the rows of all teams. Failed batches are
    retried; after eight failures in a row it stops until an administrator retries it. Let the function change rows by a
    statement with the columns that it needs: if a migration requires the backfill, later ones have not been applied.

    Raises `InvalidTask`, with file, line and name, if it cannot be a backfill.
    """

    def declare(function: BackfillFunction) -> Backfill:
        own_name = name or default_name(function)
        try:
            return Backfill(own_name, function, model, where, batch, seconds, pause)
        except InvalidTask as error:
            raise InvalidTask(f"{find_location(function)}: {own_name}: {error}") from None

    return declare


def _primary_key(model: type[SQLModel]) -> "Column[Any]":
    table = getattr(model, "__table__", None)
    keys = list(table.primary_key.columns) if table is not None else []
    if len(keys) != 1 or keys[0].type.python_type not in KEY_TYPES:
        raise InvalidTask(f"{model.__name__} must be a table whose primary key is one UUID, integer or text column.")
    key: Column[Any] = keys[0]
    return key


def _without_arguments(job: CurrentJob) -> None:
    """The signature of the task."""


def _build_task(declared: Backfill) -> BackfillTask:
    @functools.wraps(declared.function)
    async def run(job: CurrentJob) -> dict[str, Any]:
        from undercroft.jobs.backfills.completion import run_in_job

        return await run_in_job(job, declared)

    return BackfillTask(declared.name, run, retries=20, timeout=JOB_TIMEOUT, backoff=Backoff(maximum=300))
