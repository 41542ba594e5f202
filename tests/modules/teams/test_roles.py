"""Custom roles: permissions, when changes take effect, and protection against privilege escalation."""

import asyncio
from uuid import UUID

import pytest
from httpx2 import AsyncClient
from sqlalchemy import text

from tests.modules.audit.entries import entries
from tests.modules.auth.users import Mailbox, create_registered_user
from tests.modules.teams.requests import (
    PERMISSIONS,
    PROJECTS,
    TEAMS,
    add_member,
    assert_error,
    assert_success,
    list_member_roles,
    make_role,
    make_team,
    team_header,
)
from undercroft.core.auth.permissions import get_builtin_role_permissions, list_permissions
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.core.ids import new_id
from undercroft.modules.teams.models import TeamRole
from undercroft.testing.statements import StatementRecorder


@pytest.mark.requires_module("projects")
async def test_custom_role_grants_only_its_permissions(app: Api, create_user) -> None:
    owner, user = await create_user(), await create_user()
    team = await make_team(owner.client)
    await make_role(owner.client, team, "writer", "projects:read", "projects:write")
    await add_member(app, team, user, "member")
    address = f"{TEAMS}/{team['id']}/members/{user.user_id}"
    assert_success(await owner.client.patch(address, json={"role": "writer"}))
    assert (await user.client.post(PROJECTS, json={"name": "x"}, headers=team_header(team))).status_code == 201
    assert_error(await user.client.get(f"{TEAMS}/{team['id']}"), 403, "PERMISSION_DENIED")
    assert_error(await user.client.get(f"{TEAMS}/{team['id']}/members"), 403, "PERMISSION_DENIED")


@pytest.mark.requires_module("projects")
async def test_permission_change_of_a_role_applies_to_the_next_request(app: Api, create_user) -> None:
    owner, user = await create_user(), await create_user()
    team = await make_team(owner.client)
    role = await make_role(owner.client, team, "writer", "projects:read", "projects:write")
    await add_member(app, team, user, "writer")
    address = f"{TEAMS}/{team['id']}/roles/{role['id']}"
    for permissions, status in ((["projects:read"], 403), (["projects:read", "projects:write"], 201), ([], 403)):
        assert_success(await owner.client.patch(address, json={"permissions": permissions}))
        response = await user.client.post(PROJECTS, json={"name": "x"}, headers=team_header(team))
        assert response.status_code == status, permissions
    assert_error(await user.client.get(PROJECTS, headers=team_header(team)), 403, "PERMISSION_DENIED")


async def test_custom_role_needs_no_additional_statement(app: Api, create_user, statements: StatementRecorder) -> None:
    owner, user = await create_user(), await create_user()
    team = await make_team(owner.client)
    await make_role(owner.client, team, "reader", "teams:read")
    await add_member(app, team, user, "reader")
    await statements.clear()
    assert (await user.client.get("/api/v1/app/users/me", headers=team_header(team))).status_code == 200
    assert len(await statements.get_all()) == 1, str(statements)


async def test_custom_role_is_unknown_in_another_team(app: Api, create_user) -> None:
    owner, user = await create_user(), await create_user()
    team, other_team = await make_team(owner.client), await make_team(owner.client)
    await make_role(owner.client, team, "writer", "teams:read")
    await add_member(app, other_team, user, "writer")
    assert_error(await user.client.get(PERMISSIONS, headers=team_header(other_team)), 403, "PERMISSION_DENIED")
    address = f"{TEAMS}/{other_team['id']}/members/{user.user_id}"
    assert_error(await owner.client.patch(address, json={"role": "writer"}), 422, "UNKNOWN_ROLE")


async def test_custom_role_does_not_allow_privilege_escalation(app: Api, create_user) -> None:
    """The admin tries roles with more permissions, more permissions for the own role, and assigning a stronger role."""
    owner, admin, member = await create_user(), await create_user(), await create_user()
    team = await make_team(owner.client)
    await add_member(app, team, admin, TeamRole.ADMIN)
    await add_member(app, team, member, TeamRole.MEMBER)
    roles, members = f"{TEAMS}/{team['id']}/roles", f"{TEAMS}/{team['id']}/members"
    strong = await make_role(owner.client, team, "strong", "teams:delete", "teams:read")
    weak = await make_role(admin.client, team, "weak", "teams:read", "roles:write")
    for response in (
        await admin.client.post(roles, json={"name": "x", "permissions": ["teams:delete"]}),
        await admin.client.patch(f"{roles}/{weak['id']}", json={"permissions": ["teams:delete"]}),
        await admin.client.patch(f"{roles}/{strong['id']}", json={"permissions": []}),
        await admin.client.delete(f"{roles}/{strong['id']}"),
        await admin.client.patch(f"{members}/{admin.user_id}", json={"role": "strong"}),
        await admin.client.patch(f"{members}/{member.user_id}", json={"role": "strong"}),
        await admin.client.patch(f"{members}/{member.user_id}", json={"role": "owner"}),
        await admin.client.post(f"{TEAMS}/{team['id']}/invitations", json={"email": "a@b.example", "role": "strong"}),
        await admin.client.post(f"{TEAMS}/{team['id']}/invitations", json={"email": "a@b.example", "role": "owner"}),
    ):
        assert_error(response, 403, "PERMISSION_DENIED")
    assert_success(await owner.client.patch(f"{members}/{admin.user_id}", json={"role": "weak"}))
    assert_error(
        await admin.client.patch(f"{roles}/{weak['id']}", json={"permissions": ["members:write"]}),
        403,
        "PERMISSION_DENIED",
    )


