"""Members: transfer, leaving, account deletion, and concurrent changes."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from httpx2 import AsyncClient, Response

from tests.jobs.processes import wait_until
from tests.modules.auth.users import Mailbox, RegisteredUser, create_registered_user, make_client
from tests.modules.teams.requests import (
    TEAMS,
    add_member,
    assert_error,
    assert_success,
    invite_and_get_token,
    list_member_roles,
    make_role,
    make_team,
    team_header,
)
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.modules.teams import TeamRepository
from undercroft.modules.teams.models import TeamRole
from undercroft.testing.jobs import CapturedJobs
from undercroft.testing.users import SignedInUser

ME = "/app/users/me"


async def transfer(owner: SignedInUser, team: dict, to: SignedInUser) -> Response:
    return await owner.client.post(f"{TEAMS}/{team['id']}/transfer", json={"user_id": str(to.user_id)})


async def test_transfer_makes_the_former_owner_an_admin(app: Api, create_user) -> None:
    owner, new_owner = await create_user(), await create_user()
    team = await make_team(owner.client)
    await add_member(app, team, new_owner, "viewer")
    assert (await transfer(owner, team, new_owner)).status_code == 204
    assert await list_member_roles(owner.client, team) == {owner.email: "admin", new_owner.email: "owner"}
    assert_error(await transfer(owner, team, owner), 403, "PERMISSION_DENIED")
    assert_success(await owner.client.delete(f"{TEAMS}/{team['id']}/members/{owner.user_id}"))


async def test_transfer_requires_an_owner_and_a_member(app: Api, create_user) -> None:
    owner, admin, stranger = await create_user(), await create_user(), await create_user()
    team = await make_team(owner.client)
    await add_member(app, team, admin, TeamRole.ADMIN)
    assert_error(await transfer(owner, team, stranger), 404, "MEMBER_NOT_FOUND")
    assert_error(await transfer(admin, team, admin), 403, "PERMISSION_DENIED")
    assert_error(await transfer(stranger, team, stranger), 404, "TEAM_NOT_FOUND")
    assert_error(
        await owner.client.post(f"{TEAMS}/{owner.team_id}/transfer", json={"user_id": str(owner.user_id)}),
        409,
        "PERSONAL_TEAM",
    )


async def test_concurrent_transfers_leave_one_owner(app: Api, create_user) -> None:
    for _ in range(4):
        owner, *members = [await create_user() for _ in range(4)]
        team = await make_team(owner.client)
        for new_owner in members:
            await add_member(app, team, new_owner, "member")
        responses = await asyncio.gather(*(transfer(owner, team, new_owner) for new_owner in members))
        assert sorted(response.status_code for response in responses) == [204, 403, 403]
        assert sorted((await list_member_roles(owner.client, team)).values()) == ["admin", "member", "member", "owner"]


async def test_concurrent_transfer_and_leave_leave_an_owner(app: Api, create_user) -> None:
    for _ in range(4):
        owner, new_owner = await create_user(), await create_user()
        team = await make_team(owner.client)
        await add_member(app, team, new_owner, "member")
        transferred, left = await asyncio.gather(
            transfer(owner, team, new_owner), owner.client.delete(f"{TEAMS}/{team['id']}/members/{owner.user_id}")
        )
        assert (transferred.status_code, left.status_code) in {(204, 204), (204, 409)}
        assert (await list_member_roles(new_owner.client, team))[new_owner.email] == "owner"


async def test_concurrent_role_change_does_not_prevent_leaving(app: Api, create_user) -> None:
    for _ in range(4):
        owner, user = await create_user(), await create_user()
        team = await make_team(owner.client)
        await add_member(app, team, user, "member")
        address = f"{TEAMS}/{team['id']}/members/{user.user_id}"
        changed, left = await asyncio.gather(
            owner.client.patch(address, json={"role": "admin"}), user.client.delete(address)
        )
        assert left.status_code == 204
        assert changed.status_code in (204, 404)
        assert user.email not in await list_member_roles(owner.client, team)


async def test_one_owner_remains_when_owners_demote_each_other_concurrently(app: Api, create_user) -> None:
    owners = [await create_user() for _ in range(5)]
    team = await make_team(owners[0].client)
    for other in owners[1:]:
        await add_member(app, team, other, TeamRole.OWNER)
    responses = await asyncio.gather(
        *(
            first.client.patch(f"{TEAMS}/{team['id']}/members/{second.user_id}", json={"role": "viewer"})
            for first in owners
            for second in owners
            if first is not second
        )
    )
    assert {response.status_code for response in responses} <= {204, 403, 409}
    assert "owner" in (await list_member_roles(owners[0].client, team)).values()


async def test_permission_lost_while_waiting_for_the_lock_is_not_used(app: Api, create_user) -> None:
    """When two owners remove each other concurrently, one remains and owns the team."""
    for _ in range(5):
        first, second = await create_user(), await create_user()
        team = await make_team(first.client)
        await add_member(app, team, second, TeamRole.OWNER)
        members = f"{TEAMS}/{team['id']}/members"
        responses = await asyncio.gather(
            first.client.delete(f"{members}/{second.user_id}"), second.client.delete(f"{members}/{first.user_id}")
        )
        assert sorted(response.status_code for response in responses) == [204, 404]


async def test_member_can_leave_with_any_role(app: Api, create_user) -> None:
    owner, user = await create_user(), await create_user()
    team = await make_team(owner.client)
    await make_role(owner.client, team, "nothing")
    await add_member(app, team, user, "nothing")
    assert_error(await user.client.delete(f"{TEAMS}/{team['id']}/members/{owner.user_id}"), 403, "PERMISSION_DENIED")
    assert (await user.client.delete(f"{TEAMS}/{team['id']}/members/{user.user_id}")).status_code == 204
    assert_error(await user.client.get(f"{TEAMS}/{team['id']}"), 404, "TEAM_NOT_FOUND")


async def test_team_in_the_path_overrides_the_header(app: Api, create_user) -> None:
    """Permissions in the user's own team do not apply to another team in the path."""
    owner, viewer = await create_user(), await create_user()
    other_team, own = await make_team(owner.client), await make_team(viewer.client)
    await add_member(app, other_team, viewer, TeamRole.VIEWER)
    for headers in ({}, team_header(own), {"X-Team-ID": str(viewer.team_id)}):
        response = await viewer.client.patch(f"{TEAMS}/{other_team['id']}", json={"name": "Mine"}, headers=headers)
        assert_error(response, 403, "PERMISSION_DENIED")
    stranger = await create_user()
    assert_error(
        await stranger.client.get(f"{TEAMS}/{other_team['id']}", headers={"X-Team-ID": str(stranger.team_id)}),
        404,
        "TEAM_NOT_FOUND",
    )


