"""The fixture `rollback`: sessions are savepoints of one transaction."""

import asyncpg
import pytest
from httpx2 import AsyncClient
from sqlalchemy import text
from sqlmodel import select

from undercroft.core.db import Database, all_tenants
from undercroft.core.db.errors import ReadSessionIsReadOnly, TransactionAborted
from undercroft.core.errors import AppError
from undercroft.jobs import Job, enqueue
from undercroft.modules.projects.models import Project
from undercroft.modules.teams.tasks import clean_up
from undercroft.testing import CapturedJobs, Clock, CreateTeam, CreateUser, eventually
from undercroft.testing.rollback import NOT_NESTED

PROJECTS = "/api/v1/app/projects"


async def count_rows(database: Database, name: str) -> int:
    with all_tenants():
        async with database.session() as session:
            return len((await session.scalars(select(Project).where(Project.name == name))).all())


async def insert_throttle(database: Database, key: bytes) -> None:
    async with database.session() as session:
        await session.execute(
            text("INSERT INTO auth_throttles (key, failures, counted_at) VALUES (:key, 1, now())"), {"key": key}
        )


async def count_throttles(database: Database) -> int:
    async with database.read_session() as session:
        return int(await session.scalar(text("SELECT count(*) FROM auth_throttles")))


@pytest.mark.parametrize("time", ["first", "second"])
@pytest.mark.usefixtures("rollback")
async def test_committed_rows_are_gone_in_the_next_test(
    user: AsyncClient, database: Database, owner_url: str, time: str
) -> None:
    assert (await user.get(PROJECTS)).json()["total"] == 0, time
    assert (await user.post(PROJECTS, json={"name": "Website"})).status_code == 201
    assert (await user.get(PROJECTS)).json()["total"] == 1
    assert await count_rows(database, "Website") == 1
    other = await asyncpg.connect(owner_url)
    try:
        assert await other.fetchval("SELECT count(*) FROM users") == 0
    finally:
        await other.close()


@pytest.mark.usefixtures("rollback")
async def test_failed_session_reverts_only_its_own_rows(database: Database) -> None:
    await insert_throttle(database, b"committed")
    with pytest.raises(AppError):
        await insert_throttle(database, b"committed")
    with pytest.raises(RuntimeError, match="mistake"):
        async with database.session() as session:
            await session.execute(
                text("INSERT INTO auth_throttles (key, failures, counted_at) VALUES ('\\x01', 1, now())")
            )
            raise RuntimeError("mistake")
    with pytest.raises(Exception, match="nowhere"):
        async with database.read_session() as session:
            await session.scalar(text("SELECT * FROM nowhere"))
    await insert_throttle(database, b"after the errors")
    assert await count_throttles(database) == 2


@pytest.mark.usefixtures("rollback")
async def test_nested_sessions_commit_and_fail_independently(database: Database) -> None:
    async with database.session() as outer:
        await outer.execute(text("INSERT INTO auth_throttles (key, failures, counted_at) VALUES ('\\x02', 1, now())"))
        await insert_throttle(database, b"b")
        with pytest.raises(AppError):
            await insert_throttle(database, b"b")
    assert await count_throttles(database) == 2


@pytest.mark.usefixtures("rollback")
async def test_session_within_a_failed_one_commits(database: Database) -> None:
    with pytest.raises(TransactionAborted):
        async with database.session() as outer:
            await outer.execute(text("INSERT INTO auth_throttles (key, failures, counted_at) VALUES ('a', 1, now())"))
            with pytest.raises(asyncpg.UndefinedTableError):
                await (await outer.raw()).execute("SELECT * FROM nowhere")
            await insert_throttle(database, b"b")
    assert await count_throttles(database) == 1


@pytest.mark.usefixtures("rollback")
async def test_failure_of_concurrent_sessions_is_explained(database: Database) -> None:
    first, second = database.session(), database.session()
    outer = await first.__aenter__()
    await outer.execute(text("SELECT 1"))
    inner = await second.__aenter__()
    await inner.execute(text("SELECT 1"))
    with pytest.raises(RuntimeError, match=NOT_NESTED.partition(".")[0]):
        await first.__aexit__(ValueError, ValueError("failed"), None)
    await second.__aexit__(None, None, None)


