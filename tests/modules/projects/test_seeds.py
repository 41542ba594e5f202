"""Demo projects."""

from collections import Counter
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select

from undercroft.core.db import Database
from undercroft.core.db.tenancy import all_tenants
from undercroft.modules.projects.models import Project
from undercroft.modules.projects.seeds import DEMO_PROJECTS, seed
from undercroft.modules.users import DEMO_EMAIL
from undercroft.modules.users.models import User


async def seed_projects(database: Database) -> Counter[UUID]:
    """Return the number of projects of each team, deleted ones included."""
    async with database.session() as session:
        await seed(session)
    with all_tenants():
        async with database.read_session() as session:
            return Counter((await session.scalars(select(col(Project.team_id)))).all())


async def test_demo_account_gets_its_projects_once(create_user, database: Database) -> None:
    await create_user()
    assert await seed_projects(database) == {}

    demo = await create_user(email=DEMO_EMAIL)
    for _ in range(2):
        assert await seed_projects(database) == {demo.team_id: len(DEMO_PROJECTS)}


async def test_deleted_demo_projects_are_not_created_again(create_user, database: Database) -> None:
    demo = await create_user(email=DEMO_EMAIL)
    await seed_projects(database)
    with all_tenants():
        async with database.session() as session:
            await session.execute(update(Project).values(deleted_at=col(Project.created_at)))
    assert await seed_projects(database) == {demo.team_id: len(DEMO_PROJECTS)}


async def test_demo_projects_need_a_demo_account_that_is_not_deleted(create_user, database: Database) -> None:
    await create_user(email=DEMO_EMAIL)
    async with database.session() as session:
        await session.execute(update(User).values(deleted_at=col(User.created_at)))
    assert await seed_projects(database) == {}
