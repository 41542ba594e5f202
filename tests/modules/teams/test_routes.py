"""Routes of teams for members and nonmembers."""

import asyncio

import pytest
from httpx2 import AsyncClient

from tests.core.db.row_locks import count, holding_locks
from tests.modules.teams.requests import PERMISSIONS, PROJECTS, TEAMS, add_member, assert_error, make_team, team_header
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.modules.teams.models import TeamRole


async def test_new_user_has_a_personal_team(create_user) -> None:
    user = await create_user()
    (team,) = (await user.client.get(TEAMS)).json()["items"]
    assert (team["id"], team["is_personal"], team["role"]) == (str(user.team_id), True, "owner")


async def test_creation_of_a_team_waits_for_a_concurrent_change_of_its_owner(create_user, database: Database) -> None:
    """Otherwise a user whose account is being deleted could get another team."""
    user = await create_user()
    async with holding_locks(database, "SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE", user.user_id) as blocked:
        await blocked.send(user.client.post(TEAMS, json={"name": "Acme"}))
        await blocked.execute("UPDATE users SET deleted_at = now() WHERE id = $1", user.user_id)
    assert (await blocked.requests[0]).status_code in (401, 404)
    assert await count(database, "SELECT count(*) FROM teams WHERE personal_user_id IS NULL") == 0


@pytest.mark.requires_module("projects")
async def test_creator_owns_the_team_and_selects_it_by_header(user: AsyncClient) -> None:
    team = await make_team(user)
    assert (team["role"], team["slug"], team["is_personal"]) == ("owner", "acme", False)
    headers = team_header(team)
    created = (await user.post(PROJECTS, json={"name": "Shared"}, headers=headers)).json()
    assert created["team_id"] == team["id"]
    assert (await user.get(PROJECTS)).json()["total"] == 0
    assert (await user.get(PROJECTS, headers=headers)).json()["total"] == 1


async def test_generated_slug_gets_a_suffix_when_taken(user: AsyncClient) -> None:
    first, second = await make_team(user), await make_team(user)
    assert first["slug"] == "acme"
    assert second["slug"].startswith("acme-")


async def test_requested_slug_is_assigned_once_for_concurrent_requests(create_user) -> None:
    users = [await create_user() for _ in range(5)]
    body = {"name": "Acme", "slug": "the-one"}
    responses = await asyncio.gather(*(user.client.post(TEAMS, json=body) for user in users))
    assert sorted(response.status_code for response in responses) == [201, 409, 409, 409, 409]
    assert_error(next(response for response in responses if response.status_code == 409), 409, "SLUG_TAKEN")


@pytest.mark.parametrize(
    "body",
    [{}, {"name": ""}, {"name": "x" * 101}, {"name": "a\nb"}, {"name": "fine", "slug": "No Spaces"}, {"slug": "a"}],
    ids=str,
)
async def test_invalid_team_is_refused(user: AsyncClient, body: dict) -> None:
    assert_error(await user.post(TEAMS, json=body), 422, "VALIDATION_ERROR")


async def test_team_is_not_found_for_nonmembers(user: AsyncClient, stranger: AsyncClient) -> None:
    team = await make_team(user)
    address = f"{TEAMS}/{team['id']}"
    member = f"{address}/members/{team['id']}"
    for response in (
        await stranger.get(address),
        await stranger.patch(address, json={"name": "Stolen"}),
        await stranger.delete(address),
        await stranger.get(f"{address}/members"),
        await stranger.patch(member, json={"role": "owner"}),
        await stranger.delete(member),
        await stranger.get(PERMISSIONS, headers={"X-Team-ID": team["id"]}),
    ):
        assert_error(response, 404, "TEAM_NOT_FOUND")


@pytest.mark.parametrize("named", ["nonsense", "00000000-0000-0000-0000-000000000000", "", "\x7f", "é"])
async def test_malformed_team_id_is_not_found(user: AsyncClient, named: str) -> None:
    assert_error(await user.get(PERMISSIONS, headers={"X-Team-ID": named.encode()}), 404, "TEAM_NOT_FOUND")


@pytest.mark.requires_module("projects")
async def test_built_in_roles_have_their_permissions(app: Api, create_user) -> None:
    owner = await create_user()
    team = await make_team(owner.client)
    address = f"{TEAMS}/{team['id']}"
    headers = team_header(team)
    for role, may_write, may_rename, may_delete in (
        (TeamRole.VIEWER, 403, 403, 403),
        (TeamRole.MEMBER, 201, 403, 403),
        (TeamRole.ADMIN, 201, 200, 403),
    ):
        user = await create_user()
        await add_member(app, team, user, role)
        assert (await user.client.get(PROJECTS, headers=headers)).status_code == 200
        assert (await user.client.post(PROJECTS, json={"name": "x"}, headers=headers)).status_code == may_write
        assert (await user.client.patch(address, json={"name": "New"})).status_code == may_rename
        assert (await user.client.delete(address)).status_code == may_delete


