"""The unit of work: commits, rollbacks, and errors of a failing database."""

import asyncio
from contextlib import suppress

import pytest
from asyncpg import DivisionByZeroError, InterfaceError
from sqlalchemy import Executable, bindparam, func, insert, inspect, select, text
from sqlmodel import col

from tests.factories import insert_user
from tests.projects import ProjectRepository, project_row
from undercroft.core.audit import Entry
from undercroft.core.db import Database, DatabaseSettings, Statement, all_tenants
from undercroft.core.db.errors import (
    DatabaseConflict,
    DatabaseUnavailable,
    OutcomeUnknown,
    ReadSessionIsReadOnly,
    TransactionAborted,
    UnstorableValue,
)
from undercroft.core.db.pool import Pool, PooledConnection
from undercroft.core.db.statement import is_write
from undercroft.core.errors import Conflict
from undercroft.modules.projects.models import Project
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


async def test_statement_function_is_called_once_on_first_use(database: Database) -> None:
    built: list[Executable] = []

    def make() -> Executable:
        built.append(select(func.count()).select_from(Project))
        return built[-1]

    statement = Statement(make)
    assert not built
    async with database.session() as session:
        for _ in range(2):
            await session.fetch(statement)
    assert len(built) == 1


async def test_session_commits_at_the_end_of_the_block(database: Database) -> None:
    owner = await insert_user(database)
    async with database.session() as session:
        session.add(Project(name="committed", team_id=owner.team_id))
    assert await count(database) == 1


async def test_app_error_with_commits_commits(database: Database) -> None:
    owner = await insert_user(database)
    with pytest.raises(Refused):
        async with database.session() as session:
            session.add(Project(name="committed", team_id=owner.team_id))
            raise Refused
    assert await count(database) == 1


async def test_app_error_rolls_back(database: Database) -> None:
    owner = await insert_user(database)
    with pytest.raises(Conflict):
        async with database.session() as session:
            session.add(Project(name="rolled back", team_id=owner.team_id))
            await session.flush()
            raise Conflict
    assert await count(database) == 0


@pytest.mark.parametrize("refusal", [None, Refused])
async def test_transaction_aborted_by_a_caught_error_raises(database: Database, refusal: type[Refused] | None) -> None:
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


async def test_callbacks_run_after_a_commit_but_not_after_a_rollback(database: Database) -> None:
    owner = await insert_user(database)
    called: list[str] = []
    async with database.session() as session:
        session.after_commit(lambda: called.append("committed"))
        session.add(Project(name="committed", team_id=owner.team_id))
        assert called == []
    with pytest.raises(Conflict):
        async with database.session() as session:
            session.after_commit(lambda: called.append("rolled back"))
            raise Conflict
    assert called == ["committed"]


async def test_unused_session_acquires_no_connection(database: Database) -> None:
    async with database.session():
        assert database.write.in_use == 0


async def test_write_one_is_one_statement(database: Database, statements, rls_enabled: bool) -> None:
    owner = await insert_user(database)
    await statements.clear()
    async with database.session() as session:
        row = project_row(owner)
        await ProjectRepository(session, owner.team_id).insert(row, Entry("project.created", target_id=row["id"]))
    assert len(await statements.get_all()) == (3 if rls_enabled else 1)
    assert await count(database) == 1


@pytest.mark.parametrize("pooler", ["none", "transaction"])
@pytest.mark.parametrize("way", ["fetch", "fetch after another", "execute", "flush", "lock"])
async def test_read_session_cannot_write(database: Database, database_url: str, pooler: str, way: str) -> None:
    """Behind a transaction pooler the server cannot be made to refuse the write."""
    owner = await insert_user(database)
    project = Project(name="x", team_id=owner.team_id)
    statement = insert(Project).values(project.model_dump())
    pooled = Database(database.settings.model_copy(update={"database_pooler": pooler}), database_url)
    with pytest.raises(ReadSessionIsReadOnly):
        async with pooled.read_session() as session:
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
    assert pooled.read.in_use == 0
    await pooled.close()
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
def test_writing_statement_is_detected_by_its_text(sql: str, *, expected: bool) -> None:
    assert is_write(sql) is expected