@pytest.mark.parametrize("named", ["nonsense", "00000000-0000-0000-0000-000000000000", "%00"])
async def test_invalid_team_in_the_path_is_not_found(create_user, named: str) -> None:
    user = await create_user()
    assert_error(await user.client.get(f"{TEAMS}/{named}"), 404, "TEAM_NOT_FOUND")


@pytest.fixture
async def http(app: Api):
    async with make_client(app) as client:
        yield client


async def create_team(user: RegisteredUser, name: str = "Acme") -> dict:
    response = await user.send("POST", "/app/teams", {"name": name})
    assert response.status_code == 201, response.text
    return response.json()


async def delete_account(user: RegisteredUser) -> Response:
    return await user.send("DELETE", ME, {"current_password": user.password})


async def test_account_deletion_is_refused_for_the_only_owner_of_a_shared_team(
    app: Api, http, mailbox: Mailbox, create_user
) -> None:
    owner, member = await create_registered_user(http, mailbox), await create_user()
    team = await create_team(owner)
    await add_member(app, team, member, "member")
    response = await delete_account(owner)
    assert_error(response, 409, "LAST_OWNER")
    assert response.json()["error"]["details"] == {"teams": [team["id"]]}
    assert (await owner.get(ME)).status_code == 200
    assert_success(await owner.send("POST", f"/app/teams/{team['id']}/transfer", {"user_id": str(member.user_id)}))
    assert (await delete_account(owner)).status_code == 204
    assert await list_member_roles(member.client, team) == {member.email: "owner"}


