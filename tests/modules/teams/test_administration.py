"""Admin routes of teams."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import pytest
from httpx2 import AsyncClient
from sqlalchemy import delete
from sqlmodel import col

from tests.modules.audit.entries import entries
from tests.modules.teams import requests
from tests.modules.teams.requests import PROJECTS, assert_error, make_team, team_header
from undercroft.core.db import Database
from undercroft.modules.teams import Membership
from undercroft.testing.statements import StatementRecorder
from undercroft.testing.users import SignedInUser

CreateUser = Callable[..., Awaitable[SignedInUser]]

TEAMS = "/api/v1/admin/teams"


async def test_administrator_lists_teams_of_all_users(create_user: CreateUser, admin: AsyncClient) -> None:
    user = await create_user()
    created = [await make_team(user.client, name=f"Otters {number}") for number in range(3)]
    page = (await admin.get(TEAMS, params={"q": "OTTERS", "sort": "name", "size": 2})).json()
    assert [each["name"] for each in page["items"]] == ["Otters 0", "Otters 1"]
    assert (page["total"], page["items"][0]["members"]) == (3, 1)
    personal = (await admin.get(TEAMS, params={"is_personal": "true"})).json()["items"]
    assert str(user.user_id) in [each["personal_user_id"] for each in personal]
    first = (await admin.get(TEAMS, params={"limit": 2, "is_personal": "false"})).json()
    second = (await admin.get(TEAMS, params={"cursor": first["next_cursor"], "is_personal": "false"})).json()
    assert {each["id"] for each in first["items"] + second["items"]} == {each["id"] for each in created}
    read = (await admin.get(f"{TEAMS}/{created[0]['id']}")).json()
    assert read == page["items"][0]
    members = (await admin.get(f"{TEAMS}/{created[0]['id']}/members")).json()["items"]
    assert [(each["email"], each["role"]) for each in members] == [(user.email, "owner")]


async def test_team_without_members_has_the_count_zero(
    create_user: CreateUser, admin: AsyncClient, database: Database
) -> None:
    user = await create_user()
    empty, other = await make_team(user.client, name="Empty"), await make_team(user.client, name="Other")
    async with database.session() as session:
        await session.execute(delete(Membership).where(col(Membership.team_id) == UUID(empty["id"])))
    listed = (await admin.get(TEAMS, params={"is_personal": "false"})).json()["items"]
    assert {each["id"]: each["members"] for each in listed} == {empty["id"]: 0, other["id"]: 1}
    assert (await admin.get(f"{TEAMS}/{empty['id']}")).json()["members"] == 0


async def test_list_statement_count_is_independent_of_its_length(
    user: AsyncClient, admin: AsyncClient, statements: StatementRecorder
) -> None:
    counts = []
    for _ in range(2):
        await make_team(user)
        await statements.clear()
        assert (await admin.get(TEAMS)).status_code == 200
        counts.append(len(await statements.get_all()))
    assert counts[0] == counts[1]


@pytest.mark.requires_module("projects")
async def test_deleted_team_is_inaccessible_until_restored(user: AsyncClient, admin: AsyncClient) -> None:
    team = await make_team(user, slug="the-one")
    headers = team_header(team)
    await user.post(PROJECTS, json={"name": "Website"}, headers=headers)
    for _ in range(2):
        assert (await admin.delete(f"{TEAMS}/{team['id']}")).status_code == 204
    assert (await user.get(PROJECTS, headers=headers)).status_code == 404
    assert (await admin.get(TEAMS, params={"q": "the-one"})).json()["total"] == 0
    deleted = (await admin.get(TEAMS, params={"q": "the-one", "is_deleted": "true"})).json()["items"]
    assert deleted[0]["deleted_at"] is not None
    other = await make_team(user, slug="the-one")
    restored = (await admin.post(f"{TEAMS}/{team['id']}/restore")).json()
    assert restored["deleted_at"] is None
    assert restored["slug"].startswith("the-one-")
    assert (await user.get(PROJECTS, headers=headers)).json()["total"] == 1
    assert (await admin.get(f"{TEAMS}/{other['id']}")).json()["slug"] == "the-one"


async def test_personal_team_cannot_be_deleted_and_unknown_team_is_not_found(
    create_user: CreateUser, admin: AsyncClient
) -> None:
    user = await create_user()
    assert_error(await admin.delete(f"{TEAMS}/{user.team_id}"), 409, "PERSONAL_TEAM")
    for method, path in (("GET", ""), ("GET", "/members"), ("DELETE", ""), ("POST", "/restore")):
        assert_error(await admin.request(method, f"{TEAMS}/{uuid4()}{path}"), 404, "TEAM_NOT_FOUND")


async def test_access_requires_an_administrator(user: AsyncClient, client: AsyncClient) -> None:
    team = (await make_team(user))["id"]
    for method, path in (("GET", ""), ("GET", f"/{team}"), ("DELETE", f"/{team}"), ("POST", f"/{team}/restore")):
        assert (await user.request(method, TEAMS + path)).status_code == 403
        assert (await client.request(method, TEAMS + path)).status_code == 401


async def test_concurrent_changes_are_audited_once(user: AsyncClient, admin: AsyncClient, database: Database) -> None:
    path = f"{TEAMS}/{(await make_team(user))['id']}"
    await asyncio.gather(*(admin.delete(path) for _ in range(5)))
    await asyncio.gather(*(admin.post(f"{path}/restore") for _ in range(5)))
    written = [entry["action"] for entry in await entries(database) if entry["target_type"] == "team"]
    assert written == ["team.created", "team.deleted", "team.restored"]


async def test_team_list_is_filtered_and_paginated(user: AsyncClient, admin: AsyncClient) -> None:
    active = [await make_team(user, name=f"Otters {number}") for number in range(3)]
    deleted = await make_team(user, name="Otters deleted")
    assert (await admin.delete(f"{TEAMS}/{deleted['id']}")).status_code == 204

    async def list_ids(**params: object) -> list[str]:
        response = await admin.get(TEAMS, params={"q": "otters", "sort": "name", **params})
        assert response.status_code == 200, response.text
        return [each["id"] for each in response.json()["items"]]

    ids = [each["id"] for each in active]
    assert await list_ids() == ids
    assert await list_ids(is_deleted="true") == [deleted["id"]]
    assert await list_ids(is_personal="true") == []
    assert await list_ids(size=2, page=2) == ids[2:]
    assert await list_ids(size=2, page=3) == []
    assert (await admin.get(TEAMS, params={"q": "otters", "size": 2, "page": 2})).json()["total"] == 3


async def test_team_list_is_filtered_by_member(create_user: CreateUser, admin: AsyncClient) -> None:
    ada, bob = await create_user(), await create_user()
    team = await make_team(ada.client, name="Otters")
    response = await admin.get(TEAMS, params={"member_id": str(ada.user_id)})
    assert {each["id"] for each in response.json()["items"]} == {team["id"], str(ada.team_id)}
    (own,) = (await admin.get(TEAMS, params={"member_id": str(bob.user_id)})).json()["items"]
    assert own["id"] == str(bob.team_id)
    assert (await admin.get(TEAMS, params={"member_id": "x"})).status_code == 422


async def test_members_of_one_team_are_counted_and_paginated(
    create_user: CreateUser, admin: AsyncClient, database: Database
) -> None:
    owner, *others = [await create_user() for _ in range(3)]
    team, other_team = await make_team(owner.client), await make_team(owner.client)
    async with database.session() as session:
        for user in others:
            session.add(Membership(team_id=team["id"], user_id=user.user_id, role="member"))
    assert (await admin.get(f"{TEAMS}/{team['id']}")).json()["members"] == 3
    assert (await admin.get(f"{TEAMS}/{other_team['id']}")).json()["members"] == 1
    pages = [
        (await admin.get(f"{TEAMS}/{team['id']}/members", params={"size": 2, "page": page})).json() for page in (1, 2)
    ]
    emails = [each["email"] for page in pages for each in page["items"]]
    assert emails == [owner.email, *(user.email for user in others)]
    assert {page["total"] for page in pages} == {3}


async def test_deleting_a_team_leaves_the_others(user: AsyncClient, admin: AsyncClient) -> None:
    team, other_team = await make_team(user), await make_team(user)
    assert (await admin.delete(f"{TEAMS}/{team['id']}")).status_code == 204
    assert (await admin.get(f"{TEAMS}/{other_team['id']}")).json()["deleted_at"] is None
    assert (await user.get(f"{requests.TEAMS}/{other_team['id']}")).status_code == 200
    first = (await admin.get(f"{TEAMS}/{team['id']}")).json()["deleted_at"]
    assert (await admin.delete(f"{TEAMS}/{team['id']}")).status_code == 204
    assert (await admin.get(f"{TEAMS}/{team['id']}")).json()["deleted_at"] == first


async def test_team_without_an_owner_is_not_restored(user: AsyncClient, admin: AsyncClient, database: Database) -> None:
    team, other_team = await make_team(user), await make_team(user)
    assert (await admin.delete(f"{TEAMS}/{team['id']}")).status_code == 204
    async with database.session() as session:
        await session.execute(delete(Membership).where(col(Membership.team_id) == team["id"]))
    assert_error(await admin.post(f"{TEAMS}/{team['id']}/restore"), 409, "TEAM_WITHOUT_OWNER")
    assert (await admin.post(f"{TEAMS}/{other_team['id']}/restore")).json()["members"] == 1
