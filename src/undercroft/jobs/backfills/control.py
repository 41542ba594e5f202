"""Pausing, resuming, retrying and canceling backfills."""

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from undercroft.core.audit import Entry, record
from undercroft.core.context import current_context
from undercroft.core.db import ReadSession, Session, utc_now
from undercroft.jobs.backfills.declaration import Backfills
from undercroft.jobs.enqueueing import enqueue
from undercroft.jobs.errors import BackfillNotFound, BackfillStateConflict
from undercroft.jobs.models import BackfillRow, BackfillStatus

QUEUED, PAUSED, FAILED = BackfillStatus.QUEUED, BackfillStatus.PAUSED, BackfillStatus.FAILED
CANCELED, COMPLETED = BackfillStatus.CANCELED, BackfillStatus.COMPLETED


async def list_backfills(session: ReadSession) -> list[BackfillRow]:
    """Return the declared backfills, including those that have not been started, and those of other releases."""
    rows = {row.name: row for row in (await session.scalars(select(BackfillRow))).all()}
    declared = {name: BackfillRow(name=name) for name in current_context().get(Backfills).by_name}
    return [(declared | rows)[name] for name in sorted(declared | rows)]


async def pause(session: Session, name: str) -> BackfillRow:
    """Stop a backfill after its current batch, until it is resumed.

    Raises `BackfillNotFound`, and `BackfillStateConflict` unless it is queued or running.
    """
    return await _change(session, name, "paused", (QUEUED,), status=PAUSED)


async def resume(session: Session, name: str) -> BackfillRow:
    """Continue a paused backfill in a worker. Raises `BackfillNotFound` and `BackfillStateConflict`."""
    row = await _change(session, name, "resumed", (PAUSED,), status=QUEUED)
    await _enqueue(session, name)
    return row


async def retry(session: Session, name: str) -> BackfillRow:
    """Continue a failed or canceled backfill, or start a completed one again.

    Raises `BackfillNotFound` and `BackfillStateConflict`.
    """
    row = await lock(session, name)
    again = {"done": 0, "total": None, "last_key": None, "started_at": None} if row.status == COMPLETED else {}
    values = {"status": QUEUED, "attempts": 0, "error": None, "finished_at": None, **again}
    row = await _change(session, name, "retried", (FAILED, CANCELED, COMPLETED), **values)
    await _enqueue(session, name)
    return row


async def cancel(session: Session, name: str) -> BackfillRow:
    """Stop a backfill after its current batch, until it is retried. What it has changed remains.

    Raises `BackfillNotFound`, and `BackfillStateConflict` if it is completed or canceled.
    """
    return await _change(session, name, "canceled", (QUEUED, PAUSED, FAILED), status=CANCELED)


async def change_and_record(
    session: Session, action: str, change: Callable[[Session, str], Awaitable[BackfillRow]], name: str
) -> BackfillRow:
    """Call one of the functions above and record an audit entry in the same transaction."""
    before = (await lock(session, name)).status
    row = await change(session, name)
    details = {"name": name, "done": row.done, "total": row.total}
    await record(
        session,
        Entry(action, None, "backfill", before={"status": before}, after={"status": row.status}, details=details),
    )
    return row


async def lock(session: Session, name: str) -> BackfillRow:
    """Lock the state of a backfill until the transaction ends, after its current batch. Raises `BackfillNotFound`."""
    query = select(BackfillRow).where(col(BackfillRow.name) == name).with_for_update()
    row: BackfillRow | None = (await session.scalars(query.execution_options(populate_existing=True))).first()
    if row is None:
        row = await _register(session, name)
    return row


async def _register(session: Session, name: str) -> BackfillRow:
    from undercroft.jobs.backfills.runner import REGISTER

    if name not in current_context().get(Backfills).by_name:
        raise BackfillNotFound
    await (await session.raw()).execute(REGISTER, [name])
    return await lock(session, name)


async def _change(
    session: Session, name: str, verb: str, allowed: tuple[BackfillStatus, ...], **values: Any
) -> BackfillRow:
    row = await lock(session, name)
    if row.status not in allowed:
        listed = ", ".join(allowed[:-1]) + " or " * (len(allowed) > 1) + allowed[-1]
        raise BackfillStateConflict(f"The backfill is {row.state}. Only one that is {listed} can be {verb}.")
    for field, value in {**values, "updated_at": utc_now()}.items():
        setattr(row, field, value)
    await session.flush()
    return row


async def _enqueue(session: Session, name: str) -> None:
    """Enqueue a job even if another one is unfinished, which may be about to end. Two never run at the same time."""
    declared = current_context().get(Backfills).by_name.get(name)
    if declared is None:
        raise BackfillNotFound("This release does not have the backfill. Only a worker that has it can run it.")
    await enqueue(session, declared.task)