@pytest.mark.parametrize("raises", [False, True])
@pytest.mark.parametrize("way", ["add", "fetch", "execute", "raw", "flush", "write_one"])
async def test_ended_session_refuses_further_work(database: Database, way: str, *, raises: bool) -> None:
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


async def test_writing_pool_refuses_autocommit_fetches(database: Database) -> None:
    with pytest.raises(RuntimeError, match="Open a session"):
        await database.write.fetch(COUNT)


async def test_concurrent_use_of_one_session_is_a_programming_error(database: Database) -> None:
    with pytest.raises(InterfaceError, match="another operation"):
        async with database.session() as session:
            raw = await session.raw()
            await asyncio.gather(*(raw.execute("SELECT pg_sleep(0.2)") for _ in range(2)))
    assert raw.is_closed()
    assert database.write.in_use == 0


async def test_read_releases_its_connection_immediately(database: Database) -> None:
    async with database.read_session() as session:
        await session.fetch(COUNT)
        assert database.read.in_use == 0


async def test_read_is_retried_when_all_connections_were_lost(database: Database) -> None:
    connections = [await database.read.acquire() for _ in range(database.settings.db_read_pool_size)]
    for each in connections:
        each.release()
    async with database.session() as session:
        await session.execute(TERMINATE, {"pool": "read"})
    assert await count(database) == 0


async def test_transaction_reconnects_when_all_connections_were_lost_before(database: Database) -> None:
    connections = [await database.write.acquire() for _ in range(database.settings.db_pool_size)]
    for each in connections:
        each.release()
    async with database.read_session() as session:
        await session.execute(TERMINATE, {"pool": "write"})
    async with database.session() as session:
        assert await session.scalar(text("SELECT 1")) == 1


async def test_connection_lost_during_a_transaction_is_unavailable_and_rolls_back(database: Database) -> None:
    owner = await insert_user(database)
    with pytest.raises(DatabaseUnavailable):
        async with database.session() as session:
            session.add(Project(name="rolled back", team_id=owner.team_id))
            raw = await session.raw()
            await _terminate(database, raw.get_server_pid())
            await session.execute(text("SELECT 1"))
    assert await count(database) == 0


async def test_connection_lost_during_the_commit_is_an_unknown_outcome(database: Database) -> None:
    owner = await insert_user(database)
    with pytest.raises(OutcomeUnknown):
        async with database.session() as session:
            session.add(Project(name="who knows", team_id=owner.team_id))
            raw = await session.raw()
            await _terminate(database, raw.get_server_pid())


async def test_unique_violation_is_a_conflict(database: Database) -> None:
    with pytest.raises(DatabaseConflict):
        async with database.session() as session:
            session.add(User(email="twice@example.com"))
            session.add(User(email="twice@example.com"))


@pytest.mark.parametrize("name", ["nul\x00", "half\ud800"])
async def test_unstorable_value_is_a_client_error(database: Database, name: str) -> None:
    owner = await insert_user(database)
    with pytest.raises(UnstorableValue):
        async with database.session() as session:
            session.add(Project(name=name, team_id=owner.team_id))


async def test_exhausted_pool_is_unavailable_after_the_timeout(database: Database) -> None:
    acquired = [await database.read.acquire() for _ in range(database.settings.db_read_pool_size)]
    try:
        with pytest.raises(DatabaseUnavailable):
            await count(database)
    finally:
        for connection in acquired:
            connection.release()
    assert await count(database) == 0


