"""The generic repository, tested on projects."""

import asyncio

import asyncpg
import pytest

from tests.core.db.row_locks import until_waiting
from tests.factories import UserRow, insert_user
from tests.projects import ProjectNotFound, ProjectRepository
from undercroft.core.db import Database, Paging, all_tenants
from undercroft.core.db.errors import DatabaseConflict
from undercroft.core.db.repository import Repository, UnknownSort
from undercroft.core.ids import new_id
from undercroft.modules.projects.models import Project, ProjectStatus
from undercroft.modules.users import User


@pytest.fixture(autouse=True)
def use_all_tenants():
    """Repositories must separate teams themselves, whatever rows the database would return."""
    with all_tenants():
        yield


@pytest.fixture
async def owner(database: Database) -> UserRow:
    return await insert_user(database)


async def fill(database: Database, owner: UserRow, *names: str) -> list[Project]:
    async with database.session() as session:
        projects = ProjectRepository(session, owner.team_id)
        return list(await projects.create_many(Project(name=name, team_id=owner.team_id) for name in names))


async def test_changes_are_written_before_the_method_returns(database: Database, owner: UserRow) -> None:
    """So that a violated constraint is raised where the caller can handle it, and other SQL sees the rows."""
    names = "SELECT array_agg(name ORDER BY name) FROM projects"
    async with database.session() as session:
        projects, raw = ProjectRepository(session, owner.team_id), await session.raw()
        await projects.create(Project(name="a", team_id=owner.team_id))
        assert await raw.fetchval(names) == ["a"]
        _, last = await projects.create_many(Project(name=name, team_id=owner.team_id) for name in "bc")
        assert await raw.fetchval(names) == ["a", "b", "c"]
        await projects.update(last, {"name": "d"})
        assert await raw.fetchval(names) == ["a", "b", "d"]


async def test_pages_are_stable_and_have_the_total(database: Database, owner: UserRow) -> None:
    await fill(database, owner, *(f"p{n:02}" for n in range(25)))
    async with database.read_session() as session:
        projects = ProjectRepository(session, owner.team_id)
        second = await projects.list(Paging(page=2, size=10, sort="name"))
        beyond = await projects.list(Paging(page=9, size=10))
        just_beyond = await projects.list(Paging(page=2, size=25))
    assert [project.name for project in second.items] == [f"p{n:02}" for n in range(10, 20)]
    assert second.total == beyond.total == just_beyond.total == 25
    assert beyond.items == just_beyond.items == []


async def test_search_escapes_wildcards(database: Database, owner: UserRow) -> None:
    await fill(database, owner, "100% sure", "100 sure", "under_score", "underXscore")
    async with database.read_session() as session:
        projects = ProjectRepository(session, owner.team_id)
        assert [project.name for project in (await projects.list(Paging(q="100%"))).items] == ["100% sure"]
        assert [project.name for project in (await projects.list(Paging(q="R_S"))).items] == ["under_score"]


async def test_sorting_by_an_unknown_column_is_refused(database: Database, owner: UserRow) -> None:
    async with database.read_session() as session:
        with pytest.raises(UnknownSort):
            await ProjectRepository(session, owner.team_id).list(Paging(sort="team_id; drop table projects"))


async def test_keyset_pages_contain_each_row_once_during_inserts(database: Database, owner: UserRow) -> None:
    before = {project.id for project in await fill(database, owner, *(f"p{n}" for n in range(25)))}
    seen: list[object] = []
    position = None
    while True:
        async with database.read_session() as session:
            page = await ProjectRepository(session, owner.team_id).list(Paging(keyset=True, after=position, size=7))
        seen += [project.id for project in page.items]
        await fill(database, owner, "newcomer")
        position = page.next
        if position is None:
            break
    assert len(seen) == len(set(seen))
    assert set(seen) == before