@pytest.mark.usefixtures("rollback")
async def test_reading_session_refuses_writes(database: Database) -> None:
    with pytest.raises(ReadSessionIsReadOnly):
        async with database.read_session() as session:
            await session.execute(text("DELETE FROM auth_throttles"))


@pytest.mark.usefixtures("rollback")
async def test_jobs_run_within_the_transaction(user: AsyncClient, database: Database, jobs: CapturedJobs) -> None:
    async with database.session() as session:
        job = await enqueue(session, clean_up)
    with pytest.raises(RuntimeError, match="mistake"):
        async with database.session() as session:
            await enqueue(session, clean_up)
            raise RuntimeError("mistake")
    assert jobs.of(clean_up) == [job]
    assert await jobs.run_all() == 1
    assert (await jobs.get(job.id)).status == "succeeded"


@pytest.mark.usefixtures("rollback")
async def test_clock_moves_within_the_transaction(create_user: CreateUser, clock: Clock) -> None:
    person = await create_user()
    await clock.travel(days=3)
    assert (await person.client.get(PROJECTS)).status_code == 401
    await person.sign_in()
    assert (await person.client.get(PROJECTS)).status_code == 200


async def test_statements_are_real_again_afterwards(database: Database, jobs: CapturedJobs, owner_url: str) -> None:
    async with database.session() as session:
        await enqueue(session, clean_up)
    other = await asyncpg.connect(owner_url)
    try:
        assert await other.fetchval("SELECT count(*) FROM jobs") == 1
    finally:
        await other.close()


async def test_unknown_roles_and_permissions_are_refused(create_team: CreateTeam) -> None:
    team = await create_team()
    with pytest.raises(ValueError, match="There is no permission rooms:paint"):
        await team.add_member(permissions=["rooms:paint"])
    with pytest.raises(ValueError, match="'king' is not a valid TeamRole"):
        await team.add_member("king")


async def test_jobs_are_found_by_arguments(jobs: CapturedJobs, database: Database, create_user: CreateUser) -> None:
    from undercroft.modules.auth.tasks import send_mail

    person = await create_user()
    async with database.session() as session:
        job = await enqueue(session, send_mail, request_id=person.user_id)
    assert jobs.of(send_mail, request_id=person.user_id) == jobs.of(send_mail) == [job]
    assert jobs.of(send_mail, request_id=person.team_id) == jobs.of(send_mail, unknown=1) == []
    assert isinstance(job, Job)


async def test_clock_refuses_to_move_under_an_open_session(database: Database, clock: Clock) -> None:
    async with database.session() as session:
        await session.execute(text("SELECT 1"))
        with pytest.raises(RuntimeError, match="A session is open"):
            await clock.travel(days=1)
    await clock.travel(days=1)
    await clock.travel(days=-1)
    with pytest.raises(ValueError, match="needs a time zone"):
        await clock.travel_to(clock.now().replace(tzinfo=None))


async def test_clock_is_reset_after_the_test(database: Database, owner_url: str) -> None:
    async with database.read_session() as session:
        assert await session.scalar(text("SELECT now() - pg_catalog.now() = interval '0'"))
        assert await session.scalar(text("SELECT count(*) FROM pg_namespace WHERE nspname = 'undercroft_clock'")) == 0


async def test_waiting_reports_the_last_result() -> None:
    results = iter([0, 0, 7])
    assert await eventually(lambda: next(results), interval=0) == 7
    with pytest.raises(AssertionError, match=r"not met within 0 s: the last result is \[\]"):
        await eventually(list, timeout=0)

    async def refuse() -> None:
        assert 1 == 2, "the numbers differ"

    with pytest.raises(AssertionError, match="the numbers differ"):
        await eventually(refuse, timeout=0)