async def test_statement_timeout_is_unavailable(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with database.session() as session:
            await session.execute(text("SET LOCAL statement_timeout = '20ms'"))
            await session.execute(text("SELECT pg_sleep(5)"))
    async with database.session() as session:
        assert await session.scalar(text("SHOW statement_timeout")) != "20ms"


async def test_canceled_request_releases_a_clean_connection(database: Database) -> None:
    owner = await insert_user(database)

    async def linger() -> None:
        async with database.session() as session:
            session.add(Project(name="rolled back", team_id=owner.team_id))
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


async def test_session_settings_do_not_leak_to_the_next_user(database: Database) -> None:
    async with database.session() as session:
        await session.execute(text("SELECT set_config('undercroft.left_behind', 'mine', true)"))
    async with database.session() as session:
        assert await session.scalar(text("SELECT current_setting('undercroft.left_behind', true)")) in {None, ""}


async def _terminate(database: Database, pid: int) -> None:
    async with database.read_session() as session:
        await session.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})


@pytest.mark.parametrize("kind", ["session", "read_session"])
async def test_loaded_rows_are_detached_after_the_block(database: Database, kind: str) -> None:
    owner = await insert_user(database)
    async with getattr(database, kind)() as session:
        user = await session.get(User, owner.user_id)
        assert not inspect(user).detached
    assert inspect(user).detached


@pytest.mark.parametrize("kind", ["session", "read_session"])
async def test_connection_is_reused_by_the_next_block(database: Database, kind: str) -> None:
    pids = set[int]()
    for _ in range(3):
        async with getattr(database, kind)() as session:
            pids.add(await session.scalar(select(func.pg_backend_pid())))
    assert len(pids) == 1


async def test_refused_begin_is_not_repeated(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[Pool] = []

    async def refuse(pool: Pool) -> PooledConnection:
        attempts.append(pool)
        raise DatabaseUnavailable("All connections to the database are busy.")

    monkeypatch.setattr(Pool, "acquire", refuse)
    with pytest.raises(DatabaseUnavailable):
        async with database.session() as session:
            await session.raw()
    assert attempts == [database.write]


async def test_connection_with_a_running_statement_is_closed_after_a_rollback(database: Database) -> None:
    with pytest.raises(Conflict):
        async with database.session() as session:
            raw = await session.raw()
            running = asyncio.create_task(raw.execute("SELECT pg_sleep(0.2)"))
            await asyncio.sleep(0)
            raise Conflict
    assert raw.is_closed()
    assert database.write.in_use == 0
    await asyncio.gather(running, return_exceptions=True)


async def test_refresh_reads_the_changes_of_other_statements_to_this_row(database: Database) -> None:
    owner, bystander = await insert_user(database), await insert_user(database)
    async with database.session() as session:
        changed, other = await session.get(User, owner.user_id), await session.get(User, bystander.user_id)
        assert changed
        assert other
        await (await session.raw()).execute("UPDATE users SET full_name = 'Renamed'")
        assert changed.full_name == "Test User"
        await session.refresh(changed)
        assert (changed.full_name, other.full_name) == ("Renamed", "Test User")


@pytest.mark.parametrize(
    ("kind", "error", "is_reused"),
    [
        *((kind, error, True) for kind in ("read_session", "session") for error in (Conflict(), "SELECT 1 / 0")),
        ("session", RuntimeError(), True),
        ("read_session", RuntimeError(), False),
        *((kind, asyncio.CancelledError(), False) for kind in ("read_session", "session")),
    ],
    ids=str,
)
async def test_connection_is_reused_after_errors_that_leave_it_usable(
    database_url: str, kind: str, error: BaseException | str, is_reused: bool
) -> None:
    database = Database(DatabaseSettings(db_pool_size=1, db_read_pool_size=1), database_url)
    pids = []
    try:
        for _ in range(2):
            with suppress(Conflict, UnstorableValue, RuntimeError, asyncio.CancelledError):
                async with getattr(database, kind)() as session:
                    pids.append(await session.scalar(select(func.pg_backend_pid())))
                    if isinstance(error, BaseException):
                        raise error
                    await session.execute(text(error))
    finally:
        await database.close()
    assert (pids[0] == pids[1]) is is_reused
