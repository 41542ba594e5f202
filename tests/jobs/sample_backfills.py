"""Backfills of projects for the tests; `batches` records the names of the rows of each batch."""

import os
import signal
from pathlib import Path
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col

from undercroft.core.db import Session
from undercroft.jobs import backfill
from undercroft.modules.projects.models import Project

batches: list[list[UUID]] = []
errors: list[Exception] = []
"""Raised by the next batches of `describe`, the last one first."""

PENDING = col(Project.description) == ""


async def _describe(session: Session, ids: list[UUID]) -> None:
    await session.execute(update(Project).where(col(Project.id).in_(ids)).values(description="described"))


@backfill(Project, where=PENDING, batch=10, pause=0)
async def describe(session: Session, ids: list[UUID]) -> None:
    """Fill in descriptions, and raise the next error after they have been changed."""
    await _describe(session, ids)
    if errors:
        raise errors.pop()
    batches.append(ids)


@backfill(Project, where=PENDING, batch=10, pause=0)
async def forget(session: Session, ids: list[UUID]) -> None:
    """Change all rows but one."""
    await _describe(session, ids[1:])


@backfill(Project, where=PENDING, batch=5, pause=0.01)
async def die(session: Session, ids: list[UUID]) -> None:
    """Kill the worker in the second batch before, and in the fourth one after its change."""
    trace = Path(os.environ["TRACES"])
    with trace.open("a") as file:
        file.write("x\n")
    number = len(trace.read_text().splitlines())
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    await _describe(session, ids)
    if number == 4:
        os.kill(os.getpid(), signal.SIGKILL)
