"""Deletion of teams: restore and purge."""

import asyncio
from uuid import UUID

import pytest
from httpx2 import AsyncClient
from sqlalchemy import text

from tests.core.auth.principals import make_principal
from tests.modules.audit.entries import changes_with_texts, entries
from tests.modules.teams.requests import (
    PROJECTS,
    TEAMS,
    add_member,
    assert_error,
    assert_success,
    make_role,
    make_team,
    team_header,
)
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.jobs import enqueue
from undercroft.modules.teams import TeamRepository
from undercroft.modules.teams.errors import TeamRoleTooWeak
from undercroft.modules.teams.models import TeamRole
from undercroft.modules.teams.service.teams import TeamService, restorable_since
from undercroft.modules.teams.tasks import clean_up
from undercroft.testing.jobs import CapturedJobs


async def backdate_deletion(app: Api, team: dict, days: int) -> None:
    async with app.context.get(Database).session() as session:
        changed = text(f"UPDATE teams SET deleted_at = now() - interval '{days} days' WHERE id = :id")
        await session.execute(changed, {"id": UUID(team["id"])})


async def run_clean_up(app: Api, jobs: CapturedJobs) -> None:
    async with app.context.get(Database).session() as session:
        await enqueue(session, clean_up)
    await jobs.run_all()


@pytest.mark.requires_module("projects")
async def test_restored_team_has_its_data_again(user: AsyncClient) -> None:
    team = await make_team(user)
    assert_success(await user.post(PROJECTS, json={"name": "x"}, headers=team_header(team)))
    assert_success(await user.delete(f"{TEAMS}/{team['id']}"))
    (listed,) = assert_success(await user.get(TEAMS, params={"deleted": True}))["items"]
    assert (listed["id"], listed["deleted_at"] is not None) == (team["id"], True)
    restored = assert_success(await user.post(f"{TEAMS}/{team['id']}/restore"))
    assert (restored["slug"], restored["role"], restored["deleted_at"]) == ("acme", "owner", None)
    assert assert_success(await user.get(PROJECTS, headers=team_header(team)))["total"] == 1
    assert assert_success(await user.get(TEAMS, params={"deleted": True}))["items"] == []
    assert_error(await user.post(f"{TEAMS}/{team['id']}/restore"), 404, "TEAM_NOT_FOUND")


async def test_restored_team_gets_a_new_slug_when_its_own_was_taken(user: AsyncClient) -> None:
    team = await make_team(user, slug="the-one")
    assert_success(await user.delete(f"{TEAMS}/{team['id']}"))
    await make_team(user, slug="the-one")
    restored = assert_success(await user.post(f"{TEAMS}/{team['id']}/restore"))
    assert restored["slug"].startswith("the-one-")


async def test_restore_requires_the_permission_to_delete(app: Api, create_user) -> None:
    owner, admin, restorer, stranger = [await create_user() for _ in range(4)]
    team = await make_team(owner.client)
    await make_role(owner.client, team, "restorer", "teams:delete")
    await add_member(app, team, admin, TeamRole.ADMIN)
    await add_member(app, team, restorer, "restorer")
    assert_success(await owner.client.delete(f"{TEAMS}/{team['id']}"))
    assert_error(await admin.client.post(f"{TEAMS}/{team['id']}/restore"), 403, "PERMISSION_DENIED")
    assert_error(await stranger.client.post(f"{TEAMS}/{team['id']}/restore"), 404, "TEAM_NOT_FOUND")
    assert_success(await restorer.client.post(f"{TEAMS}/{team['id']}/restore"))


async def test_permission_to_restore_is_checked_again_under_the_lock(app: Api, create_user) -> None:
    owner, member = await create_user(), await create_user()
    team = await make_team(owner.client)
    await add_member(app, team, member, TeamRole.ADMIN)
    assert_success(await owner.client.delete(f"{TEAMS}/{team['id']}"))
    principal = make_principal(user_id_or_none=member.user_id)
    with pytest.raises(TeamRoleTooWeak):
        async with app.context.get(Database).session() as session:
            await TeamService(session, principal).restore(UUID(team["id"]))
    (listed,) = assert_success(await owner.client.get(TEAMS, params={"deleted": True}))["items"]
    assert listed["id"] == team["id"]