async def test_account_deletion_deletes_teams_without_other_members(app: Api, http, mailbox: Mailbox) -> None:
    owner = await create_registered_user(http, mailbox)
    await create_team(owner)
    assert (await delete_account(owner)).status_code == 204
    async with app.context.get(Database).session() as session:
        raw = await session.raw()
        assert await raw.fetchval("SELECT count(*) FROM teams WHERE deleted_at IS NULL") == 0
        assert await raw.fetchval("SELECT count(*) FROM memberships") == 0


async def test_account_deletion_purges_only_deleted_teams_without_members(
    app: Api, http, mailbox: Mailbox, create_user, jobs: CapturedJobs
) -> None:
    user, other = await create_registered_user(http, mailbox), await create_user()
    abandoned, restorable = await create_team(user), await make_team(other.client)
    assert_success(await user.send("DELETE", f"/app/teams/{abandoned['id']}"))
    assert_success(await other.client.delete(f"{TEAMS}/{restorable['id']}"))
    assert (await delete_account(user)).status_code == 204
    await jobs.run_all(future=True)
    async with app.context.get(Database).session() as session:
        deleted = await (await session.raw()).fetch("SELECT id FROM teams WHERE deleted_at IS NOT NULL")
    assert [str(row["id"]) for row in deleted] == [restorable["id"]]
    assert_success(await other.client.post(f"{TEAMS}/{restorable['id']}/restore"))


async def test_one_owner_remains_when_two_delete_their_accounts_concurrently(
    app: Api, http, mailbox: Mailbox, create_user
) -> None:
    member = await create_user()
    first, second = await create_registered_user(http, mailbox), await create_registered_user(http, mailbox)
    team = await create_team(first)
    await add_member(app, team, member, "member")
    other_id = (await second.get(ME)).json()["id"]
    async with app.context.get(Database).session() as session:
        await (await session.raw()).execute(
            "INSERT INTO memberships (id, team_id, user_id, role, created_at, updated_at) "
            "VALUES (gen_random_uuid(), $1, $2, 'owner', now(), now())",
            team["id"],
            other_id,
        )
    responses = await asyncio.gather(delete_account(first), delete_account(second))
    assert sorted(response.status_code for response in responses) == [204, 409]
    assert list((await list_member_roles(member.client, team)).values()).count("owner") == 1


async def test_team_without_an_owner_is_not_restored(
    app: Api, http, mailbox: Mailbox, create_user, admin: AsyncClient
) -> None:
    owner, restorer = await create_registered_user(http, mailbox), await create_user()
    team, alone = await create_team(owner), await create_team(owner, "Alone")
    role = {"name": "restorer", "permissions": ["teams:delete"]}
    assert_success(await owner.send("POST", f"/app/teams/{team['id']}/roles", role))
    await add_member(app, team, restorer, "restorer")
    assert_success(await owner.send("DELETE", f"/app/teams/{team['id']}"))
    assert (await delete_account(owner)).status_code == 204
    assert_error(await restorer.client.post(f"{TEAMS}/{team['id']}/restore"), 409, "TEAM_WITHOUT_OWNER")
    for each in (team, alone):
        assert_error(await admin.post(f"/api/v1/admin/teams/{each['id']}/restore"), 409, "TEAM_WITHOUT_OWNER")


async def is_waiting(app: Api, number: int) -> bool:
    """Whether this number of transactions wait for a lock."""
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with app.context.get(Database).session() as session:
        return await (await session.raw()).fetchval(count) == number