@pytest.mark.requires_module("projects")
async def test_role_change_applies_to_the_next_request(app: Api, create_user) -> None:
    owner, member = await create_user(), await create_user()
    team = await make_team(owner.client)
    await add_member(app, team, member, TeamRole.MEMBER)
    headers = team_header(team)
    assert (await member.client.post(PROJECTS, json={"name": "x"}, headers=headers)).status_code == 201
    address = f"{TEAMS}/{team['id']}/members/{member.user_id}"
    assert (await owner.client.patch(address, json={"role": "viewer"})).status_code == 204
    assert (await member.client.post(PROJECTS, json={"name": "x"}, headers=headers)).status_code == 403
    assert (await owner.client.delete(address)).status_code == 204
    assert_error(await member.client.get(PROJECTS, headers=headers), 404, "TEAM_NOT_FOUND")


async def test_admin_cannot_promote_or_demote_owners(app: Api, create_user) -> None:
    owner, admin = await create_user(), await create_user()
    team = await make_team(owner.client)
    await add_member(app, team, admin, TeamRole.ADMIN)
    members = f"{TEAMS}/{team['id']}/members"
    for response in (
        await admin.client.patch(f"{members}/{admin.user_id}", json={"role": "owner"}),
        await admin.client.patch(f"{members}/{owner.user_id}", json={"role": "viewer"}),
        await admin.client.delete(f"{members}/{owner.user_id}"),
    ):
        assert_error(response, 403, "PERMISSION_DENIED")


async def test_last_owner_cannot_leave_or_be_demoted(user: AsyncClient) -> None:
    team = await make_team(user)
    user_id = (await user.get("/api/v1/app/users/me")).json()["id"]
    path = f"{TEAMS}/{team['id']}/members/{user_id}"
    assert_error(await user.delete(path), 409, "LAST_OWNER")
    assert_error(await user.patch(path, json={"role": "viewer"}), 409, "LAST_OWNER")


async def test_one_owner_remains_when_two_leave_concurrently(app: Api, create_user) -> None:
    for _ in range(5):
        one, other = await create_user(), await create_user()
        team = await make_team(one.client)
        await add_member(app, team, other, TeamRole.OWNER)
        members = f"{TEAMS}/{team['id']}/members"
        responses = await asyncio.gather(
            one.client.delete(f"{members}/{one.user_id}"), other.client.delete(f"{members}/{other.user_id}")
        )
        assert sorted(response.status_code for response in responses) == [204, 409]


async def test_personal_team_cannot_be_deleted_or_left(create_user) -> None:
    user = await create_user()
    address = f"{TEAMS}/{user.team_id}"
    assert_error(await user.client.delete(address), 409, "PERSONAL_TEAM")
    assert_error(await user.client.delete(f"{address}/members/{user.user_id}"), 409, "PERSONAL_TEAM")


@pytest.mark.requires_module("projects")
async def test_deleted_team_is_not_found_with_its_data(user: AsyncClient) -> None:
    team = await make_team(user)
    headers = team_header(team)
    await user.post(PROJECTS, json={"name": "x"}, headers=headers)
    assert (await user.delete(f"{TEAMS}/{team['id']}")).status_code == 204
    assert_error(await user.get(f"{TEAMS}/{team['id']}"), 404, "TEAM_NOT_FOUND")
    assert_error(await user.get(PROJECTS, headers=headers), 404, "TEAM_NOT_FOUND")
    assert (await make_team(user))["slug"] == "acme"


async def test_members_are_listed_with_their_roles(app: Api, create_user, statements) -> None:
    owner = await create_user()
    team = await make_team(owner.client)
    for _ in range(3):
        await add_member(app, team, await create_user(), TeamRole.MEMBER)
    await statements.clear()
    response = (await owner.client.get(f"{TEAMS}/{team['id']}/members", params={"size": 3})).json()
    assert statements.count <= 3, str(statements)
    assert (response["total"], response["pages"]) == (4, 2)
    assert [member["role"] for member in response["items"]] == ["owner", "member", "member"]


async def test_update_of_an_outdated_version_is_refused(user: AsyncClient) -> None:
    team = await make_team(user)
    path, outdated = f"{TEAMS}/{team['id']}", {"If-Match": f'"{team["version"]}"'}
    changed = (await user.patch(path, json={"name": "Acme Ltd"}, headers=outdated)).json()
    assert (changed["name"], changed["version"]) == ("Acme Ltd", team["version"] + 1)
    refused = await user.patch(path, json={"name": "Other"}, headers=outdated)
    assert_error(refused, 412, "PRECONDITION_FAILED")
    assert refused.json()["error"]["details"] == {"version": changed["version"]}
    assert (await user.patch(path, json={"slug": "acme-ltd"})).json()["name"] == "Acme Ltd"
