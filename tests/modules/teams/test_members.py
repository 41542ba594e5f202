"""Members: transfers, leaving, giving up the account, and what happens when several do so at once."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from httpx import AsyncClient, Response

from tests.jobs.processes import eventually
from tests.modules.auth.people import Mailbox, a_person, client_of
from tests.modules.auth.people import Person as Registered
from tests.modules.teams.acts import TEAMS, done, in_team, invited, join, make_role, make_team, refused, roles_in
from undercroft.core.auth.permissions import TeamRole
from undercroft.core.http.application import Api
from undercroft.modules.teams.repository import TeamRepository
from undercroft.testing.people import Person

ME = "/app/users/me"


async def transfer(owner: Person, team: dict, to: Person) -> Response:
    return await owner.client.post(f"{TEAMS}/{team['id']}/transfer", json={"user_id": str(to.user_id)})


async def test_a_team_is_handed_over_and_who_did_stays_as_admin(app: Api, somebody) -> None:
    owner, heir = await somebody(), await somebody()
    team = await make_team(owner.client)
    await join(app, team, heir, "viewer")
    assert (await transfer(owner, team, heir)).status_code == 204
    assert await roles_in(owner.client, team) == {owner.email: "admin", heir.email: "owner"}
    refused(await transfer(owner, team, owner), 403, "PERMISSION_DENIED")
    done(await owner.client.delete(f"{TEAMS}/{team['id']}/members/{owner.user_id}"))


async def test_only_members_inherit_and_only_owners_hand_over(app: Api, somebody) -> None:
    owner, admin, stranger = await somebody(), await somebody(), await somebody()
    team = await make_team(owner.client)
    await join(app, team, admin, TeamRole.ADMIN)
    refused(await transfer(owner, team, stranger), 404, "MEMBER_NOT_FOUND")
    refused(await transfer(admin, team, admin), 403, "PERMISSION_DENIED")
    refused(await transfer(stranger, team, stranger), 404, "TEAM_NOT_FOUND")
    refused(
        await owner.client.post(f"{TEAMS}/{owner.team_id}/transfer", json={"user_id": str(owner.user_id)}),
        409,
        "PERSONAL_TEAM",
    )


async def test_handed_over_to_several_at_once_a_team_has_one_owner(app: Api, somebody) -> None:
    for _ in range(4):
        owner, *heirs = [await somebody() for _ in range(4)]
        team = await make_team(owner.client)
        for heir in heirs:
            await join(app, team, heir, "member")
        answers = await asyncio.gather(*(transfer(owner, team, heir) for heir in heirs))
        assert sorted(answer.status_code for answer in answers) == [204, 403, 403]
        assert sorted((await roles_in(owner.client, team)).values()) == ["admin", "member", "member", "owner"]


async def test_an_owner_who_hands_over_and_leaves_at_once_leaves_an_owner(app: Api, somebody) -> None:
    for _ in range(4):
        owner, heir = await somebody(), await somebody()
        team = await make_team(owner.client)
        await join(app, team, heir, "member")
        handed, left = await asyncio.gather(
            transfer(owner, team, heir), owner.client.delete(f"{TEAMS}/{team['id']}/members/{owner.user_id}")
        )
        assert (handed.status_code, left.status_code) in {(204, 204), (204, 409)}
        assert (await roles_in(heir.client, team))[heir.email] == "owner"


async def test_a_role_changed_while_its_holder_leaves(app: Api, somebody) -> None:
    for _ in range(4):
        owner, person = await somebody(), await somebody()
        team = await make_team(owner.client)
        await join(app, team, person, "member")
        address = f"{TEAMS}/{team['id']}/members/{person.user_id}"
        changed, left = await asyncio.gather(
            owner.client.patch(address, json={"role": "admin"}), person.client.delete(address)
        )
        assert left.status_code == 204
        assert changed.status_code in (204, 404)
        assert person.email not in await roles_in(owner.client, team)


async def test_of_many_owners_who_demote_each_other_at_once_one_stays(app: Api, somebody) -> None:
    owners = [await somebody() for _ in range(5)]
    team = await make_team(owners[0].client)
    for other in owners[1:]:
        await join(app, team, other, TeamRole.OWNER)
    answers = await asyncio.gather(
        *(
            one.client.patch(f"{TEAMS}/{team['id']}/members/{other.user_id}", json={"role": "viewer"})
            for one in owners
            for other in owners
            if one is not other
        )
    )
    assert {answer.status_code for answer in answers} <= {204, 403, 409}
    assert "owner" in (await roles_in(owners[0].client, team)).values()


async def test_a_right_that_was_lost_while_waiting_is_not_used(app: Api, somebody) -> None:
    """Two owners remove each other at once: one of them stays, and still owns the team."""
    for _ in range(5):
        one, other = await somebody(), await somebody()
        team = await make_team(one.client)
        await join(app, team, other, TeamRole.OWNER)
        members = f"{TEAMS}/{team['id']}/members"
        answers = await asyncio.gather(
            one.client.delete(f"{members}/{other.user_id}"), other.client.delete(f"{members}/{one.user_id}")
        )
        assert sorted(answer.status_code for answer in answers) == [204, 404]


async def test_anybody_leaves_whatever_their_role_allows(app: Api, somebody) -> None:
    owner, person = await somebody(), await somebody()
    team = await make_team(owner.client)
    await make_role(owner.client, team, "nothing")
    await join(app, team, person, "nothing")
    refused(await person.client.delete(f"{TEAMS}/{team['id']}/members/{owner.user_id}"), 403, "PERMISSION_DENIED")
    assert (await person.client.delete(f"{TEAMS}/{team['id']}/members/{person.user_id}")).status_code == 204
    refused(await person.client.get(f"{TEAMS}/{team['id']}"), 404, "TEAM_NOT_FOUND")


async def test_the_team_in_the_path_counts_and_not_the_one_in_the_header(app: Api, somebody) -> None:
    """Rights in one's own team are of no use at the address of another."""
    owner, viewer = await somebody(), await somebody()
    theirs, own = await make_team(owner.client), await make_team(viewer.client)
    await join(app, theirs, viewer, TeamRole.VIEWER)
    for headers in ({}, in_team(own), {"X-Team-ID": str(viewer.team_id)}):
        answer = await viewer.client.patch(f"{TEAMS}/{theirs['id']}", json={"name": "Mine"}, headers=headers)
        refused(answer, 403, "PERMISSION_DENIED")
    stranger = await somebody()
    refused(
        await stranger.client.get(f"{TEAMS}/{theirs['id']}", headers={"X-Team-ID": str(stranger.team_id)}),
        404,
        "TEAM_NOT_FOUND",
    )


