"""Whether jobs are worked off: for the ready endpoint and `undercroft doctor`."""

from msgspec import Struct
from sqlalchemy import Float, bindparam, text

from undercroft.core.db.session import Database
from undercroft.core.db.statement import Statement
from undercroft.core.health import Component
from undercroft.core.settings import load
from undercroft.jobs.settings import JobsSettings

HEALTH = Statement(
    text("""
SELECT
    (SELECT count(*) FROM job_workers WHERE seen_at > now() - make_interval(secs => :seconds)) AS workers,
    count(*) FILTER (WHERE status = 'running') AS running,
    count(*) FILTER (WHERE status = 'queued' AND scheduled_at <= now()) AS due,
    count(*) FILTER (WHERE status = 'queued' AND scheduled_at > now()) AS later,
    coalesce(extract(epoch FROM now() - min(scheduled_at) FILTER (WHERE status = 'queued')), 0)::float AS waiting
FROM jobs WHERE status IN ('queued', 'running')
""").bindparams(bindparam("seconds", type_=Float))
)


class NobodyWorks(Exception):
    """Jobs are due, and no worker has been seen lately."""


class Health(Struct, frozen=True):
    """Live workers, jobs by state, and for how many seconds the oldest due job has been waiting."""

    workers: int
    running: int
    due: int
    later: int
    waiting: float

    @property
    def alive(self) -> bool:
        """Whether somebody is there to do the work."""
        return self.workers > 0


async def health(database: Database) -> Health:
    """What workers and queues look like now, in one statement. Raises `DatabaseUnavailable`."""
    async with database.reading() as session:
        row = await session.fetchrow(HEALTH, seconds=load(JobsSettings).jobs_redelivery)
    assert row is not None
    return Health(row["workers"], row["running"], row["due"], row["later"], max(0.0, row["waiting"]))


def jobs_component(database: Database) -> Component:
    """Down while jobs are due and no worker is there to run them; requests do not need it."""

    async def check() -> dict[str, int]:
        state = await health(database)
        if state.due and not state.alive:
            raise NobodyWorks
        return {"workers": state.workers, "running": state.running, "due": state.due}

    return Component("jobs", check)