async def test_member_cannot_change_a_member_with_more_permissions(app: Api, create_user) -> None:
    owner, manager, admin = await create_user(), await create_user(), await create_user()
    team = await make_team(owner.client)
    await make_role(owner.client, team, "manager", "teams:read", "members:write")
    await add_member(app, team, manager, "manager")
    await add_member(app, team, admin, TeamRole.ADMIN)
    members = f"{TEAMS}/{team['id']}/members"
    for user in (admin, owner):
        assert_error(
            await manager.client.patch(f"{members}/{user.user_id}", json={"role": "viewer"}), 403, "PERMISSION_DENIED"
        )
        assert_error(await manager.client.delete(f"{members}/{user.user_id}"), 403, "PERMISSION_DENIED")


async def test_member_with_a_missing_role_has_no_permissions_and_can_be_removed(app: Api, create_user) -> None:
    owner, user = await create_user(), await create_user()
    team = await make_team(owner.client)
    await add_member(app, team, user, "deleted")
    assert_error(await user.client.get(PERMISSIONS, headers=team_header(team)), 403, "PERMISSION_DENIED")
    assert_success(await owner.client.delete(f"{TEAMS}/{team['id']}/members/{user.user_id}"))


@pytest.mark.parametrize("name", ["owners:write", "things:never", "", "projects"])
async def test_unknown_or_reserved_permission_is_refused(user: AsyncClient, name: str) -> None:
    team = await make_team(user)
    body = {"name": "x", "permissions": [name, "teams:read"]}
    response = await user.post(f"{TEAMS}/{team['id']}/roles", json=body)
    assert_error(response, 422, "UNKNOWN_PERMISSION")
    assert response.json()["error"]["details"]["permissions"] == [name]


async def test_permission_that_no_longer_exists_grants_nothing_and_is_hidden(app: Api, create_user) -> None:
    owner, user = await create_user(), await create_user()
    team = await make_team(owner.client)
    role = await make_role(owner.client, team, "reader", "teams:read")
    await add_member(app, team, user, "reader")
    async with app.context.get(Database).session() as session:
        changed = text("UPDATE team_roles SET permissions = ARRAY['ghosts:read', 'owners:write', 'teams:read']")
        await session.execute(changed)
    assert (await user.client.get(PERMISSIONS, headers=team_header(team))).status_code == 200
    assert_error(await user.client.post(f"{TEAMS}/{team['id']}/transfer", json={}), 403, "PERMISSION_DENIED")
    (shown,) = assert_success(await owner.client.get(f"{TEAMS}/{team['id']}/roles"))
    assert shown["permissions"] == ["teams:read"]
    assert_success(await owner.client.patch(f"{TEAMS}/{team['id']}/roles/{role['id']}", json={"description": "Reads"}))


@pytest.mark.parametrize("name", ["owner", "admin", "member", "viewer", "taken"])
async def test_duplicate_or_built_in_role_name_is_refused(user: AsyncClient, name: str) -> None:
    team = await make_team(user)
    roles = f"{TEAMS}/{team['id']}/roles"
    await make_role(user, team, "taken")
    other = await make_role(user, team, "other")
    assert_error(await user.post(roles, json={"name": name, "permissions": []}), 409, "ROLE_TAKEN")
    assert_error(await user.patch(f"{roles}/{other['id']}", json={"name": name}), 409, "ROLE_TAKEN")


async def test_concurrent_creations_with_one_name_create_one_role(user: AsyncClient) -> None:
    team = await make_team(user)
    body = {"name": "same", "permissions": []}
    responses = await asyncio.gather(*(user.post(f"{TEAMS}/{team['id']}/roles", json=body) for _ in range(5)))
    assert sorted(response.status_code for response in responses) == [201, 409, 409, 409, 409]


async def test_members_retain_a_renamed_role(app: Api, create_user) -> None:
    owner, user = await create_user(), await create_user()
    team = await make_team(owner.client)
    role = await make_role(owner.client, team, "reader", "teams:read")
    await add_member(app, team, user, "reader")
    assert_success(await owner.client.patch(f"{TEAMS}/{team['id']}/roles/{role['id']}", json={"name": "watcher"}))
    assert (await list_member_roles(owner.client, team))[user.email] == "watcher"
    assert (await user.client.get(PERMISSIONS, headers=team_header(team))).status_code == 200


