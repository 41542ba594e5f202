"""Row-level security: rows that unscoped queries return, and the number of statements."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import delete, func, insert, select, text, update
from sqlmodel import col

from tests.core.db.rls_database import RlsDatabase, create_rls_database
from tests.factories import UserRow, add_user
from tests.projects import ProjectRepository, project_row
from undercroft.core.audit import Entry
from undercroft.core.db import Database, ReadSessionDep, Session, Statement, all_tenants, tenant
from undercroft.core.db.repository import TenantContextMissing
from undercroft.core.http import Router
from undercroft.modules.projects.models import Project
from undercroft.modules.teams.models import Membership, Team
from undercroft.modules.users import User
from undercroft.testing.servers import Servers

ALL = Statement(select(col(Project.name)).order_by(col(Project.name)))
RAW = Statement(text("SELECT name FROM projects ORDER BY name"))
BEGIN_READING = "BEGIN READ ONLY; SELECT set_config"


@pytest.fixture(scope="module")
async def secured(servers: Servers, test_settings: None) -> AsyncIterator[RlsDatabase]:
    async with create_rls_database(servers) as secured:
        yield secured


@pytest.fixture
async def database(secured: RlsDatabase) -> AsyncIterator[Database]:
    yield secured.database
    tables = await asyncpg.connect(secured.manager_url)
    await tables.execute("SET session_replication_role = replica; TRUNCATE users, teams CASCADE")
    await tables.close()


@pytest.fixture
async def team_owner(database: Database) -> UserRow:
    return await create_user_with_project(database, "mine")


@pytest.fixture
async def other_owner(database: Database) -> UserRow:
    return await create_user_with_project(database, "other")


async def create_user_with_project(database: Database, project: str) -> UserRow:
    async with database.session() as session:
        owner = await add_user(session)
        with tenant(owner.team_id):
            session.add(Project(name=project, team_id=owner.team_id))
            await session.flush()
    return owner


async def list_all_names(database: Database) -> list[str]:
    with all_tenants():
        async with database.read_session() as session:
            return list((await session.scalars(select(col(Project.name)).order_by(col(Project.name)))).all())


async def test_unscoped_query_returns_no_row_of_another_team(
    database: Database, team_owner: UserRow, other_owner: UserRow
) -> None:
    with tenant(team_owner.team_id):
        async with database.read_session() as session:
            assert [row["name"] for row in await session.fetch(ALL)] == ["mine"]
            assert [row["name"] for row in await session.fetch(RAW)] == ["mine"]
            assert list((await session.scalars(select(col(Project.name)))).all()) == ["mine"]
            assert [row["name"] for row in await session.fetch(ALL)] == ["mine"]
            assert await session.scalar(select(func.count()).select_from(Project)) == 1
        async with database.session() as session:
            assert [row["name"] for row in await session.fetch(ALL)] == ["mine"]
            assert list((await session.scalars(select(col(Project.name)))).all()) == ["mine"]
            assert await (await session.raw()).fetchval("SELECT count(*) FROM projects") == 1
        assert len(await database.read.fetch(ALL)) == 1


async def test_row_of_another_team_is_inaccessible_by_id(
    database: Database, team_owner: UserRow, other_owner: UserRow
) -> None:
    with all_tenants():
        async with database.read_session() as session:
            key = await session.scalar(select(col(Project.id)).where(col(Project.name) == "other"))
    with tenant(team_owner.team_id):
        async with database.session() as session:
            assert await session.get(Project, key) is None
            assert await session.rowcount(update(Project).where(col(Project.id) == key).values(name="stolen")) == 0
            assert await session.rowcount(delete(Project)) == 1
    assert await list_all_names(database) == ["other"]


async def test_no_rows_are_visible_without_a_tenant(database: Database, team_owner: UserRow) -> None:
    async with database.read_session() as session:
        assert await session.fetch(ALL) == []
        assert list((await session.scalars(select(Project))).all()) == []
    async with database.session() as session:
        assert await session.rowcount(delete(Project)) == 0
    assert await list_all_names(database) == ["mine"]


async def test_row_cannot_be_inserted_for_or_moved_to_another_team(
    database: Database, team_owner: UserRow, other_owner: UserRow
) -> None:
    row = Project(name="row", team_id=other_owner.team_id).model_dump()
    for statement in (
        insert(Project).values(row),
        update(Project).where(col(Project.name) == "mine").values(team_id=other_owner.team_id),
    ):
        with pytest.raises(Exception, match="row-level security"), tenant(team_owner.team_id):
            async with database.session() as session:
                await session.execute(statement)
    with pytest.raises(Exception, match="row-level security"):
        async with database.session() as session:
            await session.execute(insert(Project).values(row))
    assert await list_all_names(database) == ["mine", "other"]


async def test_tenant_does_not_leak_to_the_next_user_of_a_connection(database: Database, team_owner: UserRow) -> None:
    with tenant(team_owner.team_id):
        async with database.read_session() as session:
            await session.fetch(ALL)
            await session.scalars(select(Project))
        async with database.session() as session:
            await session.scalars(select(Project))
        with pytest.raises(ZeroDivisionError):
            async with database.session() as session:
                await session.scalars(select(Project))
                raise ZeroDivisionError
    for pool in (database.read, database.write):
        connections = [await pool.acquire() for _ in range(max(pool.in_use, 2))]
        for each in connections:
            assert not await each.raw.fetchval("SELECT current_setting('undercroft.team_id', true)")
            assert not each.raw.is_in_transaction()
            each.release()


async def test_failed_read_releases_a_usable_connection(database: Database, team_owner: UserRow) -> None:
    broken = Statement(text("SELECT 1 / (SELECT 0 FROM projects LIMIT 1)"))
    with tenant(team_owner.team_id):
        for _ in range(20):
            async with database.read_session() as session:
                with pytest.raises(asyncpg.DivisionByZeroError):
                    await session.fetch(broken)
        async with database.read_session() as session:
            assert len(await session.fetch(ALL)) == 1


async def test_session_follows_the_tenant_context(
    database: Database, team_owner: UserRow, other_owner: UserRow
) -> None:
    async with database.session() as session:
        assert await session.fetch(ALL) == []
        for owner, name in ((team_owner, "mine"), (other_owner, "other"), (team_owner, "mine")):
            with tenant(owner.team_id):
                assert [row["name"] for row in await session.fetch(ALL)] == [name]
                assert list((await session.scalars(select(col(Project.name)))).all()) == [name]
        assert await session.fetch(ALL) == []


async def test_savepoint_rollback_preserves_the_current_tenant(
    database: Database, team_owner: UserRow, other_owner: UserRow
) -> None:
    async with database.session() as session:
        with tenant(team_owner.team_id):
            savepoint = await (await session.orm()).begin_nested()
        with tenant(other_owner.team_id):
            assert [row["name"] for row in await session.fetch(ALL)] == ["other"]
            await savepoint.rollback()
            assert [row["name"] for row in await session.fetch(ALL)] == ["other"]


async def test_all_tenants_sees_the_rows_of_every_team(
    database: Database, team_owner: UserRow, other_owner: UserRow
) -> None:
    assert await list_all_names(database) == ["mine", "other"]
    with tenant(team_owner.team_id), all_tenants():
        async with database.session() as session:
            assert await session.rowcount(update(Project).values(description="swept")) == 2


async def test_admin_role_sees_and_writes_all_rows(
    secured: RlsDatabase, team_owner: UserRow, other_owner: UserRow
) -> None:
    admin = await asyncpg.connect(secured.admin_url)
    try:
        assert await admin.fetchval("SELECT count(*) FROM projects") == 2
        assert await admin.execute("UPDATE projects SET description = 'x'") == "UPDATE 2"
    finally:
        await admin.close()


async def test_identity_tables_have_no_policies(database: Database, team_owner: UserRow) -> None:
    async with database.read_session() as session:
        for model in (User, Team, Membership):
            assert await session.scalar(select(func.count()).select_from(model)) == 1


async def test_tenant_repository_raises_without_a_tenant_context(database: Database, team_owner: UserRow) -> None:
    async with database.read_session() as session:
        with pytest.raises(TenantContextMissing, match="with tenant"):
            ProjectRepository(session, team_owner.team_id)
        with tenant(team_owner.team_id):
            assert await ProjectRepository(session, team_owner.team_id).count() == 1


async def test_number_of_statements_of_a_read(database: Database, team_owner: UserRow, statements) -> None:
    """A compiled read of a team's rows is BEGIN with the tenant, the statement, COMMIT; of other tables the statement
    only.
    """
    with tenant(team_owner.team_id):
        async with database.read_session() as session:
            await statements.clear()
            await ProjectRepository(session, team_owner.team_id).list_rows()
            begin, _, commit = await statements.get_all()
            assert (begin.startswith(BEGIN_READING), commit) == (True, "COMMIT")
            await statements.clear()
            await session.fetch(Statement(select(col(User.id))))
            assert len(await statements.get_all()) == 1


async def test_number_of_statements_of_a_write(database: Database, team_owner: UserRow, statements) -> None:
    """The tenant is set in the same round trip as BEGIN."""

    async def insert(session: Session, name: str) -> None:
        row = project_row(team_owner, name)
        entry = Entry("project.created", target_id=row["id"])
        await ProjectRepository(session, team_owner.team_id).insert(row, entry)

    with tenant(team_owner.team_id):
        await statements.clear()
        async with database.session() as session:
            await insert(session, "alone")
        assert len(await statements.get_all()) == 3
        with pytest.raises(ZeroDivisionError):
            async with database.session() as session:
                await insert(session, "undone")
                raise ZeroDivisionError
    assert await list_all_names(database) == ["alone", "mine"]


careless = Router(surface="app", prefix="/careless")


@careless.get("")
async def every_project(session: ReadSessionDep) -> list[str]:
    """A route without any filter."""
    return list((await session.scalars(select(col(Project.name)))).all())


async def test_route_without_a_filter_returns_only_rows_of_the_current_team(
    database: Database, team_owner: UserRow, other_owner: UserRow
) -> None:
    from undercroft.app.api import create_app
    from undercroft.testing.lifespan import run_lifespan
    from undercroft.testing.users import create_signed_in_user

    app = create_app(database=database)
    app.add([careless])
    async with run_lifespan(app):
        user = await create_signed_in_user(app)
        with tenant(user.team_id):
            async with database.session() as session:
                session.add(Project(name="own", team_id=user.team_id))
                await session.flush()
        async with user.client as client:
            response = await client.get("/api/v1/app/careless")
    assert (response.status_code, response.json()) == (200, ["own"])
