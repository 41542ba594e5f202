"""A session's deferred write: discarded by an exception, one statement alone, otherwise part of the transaction."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from uuid import UUID

import pytest
from fastapi import Response
from sqlalchemy import bindparam, func, select, text
from sqlmodel import col

from tests.core.db.proxy import Cut, Proxy, run_proxy
from tests.factories import UserRow, insert_user
from tests.projects import INSERT, project_row
from undercroft.core.audit import Entry, record
from undercroft.core.db import Database, Paging, Session, SessionDep, Statement, all_tenants
from undercroft.core.db.errors import DatabaseConflict, DatabaseUnavailable, OutcomeUnknown
from undercroft.core.errors import Conflict
from undercroft.core.http import CurrentPrincipal, Router
from undercroft.core.ids import new_id
from undercroft.jobs import enqueue, task
from undercroft.modules.projects.models import Project, ProjectBase
from undercroft.modules.projects.resources import ProjectResource
from undercroft.modules.users import User
from undercroft.testing.users import SignedInUser, create_signed_in_user

NAMES = Statement(
    select(col(Project.name)).where(col(Project.team_id) == bindparam("team_id")).order_by(col(Project.name))
)
COUNT = Statement(select(func.count()).select_from(Project))
WAITING = "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
MARKER = "cut-this-one"

Operation = Callable[[Session, UserRow], Awaitable[object]]


@pytest.fixture(autouse=True)
def use_all_tenants():
    with all_tenants():
        yield


@pytest.fixture
async def owner(database: Database) -> UserRow:
    return await insert_user(database)


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    async with run_proxy(database_url) as proxy:
        proxy.marker = MARKER.encode()
        yield proxy


@pytest.fixture
async def through_proxy(proxy: Proxy, database: Database, database_url: str) -> AsyncIterator[Database]:
    """The same database through the proxy, with short timeouts."""
    settings = database.settings.model_copy(update={"db_statement_timeout": 0.5, "db_lock_timeout": 0.1})
    through_proxy = Database(settings, proxy.url(database_url))
    yield through_proxy
    await through_proxy.close()


async def names(database: Database, owner: UserRow) -> list[str]:
    return [each["name"] for each in await database.read.fetch(NAMES, team_id=owner.team_id)]


async def begin_savepoint(session: Session, _: UserRow) -> None:
    async with (await session.orm()).begin_nested():
        await session.execute(text("SELECT 1"))


async def roll_back_savepoint(session: Session, owner: UserRow) -> None:
    with suppress(Conflict):
        async with (await session.orm()).begin_nested():
            await session.write_one(INSERT, **project_row(owner, "undone"))
            session.add(Project(name="undone as well", team_id=owner.team_id))
            raise Conflict


async def add(session: Session, owner: UserRow) -> None:
    session.add(User(email=f"{owner.user_id.hex}@else.example.com"))


async def enqueue_job(session: Session, _: UserRow) -> None:
    await enqueue(session, noop)


@task(name="tests.noop")
async def noop() -> None:
    """Does nothing."""


OPERATIONS: dict[str, Operation] = {
    "fetch": lambda session, owner: session.fetch(NAMES, team_id=owner.team_id),
    "execute": lambda session, _: session.execute(text("SELECT 1")),
    "scalar": lambda session, _: session.scalar(text("SELECT 1")),
    "get": lambda session, owner: session.get(User, owner.user_id),
    "flush": lambda session, _: session.flush(),
    "raw": lambda session, _: session.raw(),
    "orm": lambda session, _: session.orm(),
    "add": add,
    "savepoint": begin_savepoint,
    "rolled back savepoint": roll_back_savepoint,
    "second write_one": lambda session, owner: session.write_one(INSERT, **project_row(owner, "second")),
    "audit entry": lambda session, _: record(session, Entry("thing.made")),
    "job": enqueue_job,
}
operations = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())


async def test_write_one_sends_nothing_when_the_block_raises(database: Database, owner: UserRow, statements) -> None:
    await statements.clear()
    with pytest.raises(ZeroDivisionError):
        async with database.session() as session:
            await session.write_one(Statement(text("DELETE FROM users WHERE id = :id")), id=owner.user_id)
            raise ZeroDivisionError
    assert await statements.get_all() == []
    assert database.write.in_use == 0


async def test_write_one_is_sent_at_the_end_when_an_error_commits(database: Database, owner: UserRow) -> None:
    class Refused(Conflict):
        code = "REFUSED"
        commits = True

    with pytest.raises(Refused):
        async with database.session() as session:
            await session.write_one(INSERT, **project_row(owner))
            raise Refused
    assert await names(database, owner) == ["deferred"]


@operations
async def test_write_one_and_another_operation_are_one_transaction(
    database: Database, owner: UserRow, operation: Operation, statements
) -> None:
    await statements.clear()
    async with database.session() as session:
        await session.write_one(INSERT, **project_row(owner))
        await operation(session, owner)
    sent = await statements.get_all()
    assert sum(sql.startswith("BEGIN") for sql in sent) == sent.count("COMMIT") == 1
    assert {"deferred"} <= set(await names(database, owner)) <= {"deferred", "second"}


@operations
@pytest.mark.parametrize("first", [True, False], ids=["write first", "write last"])
async def test_raising_discards_write_one_beside_another_operation(
    database: Database, owner: UserRow, operation: Operation, *, first: bool
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.session() as session:
            if first:
                await session.write_one(INSERT, **project_row(owner))
            await operation(session, owner)
            if not first:
                await session.write_one(INSERT, **project_row(owner))
            raise ZeroDivisionError
    assert await names(database, owner) == []
    assert await _count(database, "SELECT count(*) FROM jobs") == 0
    assert await _count(database, "SELECT count(*) FROM audit_entries") == 0
    assert database.write.in_use == 0


@pytest.mark.parametrize("read", ["fetch", "scalar", "raw"])
async def test_write_one_is_visible_to_the_next_statement(database: Database, owner: UserRow, read: str) -> None:
    name = text("SELECT name FROM projects")
    async with database.session() as session:
        await session.write_one(INSERT, **project_row(owner))
        if read == "fetch":
            value = (await session.fetch(Statement(name)))[0]["name"]
        elif read == "scalar":
            value = await session.scalar(name)
        else:
            value = await (await session.raw()).fetchval(str(name))
    assert value == "deferred"


async def test_write_one_evaluates_its_values_immediately(database: Database, owner: UserRow) -> None:
    values = project_row(owner, "own name")
    async with database.session() as session:
        await session.write_one(INSERT, **values)
        values["name"] = "changed later"
    assert await names(database, owner) == ["own name"]


async def test_write_one_reports_a_conflict_at_the_end(database: Database, owner: UserRow) -> None:
    values = project_row(owner)
    async with database.session() as session:
        await session.write_one(INSERT, **values)
    callbacks: list[str] = []
    with pytest.raises(DatabaseConflict):
        async with database.session() as session:
            session.after_commit(lambda: callbacks.append("committed"))
            await session.write_one(INSERT, **values)
    assert callbacks == []
    assert await names(database, owner) == ["deferred"]
    assert database.write.in_use == 0


async def test_failing_callback_does_not_fail_a_committed_write(database: Database, owner: UserRow) -> None:
    callbacks: list[str] = []

    def fail() -> None:
        raise ZeroDivisionError

    async with database.session() as session:
        session.after_commit(fail)
        session.after_commit(lambda: callbacks.append("second"))
        await session.write_one(INSERT, **project_row(owner))
    assert callbacks == ["second"]
    assert await names(database, owner) == ["deferred"]


@pytest.mark.parametrize(("cut", "rows"), [(Cut.BEFORE_REQUEST, 0), (Cut.BEFORE_RESPONSE, 1), (Cut.SILENCE, 1)])
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "in a transaction"])
async def test_lost_commit_response_is_an_unknown_outcome(
    proxy: Proxy,
    through_proxy: Database,
    database: Database,
    owner: UserRow,
    cut: Cut,
    rows: int,
    *,
    alone: bool,
    rls_enabled: bool,
) -> None:
    proxy.marker = MARKER.encode() if alone and not rls_enabled else b"COMMIT"
    proxy.cut = cut
    with pytest.raises(OutcomeUnknown):
        async with through_proxy.session() as session:
            await session.write_one(INSERT, **project_row(owner, MARKER))
            if not alone:
                await session.fetch(COUNT)
    proxy.cut = Cut.NEVER
    assert proxy.hits == 1
    assert through_proxy.write.in_use == 0
    assert len(await _wait_for_rows(database, owner, rows)) == rows


async def test_connection_lost_before_the_commit_is_unavailable_and_rolls_back(
    proxy: Proxy, through_proxy: Database, database: Database, owner: UserRow
) -> None:
    proxy.cut = Cut.BEFORE_RESPONSE
    with pytest.raises(DatabaseUnavailable):
        async with through_proxy.session() as session:
            await session.write_one(INSERT, **project_row(owner, MARKER))
            await session.fetch(COUNT)
    assert proxy.hits == 1
    assert through_proxy.write.in_use == 0
    assert await names(database, owner) == []


async def test_write_one_is_unavailable_when_no_connection_can_be_made(
    proxy: Proxy, through_proxy: Database, owner: UserRow
) -> None:
    proxy.server = ("127.0.0.1", 1)
    with pytest.raises(DatabaseUnavailable):
        async with through_proxy.session() as session:
            await session.write_one(INSERT, **project_row(owner))


async def test_write_one_refused_by_a_lock_timeout_is_unavailable_and_not_unknown(
    through_proxy: Database, database: Database, owner: UserRow
) -> None:
    async with database.session() as session:
        await session.execute(text("SELECT id FROM teams WHERE id = :id FOR UPDATE"), {"id": owner.team_id})
        with pytest.raises(DatabaseUnavailable):
            async with through_proxy.session() as other:
                await other.write_one(INSERT, **project_row(owner))
    assert await names(database, owner) == []
    assert through_proxy.write.in_use == 0


async def test_write_one_canceled_at_the_end_releases_its_connection(database: Database, owner: UserRow) -> None:
    async def write() -> None:
        async with database.session() as session:
            await session.write_one(INSERT, **project_row(owner))

    async with database.session() as session:
        await session.execute(text("SELECT id FROM teams WHERE id = :id FOR UPDATE"), {"id": owner.team_id})
        task = asyncio.create_task(write())
        await _until_waiting(database)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert database.write.in_use == 0


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "in a transaction"])
async def test_connection_terminated_during_a_write_rolls_back(
    database: Database, owner: UserRow, *, alone: bool, rls_enabled: bool
) -> None:
    async def write() -> None:
        async with database.session() as session:
            await session.write_one(INSERT, **project_row(owner))
            if not alone:
                await session.flush()

    async with database.session() as session:
        await session.execute(text("SELECT id FROM teams WHERE id = :id FOR UPDATE"), {"id": owner.team_id})
        task = asyncio.create_task(write())
        await _until_waiting(database)
        await database.read.fetch(Statement(text(f"SELECT pg_terminate_backend(pid) {WAITING}")))
        # for a write in its own transaction, the client cannot know whether it was committed before the end
        with pytest.raises(OutcomeUnknown if alone and not rls_enabled else DatabaseUnavailable):
            await task
    assert database.write.in_use == 0
    assert await names(database, owner) == []


foreign = Router(surface="app", prefix="/foreign")


@foreign.post("/raises", status_code=201)
async def create_and_raise(principal: CurrentPrincipal, session: SessionDep) -> Response:
    """A service of another module that uses the service of projects and then fails."""
    await ProjectResource(session, principal).create(ProjectBase(name="raised"))
    raise Conflict


@foreign.post("/enqueues", status_code=201)
async def create_and_enqueue(principal: CurrentPrincipal, session: SessionDep) -> Response:
    """A service that then enqueues a job and reads."""
    await ProjectResource(session, principal).create(ProjectBase(name="enqueued"))
    await enqueue(session, noop)
    listed = await ProjectResource(session, principal).list(Paging(), {})
    return Response(f"{listed.total} {listed.items[0]['name']}", 201)


@foreign.post("/duplicates", status_code=201)
async def create_duplicate(principal: CurrentPrincipal, session: SessionDep, project_id: UUID) -> Response:
    """A service whose only write may violate a constraint."""
    owner = UserRow(principal.user_id, principal.team_id)
    await session.write_one(INSERT, **{**project_row(owner, "duplicate"), "id": project_id})
    return Response(status_code=201)


@pytest.fixture
async def extended(database: Database) -> AsyncIterator[SignedInUser]:
    """A user of an application that also has these routes."""
    from undercroft.app.api import create_app
    from undercroft.testing.lifespan import run_lifespan

    app = create_app(database=database)
    app.add([foreign])
    async with run_lifespan(app):
        user = await create_signed_in_user(app)
        async with user.client:
            yield user


async def test_other_service_that_raises_after_a_create_rolls_back(extended: SignedInUser, database: Database) -> None:
    response = await extended.client.post("/api/v1/app/foreign/raises")
    assert (response.status_code, response.json()["error"]["code"]) == (409, "CONFLICT")
    assert await names(database, UserRow(extended.user_id, extended.team_id)) == []
    assert await _count(database, "SELECT count(*) FROM audit_entries WHERE action = 'project.created'") == 0


async def test_other_service_may_create_then_enqueue_then_read(extended: SignedInUser, database: Database) -> None:
    response = await extended.client.post("/api/v1/app/foreign/enqueues")
    assert (response.status_code, response.text) == (201, "1 enqueued")
    assert await names(database, UserRow(extended.user_id, extended.team_id)) == ["enqueued"]
    assert await _count(database, "SELECT count(*) FROM jobs WHERE task = 'tests.noop'") == 1


async def test_constraint_violation_at_the_end_is_returned_instead_of_201(
    extended: SignedInUser, database: Database
) -> None:
    url = f"/api/v1/app/foreign/duplicates?project_id={new_id()}"
    first, second = [await extended.client.post(url) for _ in range(2)]
    assert first.status_code == 201
    assert (second.status_code, second.json()["error"]["code"]) == (409, "CONFLICT")
    assert await names(database, UserRow(extended.user_id, extended.team_id)) == ["duplicate"]


@pytest.mark.parametrize(("cut", "rows"), [(Cut.BEFORE_REQUEST, 0), (Cut.BEFORE_RESPONSE, 1)])
async def test_lost_response_of_a_create_is_an_unknown_outcome_and_not_retried(
    proxy: Proxy, through_proxy: Database, database: Database, cut: Cut, rows: int, *, rls_enabled: bool
) -> None:
    """With row-level security the statement is in a transaction, which the lost connection rolls back."""
    code, rows = ("DATABASE_UNAVAILABLE", 0) if rls_enabled else ("OUTCOME_UNKNOWN", rows)
    from undercroft.app.api import create_app
    from undercroft.testing.lifespan import run_lifespan

    app = create_app(database=through_proxy)
    async with run_lifespan(app):
        user = await create_signed_in_user(app)
        async with user.client as client:
            await client.post("/api/v1/app/projects", json={"name": "Before"})
            proxy.cut = cut
            response = await client.post("/api/v1/app/projects", json={"name": MARKER})
            proxy.cut = Cut.NEVER
    assert (response.status_code, response.json()["error"]["code"]) == (503, code)
    assert int(response.headers["Retry-After"]) > 0
    assert proxy.hits == 1
    owner = UserRow(user.user_id, user.team_id)
    assert len(await _wait_for_rows(database, owner, rows + 1)) == rows + 1


async def _count(database: Database, sql: str) -> int:
    rows = await database.read.fetch(Statement(text(sql)))
    return int(rows[0][0])


async def _wait_for_rows(database: Database, owner: UserRow, rows: int) -> list[str]:
    """The names once there are so many rows: the statement of a lost connection may still be running."""
    async with asyncio.timeout(10):
        while len(stored := await names(database, owner)) != rows:
            await asyncio.sleep(0.02)
    return stored


async def _until_waiting(database: Database) -> None:
    """Wait until a statement waits for a lock."""
    async with asyncio.timeout(10):
        while not await _count(database, f"SELECT count(*) {WAITING}"):
            await asyncio.sleep(0.02)
