from collections import Counter

import pytest

from tests.jobs import chores
from tests.jobs.processes import eventually, working
from undercroft.core.db import Database
from undercroft.core.health import Component
from undercroft.core.settings import load
from undercroft.jobs import enqueue
from undercroft.jobs.health import NobodyWorks, health, jobs_component
from undercroft.jobs.settings import JobsSettings


async def test_without_a_worker_there_is_none_and_what_waits_is_counted(database: Database) -> None:
    async with database.session() as session:
        await enqueue(session, chores.note, what="now")
        await enqueue(session, chores.note, what="later", delay=60)
    state = await health(database)
    assert (state.alive, state.workers, state.due, state.later, state.running) == (False, 0, 1, 1, 0)


async def test_only_jobs_that_are_due_without_a_worker_are_a_fault(database: Database) -> None:
    component = jobs_component(database)
    assert await component.check() == {"workers": 0, "running": 0, "due": 0}
    async with database.session() as session:
        await enqueue(session, chores.wait_long)
    with pytest.raises(NobodyWorks):
        await component.check()
    async with working(database):
        await eventually(lambda: is_running(component))


async def is_running(component: Component) -> bool:
    try:
        return await component.check() == {"workers": 1, "running": 1, "due": 0}
    except NobodyWorks:
        return False


async def test_a_running_worker_is_seen_until_it_stops(database: Database) -> None:
    async def seen() -> bool:
        return (await health(database)).alive

    async with working(database):
        await eventually(seen)
    assert not await seen()


async def test_a_worker_holds_no_more_connections_than_its_settings_say(database: Database) -> None:
    async with database.session() as session:
        for n in range(300):
            await enqueue(session, chores.note, what=str(n))
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1"
    most: Counter[str] = Counter()

    async def drained() -> bool:
        async with database.session() as session:
            connection = await session.raw()
            for name in ("undercroft queue", "undercroft listen"):
                most[name] = max(most[name], await connection.fetchval(count, name))
            return await connection.fetchval("SELECT count(*) FROM jobs WHERE status <> 'succeeded'") == 0

    async with working(database):
        await eventually(drained)
    assert 1 <= most["undercroft queue"] <= load(JobsSettings).jobs_connections
    assert most["undercroft listen"] <= 1