@pytest.mark.requires_module("projects")
async def test_deleted_team_is_not_restorable_after_thirty_days_and_then_purged(
    app: Api, user: AsyncClient, jobs: CapturedJobs
) -> None:
    recent, old = await make_team(user), await make_team(user)
    assert_success(await user.post(PROJECTS, json={"name": "x"}, headers=team_header(old)))
    for team, days in ((recent, 29), (old, 31)):
        assert_success(await user.delete(f"{TEAMS}/{team['id']}"))
        await backdate_deletion(app, team, days)
    assert_error(await user.post(f"{TEAMS}/{old['id']}/restore"), 404, "TEAM_NOT_FOUND")
    listed = assert_success(await user.get(TEAMS, params={"deleted": True}))
    assert ([each["id"] for each in listed["items"]], listed["total"]) == ([recent["id"]], 1)
    async with app.context.get(Database).read_session() as session:
        assert list(await TeamRepository(session).deleted_before(restorable_since(), 10)) == [UUID(old["id"])]
    await run_clean_up(app, jobs)
    async with app.context.get(Database).session() as session:
        raw = await session.raw()
        assert await raw.fetchval("SELECT count(*) FROM teams WHERE id = $1", UUID(old["id"])) == 0
        assert await raw.fetchval("SELECT count(*) FROM projects") == 0
        entry = await raw.fetchrow("SELECT * FROM audit_entries WHERE action = 'team.purged'")
    assert str(entry["target_id"]) == old["id"]
    assert_success(await user.post(f"{TEAMS}/{recent['id']}/restore"))


async def test_concurrent_restores_restore_the_team_once(app: Api, user: AsyncClient) -> None:
    team = await make_team(user)
    assert_success(await user.delete(f"{TEAMS}/{team['id']}"))
    responses = await asyncio.gather(*(user.post(f"{TEAMS}/{team['id']}/restore") for _ in range(5)))
    assert sorted(response.status_code for response in responses) == [200, 404, 404, 404, 404]
    async with app.context.get(Database).session() as session:
        count = await (await session.raw()).fetchval(
            "SELECT count(*) FROM audit_entries WHERE action = 'team.restored'"
        )
    assert count == 1


async def test_team_changes_are_audited_with_before_and_after(app: Api, user: AsyncClient, create_user) -> None:
    team = await make_team(user, slug="the-one")
    assert_success(await user.delete(f"{TEAMS}/{team['id']}"))
    await make_team((await create_user()).client, slug="the-one")
    slug = assert_success(await user.post(f"{TEAMS}/{team['id']}/restore"))["slug"]
    rows = [row for row in await entries(app.context.get(Database)) if str(row["target_id"]) == team["id"]][1:]
    assert [(row["action"], *await changes_with_texts(app.context.get(Database), row)) for row in rows] == [
        ("team.deleted", {"deleted": False}, {"deleted": True}),
        ("team.restored", {"deleted": True, "slug": "the-one"}, {"deleted": False, "slug": slug}),
    ]


async def test_update_without_changes_records_no_audit_entry(app: Api, user: AsyncClient) -> None:
    team = await make_team(user)
    assert_success(await user.patch(f"{TEAMS}/{team['id']}", json={"name": "Acme", "slug": "acme"}))
    assert_success(await user.patch(f"{TEAMS}/{team['id']}", json={"name": "Acme Ltd"}))
    rows = [row for row in await entries(app.context.get(Database)) if row["team_id"] is not None]
    assert [row["action"] for row in rows] == ["team.created", "team.changed"]
    assert await changes_with_texts(app.context.get(Database), rows[1]) == ({"name": "Acme"}, {"name": "Acme Ltd"})
