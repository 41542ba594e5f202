"""The state of workers and queues, for the readiness check, the worker's log and the admin API."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from sqlalchemy import Float, bindparam, text

from undercroft.core.db import Database, ReadSession, Statement
from undercroft.core.health import Component, ComponentDown
from undercroft.core.settings import load
from undercroft.jobs.settings import JobsSettings

BACKLOG_QUERY = Statement(
    text("""
WITH live AS (
    SELECT tasks FROM job_workers WHERE seen_at > now() - make_interval(secs => :seconds)
), backlog AS (
    SELECT task, queue,
        count(*) FILTER (WHERE status = 'running') AS running,
        count(unresponsive_since) AS unresponsive,
        count(*) FILTER (WHERE status = 'queued' AND scheduled_at <= now()) AS due,
        count(*) FILTER (WHERE status = 'queued' AND scheduled_at > now()) AS scheduled,
        greatest(0, extract(epoch FROM now() - min(scheduled_at) FILTER (WHERE status = 'queued')))::float AS waiting
    FROM jobs WHERE status IN ('queued', 'running') GROUP BY task, queue
)
SELECT (SELECT count(*) FROM live) AS all_workers, backlog.*,
    (SELECT count(*) FROM live WHERE tasks IS NULL OR backlog.task = ANY(tasks)) AS workers
FROM (SELECT) AS always LEFT JOIN backlog ON true
ORDER BY queue, task
""").bindparams(bindparam("seconds", type_=Float))
)


class Backlog(Struct, frozen=True):
    """The unfinished jobs of a task: their number by state, the seconds that the oldest due job has been waiting, and
    the number of live workers that run the task.
    """

    task: str
    queue: str
    running: int
    unresponsive: int
    due: int
    scheduled: int
    waiting: float
    workers: int

    @property
    def is_stranded(self) -> bool:
        """Whether jobs are due but no live worker runs the task, because of its release or its queues."""
        return self.due > 0 and self.workers == 0


class JobsHealth(Struct, frozen=True):
    """The number of live workers, and the backlog of every task with unfinished jobs."""

    workers: int
    backlog: Sequence[Backlog]

    def total(self, column: Literal["running", "unresponsive", "due", "scheduled"]) -> int:
        """Sum a column of the backlog."""
        return sum(getattr(each, column) for each in self.backlog)

    @property
    def stranded(self) -> list[Backlog]:
        """The tasks with due jobs that no live worker runs."""
        return [each for each in self.backlog if each.is_stranded]


async def health(database: Database) -> JobsHealth:
    """Return the current state of workers and queues, with one statement. Raises `DatabaseUnavailable`."""
    async with database.read_session() as session:
        return await read_health(session)


async def read_health(session: ReadSession) -> JobsHealth:
    """Return the current state of workers and queues, read with an open session."""
    rows = await session.fetch(BACKLOG_QUERY, seconds=load(JobsSettings).jobs_redelivery)
    backlog = [Backlog(*list(row.values())[1:]) for row in rows if row["task"] is not None]
    return JobsHealth(rows[0]["all_workers"], backlog)


def jobs_component(database: Database) -> Component:
    """Return a component that is down while jobs are due that no live worker runs. Requests do not depend on it."""

    async def check() -> dict[str, int]:
        state = await health(database)
        details = {
            "workers": state.workers,
            "running": state.total("running"),
            "due": state.total("due"),
            "unresponsive": state.total("unresponsive"),
        }
        if stranded := state.stranded:
            raise ComponentDown(details | {"stranded": sum(each.due for each in stranded)})
        return details

    return Component("jobs", check)
