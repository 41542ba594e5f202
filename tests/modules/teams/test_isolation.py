"""Changes in one team do not affect other teams, members, roles or invitations; lists have several pages."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.modules.auth.users import Mailbox, new_email
from tests.modules.teams.requests import (
    TEAMS,
    accept_invitation,
    add_member,
    assert_error,
    assert_success,
    invite,
    invite_and_get_token,
    list_member_roles,
    make_role,
    make_team,
)
from undercroft.core.db import Database, utc_now
from undercroft.core.http.application import Api
from undercroft.jobs import enqueue
from undercroft.modules.teams import TeamRepository
from undercroft.modules.teams.tasks import clean_up
from undercroft.testing.jobs import CapturedJobs


async def sql(app: Api, statement: str, **values: Any) -> list[Any]:
    async with app.context.get(Database).session() as session:
        response = await session.execute(text(statement), values)
        return list(response.all()) if response.returns_rows else []


async def list_items(user: Any, path: str, **params: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = assert_success(await user.client.get(path, params=params))["items"]
    return items


async def test_team_list_is_paginated_and_excludes_teams_of_others(create_user) -> None:
    user, other = await create_user(), await create_user()
    names = [(await make_team(user.client, name=f"Team {number}"))["name"] for number in range(4)]
    await make_team(other.client, name="Other team")
    responses = [
        assert_success(await user.client.get(TEAMS, params={"size": 2, "page": page, "sort": "name"}))
        for page in (1, 2, 3, 4)
    ]
    assert [[each["name"] for each in response["items"]] for response in responses] == [
        ["Personal", names[0]],
        names[1:3],
        names[3:],
        [],
    ]
    assert {response["total"] for response in responses} == {5}


async def test_deleted_teams_are_listed_separately_while_restorable(app: Api, create_user) -> None:
    user = await create_user()
    active, deleted, expired = [await make_team(user.client, name=name) for name in ("Active", "Deleted", "Expired")]
    for team in (deleted, expired):
        assert_success(await user.client.delete(f"{TEAMS}/{team['id']}"))
    await sql(
        app,
        "UPDATE teams SET deleted_at = now() - interval '30 days 1 minute' WHERE id = CAST(:id AS uuid)",
        id=expired["id"],
    )
    assert active["name"] in [each["name"] for each in await list_items(user, TEAMS)]
    assert [each["name"] for each in await list_items(user, TEAMS, deleted=True)] == ["Deleted"]
    assert_error(await user.client.post(f"{TEAMS}/{expired['id']}/restore"), 404, "TEAM_NOT_FOUND")
    assert_success(await user.client.post(f"{TEAMS}/{deleted['id']}/restore"))


async def test_member_list_is_paginated_earliest_first_and_excludes_other_teams(app: Api, create_user) -> None:
    owner, other = await create_user(), await create_user()
    team, other_team = await make_team(owner.client), await make_team(other.client)
    users = [await create_user() for _ in range(4)]
    for user in users:
        await add_member(app, team, user, "member")
        await add_member(app, other_team, user, "viewer")
    pages = [
        assert_success(await owner.client.get(f"{TEAMS}/{team['id']}/members", params={"size": 2, "page": page}))
        for page in (1, 2, 3, 4)
    ]
    emails = [[each["email"] for each in page["items"]] for page in pages]
    assert [email for page in emails for email in page] == [owner.email, *(user.email for user in users)]
    assert [len(page) for page in emails] == [2, 2, 1, 0]
    assert {page["total"] for page in pages} == {5}
    assert {each["role"] for page in pages[1:] for each in page["items"]} == {"member"}


async def test_invitation_list_is_paginated_newest_first_and_excludes_other_teams(create_user) -> None:
    owner, other = await create_user(), await create_user()
    team, other_team = await make_team(owner.client), await make_team(other.client)
    addresses = [new_email() for _ in range(3)]
    for address in addresses:
        await invite(owner.client, team, address)
        await invite(other.client, other_team, address)
    pages = [
        assert_success(await owner.client.get(f"{TEAMS}/{team['id']}/invitations", params={"size": 2, "page": page}))
        for page in (1, 2, 3)
    ]
    assert [[each["email"] for each in page["items"]] for page in pages] == [addresses[:0:-1], addresses[:1], []]
    assert {page["total"] for page in pages} == {3}
    assert {each["invited_by"] for page in pages for each in page["items"]} == {str(owner.user_id)}


async def test_member_of_another_team_can_be_invited_and_join(app: Api, create_user, mailbox: Mailbox) -> None:
    owner, other, guest = [await create_user() for _ in range(3)]
    team, other_team = await make_team(owner.client), await make_team(other.client)
    await add_member(app, other_team, guest, "admin")
    token = await invite_and_get_token(owner.client, team, guest.email, mailbox, "viewer")
    assert_success(await accept_invitation(guest, token))
    assert (await list_member_roles(owner.client, team))[guest.email] == "viewer"
    assert (await list_member_roles(other.client, other_team))[guest.email] == "admin"


async def test_new_invitation_replaces_only_that_of_the_same_team_and_address(create_user, mailbox: Mailbox) -> None:
    owner, other, guest, second = [await create_user() for _ in range(4)]
    team, other_team = await make_team(owner.client), await make_team(other.client)
    other_team_token = await invite_and_get_token(other.client, other_team, guest.email, mailbox)
    second_token = await invite_and_get_token(owner.client, team, second.email, mailbox)
    replaced = await invite_and_get_token(owner.client, team, guest.email, mailbox)
    created = await invite(owner.client, team, guest.email)
    newest = (await mailbox.latest(guest.email)).token
    assert_success(await owner.client.post(f"{TEAMS}/{team['id']}/invitations/{created['id']}/resend"))
    resent = (await mailbox.latest(guest.email)).token
    for token in (replaced, newest):
        assert_error(await accept_invitation(guest, token), 400, "INVITATION_INVALID")
    assert_success(await accept_invitation(guest, resent))
    assert_success(await accept_invitation(guest, other_team_token))
    assert_success(await accept_invitation(second, second_token))


async def test_revoking_an_invitation_leaves_the_others(create_user, mailbox: Mailbox) -> None:
    owner, first, second = [await create_user() for _ in range(3)]
    team = await make_team(owner.client)
    created = await invite(owner.client, team, first.email)
    second_token = await invite_and_get_token(owner.client, team, second.email, mailbox)
    assert_success(await owner.client.delete(f"{TEAMS}/{team['id']}/invitations/{created['id']}"))
    assert_success(await accept_invitation(second, second_token))


async def test_role_is_renamed_and_deleted_only_in_its_team(app: Api, create_user, mailbox: Mailbox) -> None:
    owner, other, member, guest = [await create_user() for _ in range(4)]
    team, other_team = await make_team(owner.client), await make_team(other.client)
    role = await make_role(owner.client, team, "editor", "teams:read")
    await make_role(owner.client, team, "reader", "teams:read")
    await make_role(other.client, other_team, "editor", "teams:read", "invitations:read")
    for each in (team, other_team):
        await add_member(app, each, member, "editor")
    token = await invite_and_get_token(other.client, other_team, guest.email, mailbox, "editor")
    path = f"{TEAMS}/{team['id']}/roles/{role['id']}"
    assert_error(await owner.client.patch(path, json={"name": "reader"}), 409, "ROLE_TAKEN")
    assert_success(await owner.client.patch(path, json={"name": "writer"}))
    assert (await list_member_roles(owner.client, team))[member.email] == "writer"
    assert (await list_member_roles(other.client, other_team))[member.email] == "editor"
    assert_error(await owner.client.delete(path), 409, "ROLE_IN_USE")
    assert_success(await owner.client.patch(f"{TEAMS}/{team['id']}/members/{member.user_id}", json={"role": "viewer"}))
    assert_success(await owner.client.delete(path))
    assert assert_success(await accept_invitation(guest, token))["role"] == "editor"
    names = [each["name"] for each in assert_success(await other.client.get(f"{TEAMS}/{other_team['id']}/roles"))]
    assert names == ["editor"]
    assert [each["name"] for each in assert_success(await owner.client.get(f"{TEAMS}/{team['id']}/roles"))] == [
        "reader"
    ]


async def test_owner_of_another_team_does_not_count_as_a_second_owner(app: Api, create_user) -> None:
    owner, other = await create_user(), await create_user()
    team, other_team = await make_team(owner.client), await make_team(other.client)
    await add_member(app, team, other, "member")
    await add_member(app, other_team, owner, "owner")
    path = f"{TEAMS}/{team['id']}/members/{owner.user_id}"
    assert_error(await owner.client.delete(path), 409, "LAST_OWNER")
    assert_error(await owner.client.patch(path, json={"role": "admin"}), 409, "LAST_OWNER")
    assert_success(await owner.client.delete(f"{TEAMS}/{other_team['id']}/members/{owner.user_id}"))
    assert (await list_member_roles(owner.client, team))[owner.email] == "owner"


async def test_removed_member_stays_in_other_teams_and_other_members_stay(app: Api, create_user) -> None:
    owner, member, other_member = [await create_user() for _ in range(3)]
    team, other = await make_team(owner.client), await make_team(owner.client)
    for each in (team, other):
        await add_member(app, each, member, "member")
        await add_member(app, each, other_member, "viewer")
    assert_success(await owner.client.delete(f"{TEAMS}/{team['id']}/members/{member.user_id}"))
    assert await list_member_roles(owner.client, team) == {owner.email: "owner", other_member.email: "viewer"}
    assert await list_member_roles(owner.client, other) == {
        owner.email: "owner",
        member.email: "member",
        other_member.email: "viewer",
    }
    assert_success(
        await owner.client.patch(f"{TEAMS}/{team['id']}/members/{other_member.user_id}", json={"role": "admin"})
    )
    assert (await list_member_roles(owner.client, other))[other_member.email] == "viewer"


@pytest.mark.parametrize(("seconds", "is_purged"), [(60, True), (-60, False)])
async def test_deleted_team_is_purged_only_after_the_restore_period(
    app: Api, create_user, jobs: CapturedJobs, seconds: int, is_purged: bool
) -> None:
    owner = await create_user()
    team, active = await make_team(owner.client), await make_team(owner.client)
    assert_success(await owner.client.delete(f"{TEAMS}/{team['id']}"))
    await sql(
        app,
        "UPDATE teams SET deleted_at = :moment WHERE id = CAST(:id AS uuid)",
        moment=utc_now() - timedelta(days=30, seconds=seconds),
        id=team["id"],
    )
    async with app.context.get(Database).session() as session:
        await enqueue(session, clean_up)
    await jobs.run_all()
    remaining = {str(row[0]) for row in await sql(app, "SELECT id FROM teams WHERE personal_user_id IS NULL")}
    assert remaining == ({active["id"]} if is_purged else {active["id"], team["id"]})


async def test_purge_is_limited_to_one_batch(app: Api, create_user) -> None:
    owner = await create_user()
    for _ in range(3):
        team = await make_team(owner.client)
        assert_success(await owner.client.delete(f"{TEAMS}/{team['id']}"))
    async with app.context.get(Database).read_session() as session:
        assert len(await TeamRepository(session).deleted_before(utc_now(), 2)) == 2


async def test_names_of_teams_requiring_mfa_exclude_deleted_teams_and_teams_of_others(app: Api, create_user) -> None:
    user, other = await create_user(), await create_user()
    requiring, optional, deleted = [
        await make_team(user.client, name=name) for name in ("Requiring", "Optional", "Deleted")
    ]
    other_team = await make_team(other.client, name="Other team")
    for team in (requiring, deleted, other_team):
        await sql(app, "UPDATE teams SET require_mfa = true WHERE id = CAST(:id AS uuid)", id=team["id"])
    await sql(app, "UPDATE teams SET deleted_at = now() WHERE id = CAST(:id AS uuid)", id=deleted["id"])
    assert optional["name"] == "Optional"
    async with app.context.get(Database).read_session() as session:
        assert await TeamRepository(session).list_names_requiring_mfa(user.user_id) == ["Requiring"]


async def test_account_deletion_deletes_only_its_own_accepted_invitations(
    app: Api, create_user, mailbox: Mailbox
) -> None:
    from undercroft.modules.teams.service.members import leave_all_teams

    owner, first, second = [await create_user() for _ in range(3)]
    team = await make_team(owner.client)
    for user in (first, second):
        assert_success(
            await accept_invitation(user, await invite_and_get_token(owner.client, team, user.email, mailbox))
        )
    async with app.context.get(Database).session() as session:
        await leave_all_teams(session, first.user_id)
    remaining = await sql(app, "SELECT accepted_by FROM team_invitations")
    assert [row[0] for row in remaining] == [second.user_id]
    assert set(await list_member_roles(owner.client, team)) == {owner.email, second.email}
    assert UUID(team["id"]) in {row[0] for row in await sql(app, "SELECT id FROM teams WHERE deleted_at IS NULL")}
