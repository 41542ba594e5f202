"""Transactional enqueueing: a job exists if and only if the caller's transaction commits."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast

import structlog
from sqlmodel import col, select

from undercroft.core.db import Session
from undercroft.core.ids import new_id
from undercroft.jobs.engines import NewJob, get_engine
from undercroft.jobs.models import UNFINISHED, Job
from undercroft.jobs.registry import Task

KEY_LIMIT = 500
PRIORITIES = range(-1_000_000, 1_000_001)

observers: list[Callable[[Job], None]] = []
"""Called with every job after its transaction has committed. Tests capture jobs with this."""


async def enqueue(
    session: Session,
    task: Task[..., Any],
    *,
    delay: timedelta | float | None = None,
    at: datetime | None = None,
    key: str | None = None,
    priority: int = 0,
    **kwargs: Any,
) -> Job:
    """Enqueue a job that runs a task with these arguments after the session's transaction has committed.

        await enqueue(session, send_welcome, user_id=user.id, delay=60, key=f"welcome:{user.id}")

    `delay` is a timedelta or seconds, `at` an aware datetime; a higher `priority` runs first. If an unfinished job of
    the task has the same `key`, that job is returned instead. Executes one statement. Raises `InvalidArguments` (a
    `ValueError`) if the arguments do not match the task's signature, and `TypeError` if `task` is not a task.
    """
    if not isinstance(task, Task):
        name = getattr(task, "__qualname__", repr(task))
        raise TypeError(f"{name} is not a task. Decorate the function with @task(), and pass it without calling it.")
    new = _validate(task, task.arguments.encode(kwargs), delay, at, key, priority)
    connection = await session.raw()
    while True:
        row = await get_engine().enqueue(connection, new)
        if row is not None:
            job = _build_job(new, row)
            for observer in observers:
                session.after_commit(partial(observer, job))
            return job
        existing = await _get_unfinished(session, new)
        if existing is not None:
            return existing


def _validate(
    task: Task[..., Any],
    args: str,
    delay: timedelta | float | None,
    at: datetime | None,
    key: str | None,
    priority: int,
) -> NewJob:
    if delay is not None and at is not None:
        raise ValueError("Pass either delay or at, not both.")
    if at is not None and at.tzinfo is None:
        raise ValueError("at needs a time zone. Use an aware datetime.")
    if key is not None and (not key or len(key) > KEY_LIMIT or "\0" in key):
        raise ValueError(f"key must have 1 to {KEY_LIMIT} characters and must not contain NUL.")
    if priority not in PRIORITIES:
        raise ValueError(f"priority must be between {PRIORITIES[0]} and {PRIORITIES[-1]}.")
    wait = delay if isinstance(delay, timedelta) else timedelta(seconds=delay or 0)
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return NewJob(
        new_id(), task.name, task.queue, priority, task.max_attempts, args, key, request_id, at, max(wait, timedelta())
    )


def _build_job(new: NewJob, row: Mapping[str, Any]) -> Job:
    return Job(
        id=new.id,
        task=new.task,
        queue=new.queue,
        priority=new.priority,
        max_attempts=new.max_attempts,
        args=json.loads(new.args),
        key=new.key,
        request_id=new.request_id,
        scheduled_at=row["scheduled_at"],
        created_at=row["created_at"],
        updated_at=row["created_at"],
        message_id=row["message_id"],
    )


async def _get_unfinished(session: Session, new: NewJob) -> Job | None:
    found = select(Job).where(col(Job.task) == new.task, col(Job.key) == new.key, col(Job.status).in_(UNFINISHED))
    return cast("Job | None", (await session.scalars(found)).first())