async def test_rows_of_another_team_are_not_found(database: Database, owner: UserRow) -> None:
    stranger = await insert_user(database)
    (project,) = await fill(database, owner, "mine")
    async with database.session() as session:
        other_projects = ProjectRepository(session, stranger.team_id)
        assert (await other_projects.list()).total == 0
        assert await other_projects.count() == 0
        assert await other_projects.get_by(name="mine") is None
        with pytest.raises(ProjectNotFound):
            await other_projects.get(project.id)
        with pytest.raises(ProjectNotFound):
            await other_projects.lock(project.id)


async def test_rows_of_another_team_are_neither_counted_nor_deleted(database: Database, owner: UserRow) -> None:
    stranger = await insert_user(database)
    await fill(database, owner, "same", "other")
    await fill(database, stranger, "same")
    async with database.session() as session:
        projects = ProjectRepository(session, owner.team_id)
        assert await projects.count_by(name="same") == 1
        assert await projects.delete_by(name="same") == 1
    async with database.read_session() as session:
        assert [each.name for each in (await ProjectRepository(session, owner.team_id).list()).items] == ["other"]
        assert await ProjectRepository(session, stranger.team_id).count_by(name="same") == 1


async def test_row_is_created_in_the_repositorys_team(database: Database, owner: UserRow) -> None:
    stranger = await insert_user(database)
    async with database.session() as session:
        await ProjectRepository(session, owner.team_id).create(Project(name="x", team_id=stranger.team_id))
    async with database.read_session() as session:
        assert await ProjectRepository(session, owner.team_id).count() == 1
        assert await ProjectRepository(session, stranger.team_id).count() == 0


async def test_upsert_cannot_change_a_row_of_another_team(database: Database, owner: UserRow) -> None:
    stranger = await insert_user(database)
    (project,) = await fill(database, owner, "mine")
    async with database.session() as session:
        with pytest.raises(ValueError, match="team_id"):
            await ProjectRepository(session, stranger.team_id).upsert(
                Project(id=project.id, name="stolen", team_id=stranger.team_id), on=["id"], update=["name"]
            )


async def test_whole_table_is_not_deleted_or_updated_by_mistake(database: Database, owner: UserRow) -> None:
    class Users(Repository[User]):
        model = User

    async with database.session() as session:
        for change in (Users(session).delete_by(), Users(session)._delete(), Users(session)._update(full_name="x")):
            with pytest.raises(ValueError, match="Name the rows of User to change"):
                await change
        assert await Users(session).count_by(full_name="x") == 0


async def test_upsert_inserts_or_updates_only_the_named_columns_of_the_same_row(database: Database) -> None:
    class Users(Repository[User]):
        model = User

    bystander = await insert_user(database)
    async with database.session() as session:
        first = await Users(session).upsert(
            User(email="ada@example.com", full_name="Ada", locale="en"), on=["email"], update=["full_name"]
        )
    async with database.session() as session:
        second = await Users(session).upsert(
            User(email="ada@example.com", full_name="Ada L.", locale="de"), on=["email"], update=["full_name"]
        )
    assert (second.id, second.full_name, second.locale) == (first.id, "Ada L.", "en")
    assert second.updated_at > first.updated_at
    async with database.read_session() as session:
        assert {user.id for user in (await Users(session).list()).items} == {bystander.user_id, first.id}
        assert (await Users(session).get(bystander.user_id)).full_name != "Ada L."


async def test_soft_deleted_rows_are_hidden_until_restored(database: Database, owner: UserRow) -> None:
    (project,) = await fill(database, owner, "comes back")
    async with database.session() as session:
        projects = ProjectRepository(session, owner.team_id)
        await projects.soft_delete(await projects.get(project.id))
    async with database.session() as session:
        projects = ProjectRepository(session, owner.team_id)
        assert await projects.find(project.id) is None
        assert (await projects.list()).total == 0
        await projects.restore(await projects.get(project.id, deleted=True))
    async with database.read_session() as session:
        assert (await ProjectRepository(session, owner.team_id).get(project.id)).name == "comes back"


async def test_unknown_id_raises_the_modules_not_found(database: Database, owner: UserRow) -> None:
    async with database.read_session() as session:
        with pytest.raises(ProjectNotFound):
            await ProjectRepository(session, owner.team_id).get(new_id())


