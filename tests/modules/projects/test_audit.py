"""A project is stored together with its audit entry, in one statement."""

import pytest
from httpx2 import AsyncClient

from tests.factories import insert_user
from tests.modules.audit.entries import entries, personal_rows
from tests.projects import ProjectRepository, project_row
from undercroft.core.audit import Entry
from undercroft.core.db import Database
from undercroft.core.db.errors import UnstorableValue
from undercroft.core.db.tenancy import tenant
from undercroft.core.ids import new_id
from undercroft.testing.statements import StatementRecorder

WEBSITE = {"name": "Website", "description": "The new one.", "status": "active"}


async def test_failed_entry_rolls_back_the_change(user: AsyncClient, database: Database) -> None:
    owner = await insert_user(database)
    bad = Entry("project.created", target_id=new_id(), details={"value": "a\0b"})
    with tenant(owner.team_id):
        with pytest.raises(UnstorableValue):
            async with database.session() as session:
                await ProjectRepository(session, owner.team_id).insert(project_row(owner), bad)
        async with database.read_session() as session:
            assert await ProjectRepository(session, owner.team_id).count() == 0


async def test_project_and_its_entry_are_created_in_one_statement(
    user: AsyncClient, database: Database, statements: StatementRecorder, rls_enabled: bool
) -> None:
    await user.post("/api/v1/app/projects", json=WEBSITE)
    await statements.clear()
    await user.post("/api/v1/app/projects", json=WEBSITE)
    assert len(await statements.get_all()) == 2 + 2 * rls_enabled, str(statements)
    first, second = await entries(database, action="project.created")
    assert first["after"] == second["after"] == {**WEBSITE, "name": "[personal]", "description": "[personal]"}
    assert first["target_id"] != second["target_id"]
    texts, origin = await personal_rows(database, second)
    assert texts["values"] == {"after": {"name": "Website", "description": "The new one."}}
    assert (texts["person_id"], origin["person_id"]) == (second["team_id"], second["user_id"])
