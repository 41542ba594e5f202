"""The unit of work: what is kept, what is undone, and what a client hears when the database fails."""

import asyncio
from contextlib import suppress

import pytest
from asyncpg import DivisionByZeroError, InterfaceError
from sqlalchemy import Executable, bindparam, func, insert, select, text
from sqlmodel import col

from tests.factories import insert_user
from undercroft.core.audit import Entry
from undercroft.core.db import Database, Statement, all_tenants
from undercroft.core.db.errors import (
    DatabaseConflict,
    DatabaseUnavailable,
    OutcomeUnknown,
    ReadSessionIsReadOnly,
    TransactionAborted,
    UnstorableValue,
)
from undercroft.core.db.statement import is_write
from undercroft.core.errors import Conflict
from undercroft.core.ids import new_id
from undercroft.modules.projects.models import Project
from undercroft.modules.projects.repository import ProjectRepository
from undercroft.modules.users import User

COUNT = Statement(select(func.count()).select_from(Project))
NAMES = Statement(select(col(Project.name)).where(col(Project.team_id) == bindparam("team_id")))
TERMINATE = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'undercroft ' || :pool"
    " AND usename = current_user"
)
ALONE = {"name": "alone", "description": "", "status": "active"}


@pytest.fixture(autouse=True)
def use_all_tenants():
    with all_tenants():
        yield


class Refused(Conflict):
    code = "REFUSED"
    commits = True


async def count(database: Database) -> int:
    row = await database.read.fetchrow(COUNT)
    assert row is not None
    return row[0]


async def test_raw_core_and_orm_statements_share_one_transaction(database: Database) -> None:
    owner = await insert_user(database)
    with pytest.raises(ZeroDivisionError):
        async with database.session() as session:
            session.add(Project(name="orm", team_id=owner.team_id))
            await session.execute(insert(Project).values(Project(name="core", team_id=owner.team_id).model_dump()))
            raw = await session.raw()
            await raw.execute("UPDATE projects SET description = 'seen by the driver'")
            rows = await session.fetch(NAMES, team_id=owner.team_id)
            assert {row["name"] for row in rows} == {"orm", "core"}
            raise ZeroDivisionError
    assert await count(database) == 0


async def test_a_statement_given_as_a_function_is_put_together_once_at_its_first_use(database: Database) -> None:
    made: list[Executable] = []

    def make() -> Executable:
        made.append(select(func.count()).select_from(Project))
        return made[-1]

    statement = Statement(make)
    assert not made
    async with database.session() as session:
        for _ in range(2):
            await session.fetch(statement)
    assert len(made) == 1


async def test_leaving_the_block_commits(database: Database) -> None:
    owner = await insert_user(database)
    async with database.session() as session:
        session.add(Project(name="kept", team_id=owner.team_id))
    assert await count(database) == 1


async def test_a_refusal_that_commits_keeps_its_state_change(database: Database) -> None:
    owner = await insert_user(database)
    with pytest.raises(Refused):
        async with database.session() as session:
            session.add(Project(name="kept", team_id=owner.team_id))
            raise Refused
    assert await count(database) == 1


async def test_an_ordinary_refusal_rolls_back(database: Database) -> None:
    owner = await insert_user(database)
    with pytest.raises(Conflict):
        async with database.session() as session:
            session.add(Project(name="gone", team_id=owner.team_id))
            await session.flush()
            raise Conflict
    assert await count(database) == 0


@pytest.mark.parametrize("refusal", [None, Refused])
async def test_a_transaction_that_a_caught_error_aborted_does_not_pass_for_committed(
    database: Database, refusal: type[Refused] | None
) -> None:
    owner = await insert_user(database)
    reported: list[str] = []
    with pytest.raises(TransactionAborted):
        async with database.session() as session:
            session.after_commit(lambda: reported.append("committed"))
            session.add(Project(name="lost", team_id=owner.team_id))
            with suppress(DivisionByZeroError):
                await (await session.raw()).execute("SELECT 1 / 0")
            if refusal:
                raise refusal
    assert await count(database) == 0
    assert reported == []
    assert database.write.in_use == 0