@pytest.mark.parametrize("named", ["nonsense", "00000000-0000-0000-0000-000000000000", "%00"])
async def test_an_address_of_no_team_is_not_found(somebody, named: str) -> None:
    person = await somebody()
    refused(await person.client.get(f"{TEAMS}/{named}"), 404, "TEAM_NOT_FOUND")


@pytest.fixture
async def http(app: Api):
    async with client_of(app) as client:
        yield client


async def make(person: Registered, name: str = "Acme") -> dict:
    answer = await person.send("POST", "/app/teams", {"name": name})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def give_up(person: Registered) -> Response:
    return await person.send("DELETE", ME, {"current_password": person.password})


async def test_an_account_that_others_need_cannot_be_given_up(app: Api, http, mailbox: Mailbox, somebody) -> None:
    owner, member = await a_person(http, mailbox), await somebody()
    team = await make(owner)
    await join(app, team, member, "member")
    answer = await give_up(owner)
    refused(answer, 409, "LAST_OWNER")
    assert answer.json()["error"]["details"] == {"teams": [team["id"]]}
    assert (await owner.get(ME)).status_code == 200
    done(await owner.send("POST", f"/app/teams/{team['id']}/transfer", {"user_id": str(member.user_id)}))
    assert (await give_up(owner)).status_code == 204
    assert await roles_in(member.client, team) == {member.email: "owner"}


async def test_teams_that_nobody_else_belongs_to_go_with_the_account(app: Api, http, mailbox: Mailbox) -> None:
    owner = await a_person(http, mailbox)
    await make(owner)
    assert (await give_up(owner)).status_code == 204
    async with app.state.database.session() as session:
        raw = await session.raw()
        assert await raw.fetchval("SELECT count(*) FROM teams WHERE deleted_at IS NULL") == 0
        assert await raw.fetchval("SELECT count(*) FROM memberships") == 0