async def send_during_account_deletion(
    app: Api, owner: RegisteredUser, team_id: UUID, path: str, body: Any = None
) -> Response:
    """Return the response to a request that waits while the account of the user is deleted."""
    async with app.context.get(Database).session() as session:
        await TeamRepository(session).lock_with_deleted(team_id)
        deletion = asyncio.create_task(delete_account(owner))
        await wait_until(lambda: is_waiting(app, 1))
        sent = asyncio.create_task(owner.send("POST", path, body))
        await wait_until(lambda: is_waiting(app, 2))
    assert (await deletion).status_code == 204
    return await sent


async def test_team_restored_during_account_deletion_is_not_orphaned(app: Api, http, mailbox: Mailbox) -> None:
    owner = await create_registered_user(http, mailbox)
    team = await create_team(owner)
    assert_success(await owner.send("DELETE", f"/app/teams/{team['id']}"))
    restored = await send_during_account_deletion(app, owner, UUID(team["id"]), f"/app/teams/{team['id']}/restore")
    assert_error(restored, 404, "TEAM_NOT_FOUND")


async def test_user_cannot_join_or_create_a_team_during_account_deletion(
    app: Api, http, mailbox: Mailbox, user: AsyncClient
) -> None:
    team = await make_team(user)
    for path in ("/app/invitations/accept", "/app/teams"):
        guest = await create_registered_user(http, mailbox)
        body = (
            {"name": "Late"}
            if path == "/app/teams"
            else {"token": await invite_and_get_token(user, team, guest.email, mailbox)}
        )
        own = assert_success(await guest.get("/app/teams"))["items"][0]
        assert_error(await send_during_account_deletion(app, guest, UUID(own["id"]), path, body), 404, "USER_NOT_FOUND")
    assert len(await list_member_roles(user, team)) == 1
    async with app.context.get(Database).session() as session:
        raw = await session.raw()
        assert await raw.fetchval("SELECT count(*) FROM teams WHERE name = 'Late'") == 0


async def test_concurrent_account_deletion_and_invitation_do_not_deadlock(
    app: Api, http, mailbox: Mailbox, create_user
) -> None:
    owner, other = await create_registered_user(http, mailbox), await create_user()
    team = await create_team(owner)
    await add_member(app, team, other, TeamRole.OWNER)
    own = next(each for each in assert_success(await owner.get("/app/teams"))["items"] if each["is_personal"])
    body = {"email": "guest@example.com", "role": "member"}
    sent = await send_during_account_deletion(app, owner, UUID(own["id"]), f"/app/teams/{team['id']}/invitations", body)
    assert_error(sent, 404, "USER_NOT_FOUND")


async def test_members_are_searched_filtered_and_sorted(app: Api, create_user) -> None:
    owner, ada, bob = [await create_user(full_name=name) for name in ("Zoe", "Ada 50%", "bob")]
    team = await make_team(owner.client)
    await add_member(app, team, bob, "viewer")
    await add_member(app, team, ada, "member")

    async def names(**params: str) -> list[str]:
        listed = assert_success(await owner.client.get(f"{TEAMS}/{team['id']}/members", params=params))
        assert listed["total"] == len(listed["items"])
        return [member["full_name"] for member in listed["items"]]

    assert await names() == ["Zoe", "bob", "Ada 50%"]
    assert await names(sort="full_name") == ["Ada 50%", "bob", "Zoe"]
    assert await names(sort="-created_at") == ["Ada 50%", "bob", "Zoe"]
    assert await names(q="OB") == ["bob"]
    assert await names(q=bob.email.upper()) == ["bob"]
    assert await names(q="0%") == ["Ada 50%"]
    assert await names(role="member") == ["Ada 50%"]
    assert await names(role="member", q="bob") == []
    assert_error(await owner.client.get(f"{TEAMS}/{team['id']}/members?sort=user_id"), 422, "UNKNOWN_SORT")