async def test_callbacks_run_after_the_commit_and_never_after_a_rollback(database: Database) -> None:
    owner = await insert_user(database)
    heard: list[str] = []
    async with database.session() as session:
        session.after_commit(lambda: heard.append("kept"))
        session.add(Project(name="kept", team_id=owner.team_id))
        assert heard == []
    with pytest.raises(Conflict):
        async with database.session() as session:
            session.after_commit(lambda: heard.append("gone"))
            raise Conflict
    assert heard == ["kept"]


async def test_a_session_that_was_not_used_takes_no_connection(database: Database) -> None:
    async with database.session():
        assert database.write.in_use == 0


async def test_write_one_is_one_statement(database: Database, statements, rls_enabled: bool) -> None:
    owner = await insert_user(database)
    await statements.clear()
    async with database.session() as session:
        made = Entry("project.created", target_id=new_id())
        await ProjectRepository(session, owner.team_id).insert(ALONE, made, created_by=owner.user_id)
    assert len(await statements.get_all()) == (3 if rls_enabled else 1)
    assert await count(database) == 1


@pytest.mark.parametrize("pooler", ["none", "transaction"])
@pytest.mark.parametrize("way", ["fetch", "fetch after another", "execute", "flush", "lock"])
async def test_a_read_session_cannot_write(database: Database, database_url: str, pooler: str, way: str) -> None:
    """A transaction pooler takes no setting that would make the server refuse it."""
    owner = await insert_user(database)
    project = Project(name="x", team_id=owner.team_id)
    statement = insert(Project).values(project.model_dump())
    made = Database(database.settings.model_copy(update={"database_pooler": pooler}), database_url)
    with pytest.raises(ReadSessionIsReadOnly):
        async with made.read_session() as session:
            if way == "execute":
                await session.execute(statement)
            elif way == "lock":
                await session.execute(select(Project).with_for_update())
            elif way == "flush":
                (await session.orm()).add(project)
                await (await session.orm()).flush()
            else:
                if way == "fetch after another":
                    await session.execute(text("SELECT 1"))
                await session.fetch(Statement(statement))
    assert made.read.in_use == 0
    await made.close()
    assert await count(database) == 0


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT updated_at, deleted_at FROM projects WHERE name = $1", False),
        ("SELECT 1 FROM inserts JOIN updates ON true", False),
        ("WITH x AS (SELECT 1) SELECT * FROM x", False),
        ("with made as (insert into projects values ($1) returning id) select * from made", True),
        ("UPDATE ONLY projects AS p SET name = $1", True),
        ("WITH gone AS (DELETE\nFROM projects RETURNING id) SELECT 1", True),
        ("SELECT id FROM projects FOR NO KEY UPDATE", True),
        ("TRUNCATE projects", True),
    ],
)
def test_a_statement_that_writes_is_known_by_its_text(sql: str, *, expected: bool) -> None:
    assert is_write(sql) is expected


@pytest.mark.parametrize("raises", [False, True])
@pytest.mark.parametrize("way", ["add", "fetch", "execute", "raw", "flush", "write_one"])
async def test_a_session_that_has_ended_refuses_what_it_would_never_commit(
    database: Database, way: str, *, raises: bool
) -> None:
    with suppress(Conflict):
        async with database.session() as session:
            await session.execute(text("SELECT 1"))
            if raises:
                raise Conflict
    with pytest.raises(RuntimeError, match="has ended"):
        if way == "add":
            session.add(User(email="late@example.com"))
        elif way in ("fetch", "write_one"):
            await getattr(session, way)(COUNT)
        elif way == "execute":
            await session.execute(text("SELECT 1"))
        else:
            await getattr(session, way)()
    assert database.write.in_use == 0


async def test_the_pool_for_writing_runs_no_statement_that_would_commit_by_itself(database: Database) -> None:
    with pytest.raises(RuntimeError, match="Open a session"):
        await database.write.fetch(COUNT)


async def test_two_tasks_in_one_session_are_a_bug_and_not_an_outage(database: Database) -> None:
    with pytest.raises(InterfaceError, match="another operation"):
        async with database.session() as session:
            raw = await session.raw()
            await asyncio.gather(*(raw.execute("SELECT pg_sleep(0.2)") for _ in range(2)))
    assert raw.is_closed()
    assert database.write.in_use == 0