async def test_of_two_owners_who_give_up_their_accounts_at_once_one_stays(
    app: Api, http, mailbox: Mailbox, somebody
) -> None:
    member = await somebody()
    one, other = await a_person(http, mailbox), await a_person(http, mailbox)
    team = await make(one)
    await join(app, team, member, "member")
    other_id = (await other.get(ME)).json()["id"]
    async with app.state.database.session() as session:
        await (await session.raw()).execute(
            "INSERT INTO memberships (id, team_id, user_id, role, created_at, updated_at) "
            "VALUES (gen_random_uuid(), $1, $2, 'owner', now(), now())",
            team["id"],
            other_id,
        )
    answers = await asyncio.gather(give_up(one), give_up(other))
    assert sorted(answer.status_code for answer in answers) == [204, 409]
    assert list((await roles_in(member.client, team)).values()).count("owner") == 1


async def test_a_team_that_nobody_owns_any_more_is_not_restored(
    app: Api, http, mailbox: Mailbox, somebody, admin: AsyncClient
) -> None:
    owner, keeper = await a_person(http, mailbox), await somebody()
    team, alone = await make(owner), await make(owner, "Alone")
    role = {"name": "keeper", "permissions": ["teams:delete"]}
    done(await owner.send("POST", f"/app/teams/{team['id']}/roles", role))
    await join(app, team, keeper, "keeper")
    done(await owner.send("DELETE", f"/app/teams/{team['id']}"))
    assert (await give_up(owner)).status_code == 204
    refused(await keeper.client.post(f"{TEAMS}/{team['id']}/restore"), 409, "TEAM_WITHOUT_OWNER")
    for each in (team, alone):
        refused(await admin.post(f"/api/v1/admin/teams/{each['id']}/restore"), 409, "TEAM_WITHOUT_OWNER")


async def waiting(app: Api, number: int) -> bool:
    """Whether so many transactions wait for one another."""
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with app.state.database.session() as session:
        return await (await session.raw()).fetchval(count) == number


async def while_giving_up(app: Api, owner: Registered, team_id: UUID, path: str, body: Any = None) -> Response:
    """What is answered to somebody who sends this while their account is about to be gone."""
    async with app.state.database.session() as session:
        await TeamRepository(session).hold_any(team_id)
        going = asyncio.create_task(give_up(owner))
        await eventually(lambda: waiting(app, 1))
        sent = asyncio.create_task(owner.send("POST", path, body))
        await eventually(lambda: waiting(app, 2))
    assert (await going).status_code == 204
    return await sent


async def test_a_team_restored_while_its_owner_gives_up_the_account_is_not_left_alone(
    app: Api, http, mailbox: Mailbox
) -> None:
    owner = await a_person(http, mailbox)
    team = await make(owner)
    done(await owner.send("DELETE", f"/app/teams/{team['id']}"))
    restored = await while_giving_up(app, owner, UUID(team["id"]), f"/app/teams/{team['id']}/restore")
    refused(restored, 404, "TEAM_NOT_FOUND")


async def test_nobody_joins_or_makes_a_team_while_giving_up_the_account(
    app: Api, http, mailbox: Mailbox, user: AsyncClient
) -> None:
    team = await make_team(user)
    for path in ("/app/invitations/accept", "/app/teams"):
        guest = await a_person(http, mailbox)
        body = {"name": "Late"} if path == "/app/teams" else {"token": await invited(user, team, guest.email, mailbox)}
        own = done(await guest.get("/app/teams"))["items"][0]
        refused(await while_giving_up(app, guest, UUID(own["id"]), path, body), 404, "USER_NOT_FOUND")
    assert len(await roles_in(user, team)) == 1
    async with app.state.database.session() as session:
        raw = await session.raw()
        assert await raw.fetchval("SELECT count(*) FROM teams WHERE name = 'Late'") == 0


async def test_who_gives_up_the_account_and_invites_at_once_does_not_block_themselves(
    app: Api, http, mailbox: Mailbox, somebody
) -> None:
    owner, other = await a_person(http, mailbox), await somebody()
    team = await make(owner)
    await join(app, team, other, TeamRole.OWNER)
    own = next(each for each in done(await owner.get("/app/teams"))["items"] if each["is_personal"])
    body = {"email": "guest@example.com", "role": "member"}
    sent = await while_giving_up(app, owner, UUID(own["id"]), f"/app/teams/{team['id']}/invitations", body)
    refused(sent, 404, "USER_NOT_FOUND")