async def test_repository_with_a_read_session_refuses_to_write(database: Database, owner: UserRow) -> None:
    async with database.read_session() as session:
        with pytest.raises(TypeError):
            await ProjectRepository(session, owner.team_id).create(Project(name="x", team_id=owner.team_id))
        with pytest.raises(TypeError):
            session.writable.add(Project(name="x", team_id=owner.team_id))


@pytest.mark.parametrize("size", [1, 50])
async def test_page_takes_one_statement(
    database: Database, owner: UserRow, statements, size: int, rls_enabled: bool
) -> None:
    await fill(database, owner, *(f"p{n}" for n in range(size)))
    async with database.read_session() as session:
        await statements.clear()
        active = Project.status == ProjectStatus.ACTIVE.value
        await ProjectRepository(session, owner.team_id).list(Paging(q="p", size=size), active)
    await statements.get_all()
    assert statements.count == 1
    assert len(statements.all) == (3 if rls_enabled else 1)


def test_repository_of_tenant_owned_rows_must_be_a_tenant_repository() -> None:
    with pytest.raises(TypeError, match="TenantRepository"):

        class Projects(Repository[Project]):
            model = Project


async def test_lock_waits_for_another_transaction_and_reads_its_changes(database: Database, owner: UserRow) -> None:
    project, bystander = await fill(database, owner, "first", "bystander")

    async def rename() -> str:
        async with database.session() as session:
            projects = ProjectRepository(session, owner.team_id)
            await projects.get(project.id)  # the row must be read again after the lock
            locked = await projects.lock(project.id)
            return (await projects.update(locked, {"name": f"{locked.name}, third"})).name

    async with database.session() as session:
        projects = ProjectRepository(session, owner.team_id)
        locked = await projects.lock(project.id)
        waiting = asyncio.create_task(rename())
        await until_waiting(database)
        async with database.session() as other:
            assert (await ProjectRepository(other, owner.team_id).lock(bystander.id)).name == "bystander"
        await projects.update(locked, {"name": "second"})
    assert await waiting == "second, third"


async def test_lock_of_a_row_deleted_during_the_wait_raises_not_found(database: Database, owner: UserRow) -> None:
    (project,) = await fill(database, owner, "first")

    async def lock() -> None:
        async with database.session() as session:
            await ProjectRepository(session, owner.team_id).lock(project.id)

    async with database.session() as session:
        projects = ProjectRepository(session, owner.team_id)
        locked = await projects.lock(project.id)
        waiting = asyncio.create_task(lock())
        await until_waiting(database)
        await projects.soft_delete(locked)
    with pytest.raises(ProjectNotFound):
        await waiting


async def test_create_many_raises_constraint_violations_immediately(database: Database) -> None:
    class Users(Repository[User]):
        model = User

    reached: list[str] = []
    with pytest.raises(DatabaseConflict):
        async with database.session() as session:
            await Users(session).create_many(User(email="twice@example.com") for _ in range(2))
            reached.append("after create_many")
    assert reached == []


async def test_upsert_updates_only_the_row_of_the_repositorys_team(
    database: Database, owner: UserRow, owner_url: str
) -> None:
    stranger = await insert_user(database)
    await fill(database, stranger, "same name")
    tables = await asyncpg.connect(owner_url)
    await tables.execute("CREATE UNIQUE INDEX test_upsert ON projects (team_id, name)")
    try:
        for description in ("inserted", "updated"):
            async with database.session() as session:
                # The repository's team counts, not that of the row.
                row = Project(name="same name", description=description, team_id=stranger.team_id)
                await ProjectRepository(session, owner.team_id).upsert(
                    row, on=["team_id", "name"], update=["description"]
                )
    finally:
        await tables.execute("DROP INDEX test_upsert")
        await tables.close()
    async with database.read_session() as session:
        (written,) = (await ProjectRepository(session, owner.team_id).list()).items
        (untouched,) = (await ProjectRepository(session, stranger.team_id).list()).items
    assert (written.description, written.team_id) == ("updated", owner.team_id)
    assert untouched.description == ""