async def test_a_read_gives_its_connection_back_at_once(database: Database) -> None:
    async with database.read_session() as session:
        await session.fetch(COUNT)
        assert database.read.in_use == 0


async def test_a_read_survives_all_connections_being_cut(database: Database) -> None:
    borrowed = [await database.read.acquire() for _ in range(database.settings.db_read_pool_size)]
    for each in borrowed:
        each.release()
    async with database.session() as session:
        await session.execute(TERMINATE, {"pool": "read"})
    assert await count(database) == 0


async def test_a_transaction_begins_anew_when_all_connections_were_cut_before(database: Database) -> None:
    borrowed = [await database.write.acquire() for _ in range(database.settings.db_pool_size)]
    for each in borrowed:
        each.release()
    async with database.read_session() as session:
        await session.execute(TERMINATE, {"pool": "write"})
    async with database.session() as session:
        assert await session.scalar(text("SELECT 1")) == 1


async def test_a_connection_cut_in_the_middle_is_unavailable_and_nothing_stays(database: Database) -> None:
    owner = await insert_user(database)
    with pytest.raises(DatabaseUnavailable):
        async with database.session() as session:
            session.add(Project(name="gone", team_id=owner.team_id))
            raw = await session.raw()
            await _terminate(database, raw.get_server_pid())
            await session.execute(text("SELECT 1"))
    assert await count(database) == 0


async def test_a_lost_commit_is_an_unknown_outcome(database: Database) -> None:
    owner = await insert_user(database)
    with pytest.raises(OutcomeUnknown):
        async with database.session() as session:
            session.add(Project(name="who knows", team_id=owner.team_id))
            raw = await session.raw()
            await _terminate(database, raw.get_server_pid())


async def test_a_clash_is_a_conflict(database: Database) -> None:
    with pytest.raises(DatabaseConflict):
        async with database.session() as session:
            session.add(User(email="twice@example.com"))
            session.add(User(email="twice@example.com"))


@pytest.mark.parametrize("name", ["nul\x00", "half\ud800"])
async def test_what_cannot_be_stored_is_the_clients_fault(database: Database, name: str) -> None:
    owner = await insert_user(database)
    with pytest.raises(UnstorableValue):
        async with database.session() as session:
            session.add(Project(name=name, team_id=owner.team_id))


async def test_a_full_pool_answers_unavailable_in_time(database: Database) -> None:
    held = [await database.read.acquire() for _ in range(database.settings.db_read_pool_size)]
    try:
        with pytest.raises(DatabaseUnavailable):
            await count(database)
    finally:
        for borrowed in held:
            borrowed.release()
    assert await count(database) == 0


async def test_a_statement_that_takes_too_long_is_unavailable(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with database.session() as session:
            await session.execute(text("SET LOCAL statement_timeout = '20ms'"))
            await session.execute(text("SELECT pg_sleep(5)"))
    async with database.session() as session:
        assert await session.scalar(text("SHOW statement_timeout")) != "20ms"


async def test_cancelling_a_request_gives_back_a_clean_connection(database: Database) -> None:
    owner = await insert_user(database)

    async def linger() -> None:
        async with database.session() as session:
            session.add(Project(name="gone", team_id=owner.team_id))
            await session.execute(text("SELECT pg_sleep(30)"))

    tasks = [asyncio.create_task(linger()) for _ in range(database.settings.db_pool_size)]
    for _ in range(200):
        if database.write.in_use == len(tasks):
            break
        await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with database.session() as session:
        assert await session.scalar(text("SELECT 1")) == 1
    assert await count(database) == 0


async def test_no_setting_travels_to_the_next_borrower(database: Database) -> None:
    async with database.session() as session:
        await session.execute(text("SELECT set_config('undercroft.left_behind', 'mine', true)"))
    async with database.session() as session:
        assert await session.scalar(text("SELECT current_setting('undercroft.left_behind', true)")) in {None, ""}


async def _terminate(database: Database, pid: int) -> None:
    async with database.read_session() as session:
        await session.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