async def test_users_of_a_domain_get_a_renamed_role(client: AsyncClient, mailbox: Mailbox) -> None:
    owner, other = [
        await create_registered_user(client, mailbox, f"{new_id().hex[-12:]}@{name}.example") for name in ("one", "two")
    ]
    teams = []
    for each, domain in ((owner, "one.example"), (other, "two.example")):
        team = (await each.send("POST", "/app/teams", {"name": "Acme"})).json()["id"]
        made = await each.send("POST", f"/app/teams/{team}/roles", {"name": "reader", "permissions": ["teams:read"]})
        claim = {"auto_join_domains": [domain], "auto_join_role": "reader"}
        assert_success(await each.send("PATCH", f"/app/teams/{team}", claim))
        teams.append((each, team, made.json()["id"]))
    (_, team, role), (_, other_team, _) = teams
    assert_success(await owner.send("PATCH", f"/app/teams/{team}/roles/{role}", {"name": "watcher"}))
    assert (await owner.get(f"/app/teams/{team}")).json()["auto_join_role"] == "watcher"
    assert (await other.get(f"/app/teams/{other_team}")).json()["auto_join_role"] == "reader"


async def test_unchanged_role_or_membership_is_not_audited(app: Api, create_user, database: Database) -> None:
    owner, user = await create_user(), await create_user()
    team = await make_team(owner.client)
    role = await make_role(owner.client, team, "reader", "teams:read")
    await add_member(app, team, user, "reader")
    path = f"{TEAMS}/{team['id']}"
    same = {"name": "reader", "permissions": ["teams:read"]}
    assert assert_success(await owner.client.patch(f"{path}/roles/{role['id']}", json=same))["name"] == "reader"
    assert_success(await owner.client.patch(f"{path}/members/{user.user_id}", json={"role": "reader"}))
    assert_success(await owner.client.post(f"{path}/transfer", json={"user_id": str(owner.user_id)}))
    assert await list_member_roles(owner.client, team) == {owner.email: "owner", user.email: "reader"}
    changes = [entry["action"] for entry in await entries(database) if entry["team_id"] == UUID(team["id"])]
    assert changes == ["team.created", "role.created"]


async def test_deleting_a_role_in_use_is_refused_with_the_counts(app: Api, create_user) -> None:
    owner = await create_user()
    team = await make_team(owner.client)
    role = await make_role(owner.client, team, "reader", "teams:read")
    users = [await create_user() for _ in range(2)]
    for user in users:
        await add_member(app, team, user, "reader")
    body = {"email": "new@example.com", "role": "reader"}
    invitation = assert_success(await owner.client.post(f"{TEAMS}/{team['id']}/invitations", json=body))
    address = f"{TEAMS}/{team['id']}/roles/{role['id']}"
    response = await owner.client.delete(address)
    assert_error(response, 409, "ROLE_IN_USE")
    assert response.json()["error"]["details"] == {"members": 2, "invitations": 1, "auto_join": False}
    for user in users:
        assert_success(await owner.client.delete(f"{TEAMS}/{team['id']}/members/{user.user_id}"))
    assert_success(await owner.client.delete(f"{TEAMS}/{team['id']}/invitations/{invitation['id']}"))
    assert (await owner.client.delete(address)).status_code == 204
    assert_error(await owner.client.delete(address), 404, "ROLE_NOT_FOUND")


async def test_concurrent_deletion_and_assignment_leave_no_member_with_a_missing_role(app: Api, create_user) -> None:
    for _ in range(5):
        owner, user = await create_user(), await create_user()
        team = await make_team(owner.client)
        role = await make_role(owner.client, team, "fleeting")
        await add_member(app, team, user, "member")
        deleted, given = await asyncio.gather(
            owner.client.delete(f"{TEAMS}/{team['id']}/roles/{role['id']}"),
            owner.client.patch(f"{TEAMS}/{team['id']}/members/{user.user_id}", json={"role": "fleeting"}),
        )
        assert (deleted.status_code, given.status_code) in {(204, 422), (409, 204)}


async def test_role_of_another_team_is_not_found(user: AsyncClient, stranger: AsyncClient) -> None:
    own_team, other_team = await make_team(user), await make_team(stranger)
    role = await make_role(stranger, other_team, "secret")
    for path in (f"{TEAMS}/{own_team['id']}/roles/{role['id']}", f"{TEAMS}/{other_team['id']}/roles/{role['id']}"):
        for response in (await user.patch(path, json={"description": "x"}), await user.delete(path)):
            assert response.status_code == 404, path


async def test_permission_matrix_lists_all_permissions_and_roles(user: AsyncClient) -> None:
    team = await make_team(user)
    await make_role(user, team, "reader", "teams:read")
    matrix = assert_success(await user.get(PERMISSIONS, headers=team_header(team)))
    assert [each["name"] for each in matrix["permissions"]] == [each.name for each in list_permissions()]
    assert all(each["description"] for each in matrix["permissions"])
    assert [each["name"] for each in matrix["permissions"] if not each["grantable"]] == ["owners:write"]
    roles = {role["name"]: role for role in matrix["roles"]}
    assert list(roles) == ["owner", "admin", "member", "viewer", "reader"]
    for role in TeamRole:
        assert roles[role]["permissions"] == sorted(get_builtin_role_permissions(role))
    assert roles["reader"]["permissions"] == ["teams:read"]
    assert assert_success(await user.get(PERMISSIONS))["roles"][-1]["name"] == "viewer"
