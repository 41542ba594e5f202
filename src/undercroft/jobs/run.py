"""Runs one job and waits for its end, for commands."""

import asyncio
import json
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from undercroft.core.db import Database
from undercroft.core.errors import ConfigurationError
from undercroft.jobs.enqueueing import enqueue
from undercroft.jobs.errors import InvalidArguments, JobNotFound
from undercroft.jobs.health import health
from undercroft.jobs.models import UNFINISHED, Job
from undercroft.jobs.registry import tasks

POLL_SECONDS = 0.2


def parse_arguments(pairs: Iterable[str]) -> dict[str, Any]:
    """Return the arguments of a task that are written as `name=value`; a value that begins like JSON is JSON.

    Raises `ConfigurationError` for another form.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise ConfigurationError(f"{pair!r} is not an argument of a task. Write it as name=value.")
        try:
            found[name] = json.loads(value) if value.startswith(("{", "[", '"')) else value
        except ValueError as error:
            raise ConfigurationError(f"The value of {name} is not valid JSON: {error}.") from None
    return found


async def enqueue_by_name(database: Database, name: str, arguments: dict[str, Any]) -> Job:
    """Enqueue a job of the task with this name.

    Raises `ConfigurationError` if there is none or the arguments do not match its signature.
    """
    known = tasks()
    if name not in known:
        close = get_close_matches(name, known, 1)
        hint = f"Did you mean {close[0]}?" if close else f"Tasks: {', '.join(sorted(known))}."
        raise ConfigurationError(f"There is no task {name}. {hint}")
    if unknown := sorted(arguments.keys() - known[name].arguments.names):
        names = ", ".join(known[name].arguments.names) or "none"
        raise ConfigurationError(f"{name} has no argument {unknown[0]}. Its arguments: {names}.")
    try:
        async with database.session() as session:
            return await enqueue(session, known[name], **arguments)
    except InvalidArguments as error:
        raise ConfigurationError(f"{error}.") from None


async def wait_for_end(database: Database, job_id: UUID, report_idle: Callable[[], None]) -> Job:
    """Return the job when it has ended. Calls `report_idle` once if no live worker runs its task.

    Raises `JobNotFound` if it was deleted meanwhile.
    """
    reported = False
    while True:
        async with database.read_session() as session:
            job: Job | None = (await session.scalars(select(Job).where(col(Job.id) == job_id))).first()
        if job is None:
            raise JobNotFound
        if job.status not in UNFINISHED:
            return job
        if not reported and any(
            each.task == job.task and each.is_stranded for each in (await health(database)).backlog
        ):
            reported = True
            report_idle()
        await asyncio.sleep(POLL_SECONDS)
