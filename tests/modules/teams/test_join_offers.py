"""Seat limits, and joining a team through the domain of an email address."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from httpx2 import AsyncClient, Response
from sqlalchemy import update

from tests.modules.auth.users import Mailbox, RegisteredUser, create_registered_user, make_client
from tests.modules.teams.requests import (
    TEAMS,
    accept_invitation,
    add_member,
    assert_error,
    assert_success,
    invite,
    invite_and_get_token,
    list_member_roles,
    make_team,
)
from undercroft.core.context import PROCESS
from undercroft.core.db import Database, Session, utc_now
from undercroft.core.http.application import Api
from undercroft.core.ids import new_id
from undercroft.core.settings import load, use
from undercroft.modules.teams import SeatLimit, TeamRepository
from undercroft.modules.teams.models import Invitation, Membership, TeamRole
from undercroft.modules.teams.service.members import add_member as join_team
from undercroft.modules.teams.settings import TeamSettings
from undercroft.testing.users import SignedInUser


@pytest.fixture
def seats(request: pytest.FixtureRequest) -> Any:
    """`seats(5)` sets the seat limit of every team to 5."""

    def give(number: int) -> None:
        async def limit(session: Session, team_id: UUID) -> int:
            return number

        PROCESS.add(SeatLimit, limit)
        request.addfinalizer(lambda: PROCESS.remove(SeatLimit))

    return give


@pytest.fixture
async def http(app: Api):
    async with make_client(app) as client:
        yield client


def email_at(domain: str) -> str:
    return f"{new_id().hex[-12:]}@{domain}"


async def create_domain_owner(
    http: AsyncClient, mailbox: Mailbox, domain: str, **fields: Any
) -> tuple[RegisteredUser, str]:
    """Create a user with an address of the domain, and a team that users of the domain may join."""
    owner = await create_registered_user(http, mailbox, email_at(domain))
    team = (await owner.send("POST", "/app/teams", {"name": "Acme"})).json()["id"]
    response = await owner.send("PATCH", f"/app/teams/{team}", {"auto_join_domains": [domain], **fields})
    assert response.status_code == 200, response.text
    return owner, team


async def list_roles(owner: RegisteredUser, team: str) -> dict[str, str]:
    listed = (await owner.get(f"/app/teams/{team}/members?size=100")).json()
    return {member["email"]: member["role"] for member in listed["items"]}


async def accept_with_retries(user: SignedInUser, token: str) -> Response:
    """Retry while no database connection is free: there are fewer connections than concurrent requests."""
    for _ in range(20):
        response = await accept_invitation(user, token)
        if response.status_code != 503:
            break
    return response


async def test_fifty_concurrent_acceptances_do_not_exceed_the_seats(
    app: Api, create_user, mailbox: Mailbox, seats
) -> None:
    owner = await create_user()
    team = await make_team(owner.client)
    users = [await create_user() for _ in range(50)]
    for user in users:
        await invite(owner.client, team, user.email)
    tokens = {mail.to: mail.token for mail in await mailbox.list_new()}
    seats(8)
    responses = await asyncio.gather(*(accept_with_retries(user, tokens[user.email]) for user in users))
    taken = [response for response in responses if response.status_code == 200]
    full = [response for response in responses if response.status_code != 200]
    assert len(taken) == 7
    for response in full:
        assert_error(response, 409, "SEAT_LIMIT_REACHED")
    assert len(await list_member_roles(owner.client, team)) == 8


async def test_invitation_can_be_accepted_once_a_seat_is_free(app: Api, create_user, mailbox: Mailbox, seats) -> None:
    owner, first, second = await create_user(), await create_user(), await create_user()
    team = await make_team(owner.client)
    tokens = [await invite_and_get_token(owner.client, team, user.email, mailbox) for user in (first, second)]
    seats(2)
    assert_success(await accept_invitation(first, tokens[0]))
    assert_error(await accept_invitation(second, tokens[1]), 409, "SEAT_LIMIT_REACHED")
    assert_success(await accept_invitation(first, tokens[0]))
    assert_success(await first.client.delete(f"{TEAMS}/{team['id']}/members/{first.user_id}"))
    assert_success(await accept_invitation(second, tokens[1]))


async def test_invitation_is_refused_while_all_seats_are_taken(create_user, seats) -> None:
    owner = await create_user()
    team = await make_team(owner.client)
    seats(1)
    response = await owner.client.post(f"{TEAMS}/{team['id']}/invitations", json={"email": email_at("new.example")})
    assert_error(response, 409, "SEAT_LIMIT_REACHED")
    assert response.json()["error"]["details"] == {"seats": 1}


async def test_seat_limit_comes_from_the_setting_without_a_plan(create_user) -> None:
    owner = await create_user()
    team = await make_team(owner.client)
    for limit, status in ((1, 409), (2, 201), (0, 201)):
        use(load(TeamSettings).model_copy(update={"team_seat_limit": limit}))
        response = await owner.client.post(f"{TEAMS}/{team['id']}/invitations", json={"email": email_at("new.example")})
        assert response.status_code == status, limit


async def offered_team_ids(user: RegisteredUser) -> list[str]:
    response = await user.get("/app/join-offers")
    assert response.status_code == 200, response.text
    return [each["id"] for each in response.json()["items"]]


async def accept_offer(user: RegisteredUser, team: str) -> Response:
    return await user.send("POST", "/app/join-offers/accept", {"team_id": team})


async def change_email(user: RegisteredUser, mailbox: Mailbox, to: str) -> None:
    """Change the address through the emailed link."""
    body = {"new_email": to, "current_password": user.password}
    assert (await user.send("POST", "/auth/email/change", body)).status_code == 202
    token = (await mailbox.latest(to)).token
    assert (await user.send("POST", "/auth/email/confirm", {"token": token})).status_code == 204


async def add_second_owner(app: Api, http: AsyncClient, mailbox: Mailbox, team: str) -> RegisteredUser:
    """Add an owner without an address of the domain."""
    other = await create_registered_user(http, mailbox)
    user_id = UUID((await other.get("/app/users/me")).json()["id"])
    async with app.context.get(Database).session() as session:
        session.add(Membership(team_id=UUID(team), user_id=user_id, role="owner"))
    return other


async def list_domains(owner: RegisteredUser, team: str) -> list[str]:
    domains: list[str] = (await owner.get(f"/app/teams/{team}")).json()["auto_join_domains"]
    return domains


async def test_user_joins_by_domain_only_by_accepting_the_offer(http, mailbox: Mailbox) -> None:
    owner, team = await create_domain_owner(http, mailbox, "acme.example", auto_join_role="viewer")
    colleague = await create_registered_user(http, mailbox, email_at("acme.example"))
    others = [
        await create_registered_user(http, mailbox, email_at(domain))
        for domain in ("sub.acme.example", "notacme.example")
    ]
    assert list(await list_roles(owner, team)) == [owner.email]
    listed = (await colleague.get("/app/join-offers")).json()
    assert listed["items"] == [{"id": team, "name": "Acme", "domain": "acme.example", "role": "viewer"}]
    assert listed["total"] == 1
    await mailbox.list_new()
    response = await accept_offer(colleague, team)
    assert (response.status_code, response.json()["role"]) == (200, "viewer")
    assert await list_roles(owner, team) == {owner.email: "owner", colleague.email: "viewer"}
    assert await offered_team_ids(colleague) == []
    for other in others:
        assert await offered_team_ids(other) == []
        assert_error(await accept_offer(other, team), 404, "JOIN_OFFER_NOT_FOUND")
        assert (await other.get(f"/app/teams/{team}")).status_code == 404


async def test_joining_by_a_domain_emails_the_user_and_every_owner(app: Api, http, mailbox: Mailbox) -> None:
    owner, team = await create_domain_owner(http, mailbox, "acme.example")
    other = await add_second_owner(app, http, mailbox, team)
    colleague = await create_registered_user(http, mailbox, email_at("acme.example"))
    await mailbox.list_new()
    assert (await accept_offer(colleague, team)).status_code == 200
    assert (await accept_offer(colleague, team)).status_code == 200
    mails = await mailbox.list_new()
    assert sorted(mail.to for mail in mails) == sorted([owner.email, other.email, colleague.email])
    assert all(colleague.email in mail.text for mail in mails if mail.to != colleague.email)
    assert all("Acme" in mail.text for mail in mails)


async def test_join_offer_is_not_found_when_the_address_is_not_verified(app: Api, http, create_user, mailbox) -> None:
    owner, team = await create_domain_owner(http, mailbox, "acme.example")
    unverified = await create_user(email=email_at("acme.example"))
    assert assert_success(await unverified.client.get("/api/v1/app/join-offers"))["items"] == []
    assert_error(
        await unverified.client.post("/api/v1/app/join-offers/accept", json={"team_id": team}),
        404,
        "JOIN_OFFER_NOT_FOUND",
    )
    assert list(await list_roles(owner, team)) == [owner.email]


async def test_user_who_moves_to_an_address_of_the_domain_is_offered_the_team(http, mailbox: Mailbox) -> None:
    owner, team = await create_domain_owner(http, mailbox, "acme.example")
    user, to = await create_registered_user(http, mailbox), email_at("acme.example")
    assert await offered_team_ids(user) == []
    await change_email(user, mailbox, to)
    assert to not in await list_roles(owner, team)
    assert await offered_team_ids(user) == [team]
    assert (await accept_offer(user, team)).status_code == 200
    assert (await list_roles(owner, team))[to] == "member"


async def test_joining_by_domain_respects_the_seat_limit(http, mailbox: Mailbox, seats) -> None:
    owner, team = await create_domain_owner(http, mailbox, "acme.example")
    seats(2)
    users = [await create_registered_user(http, mailbox, email_at("acme.example")) for _ in range(6)]
    responses = await asyncio.gather(*(accept_offer(user, team) for user in users))
    assert sorted(response.status_code for response in responses) == [200] + [409] * 5
    for response in responses:
        if response.status_code != 200:
            assert_error(response, 409, "SEAT_LIMIT_REACHED")
    assert len(await list_roles(owner, team)) == 2


async def test_member_is_added_once_and_keeps_the_role(app: Api, create_user) -> None:
    owner, user = await create_user(), await create_user()
    team_id = UUID((await make_team(owner.client))["id"])
    for role, added in (("viewer", True), ("admin", False)):
        async with app.context.get(Database).session() as session:
            team = await TeamRepository(session).get(team_id)
            assert await join_team(session, team, user.user_id, role) is added
    (listed,) = [each for each in assert_success(await user.client.get(TEAMS))["items"] if each["id"] == str(team_id)]
    assert listed["role"] == "viewer"


async def test_concurrent_offer_acceptances_create_one_membership(app: Api, http, mailbox: Mailbox) -> None:
    owner, team = await create_domain_owner(http, mailbox, "acme.example")
    colleague = await create_registered_user(http, mailbox, email_at("acme.example"))
    responses = await asyncio.gather(*(accept_offer(colleague, team) for _ in range(8)))
    assert {response.status_code for response in responses} == {200}
    entries = (await owner.get(f"/app/teams/{team}/audit-logs?action=member.joined")).json()
    assert entries["total"] == 1


async def test_removed_member_is_not_offered_the_team_until_invited(http, mailbox: Mailbox) -> None:
    owner, team = await create_domain_owner(http, mailbox, "acme.example")
    removed, left = [await create_registered_user(http, mailbox, email_at("acme.example")) for _ in range(2)]
    ids = {}
    for user in (removed, left):
        assert (await accept_offer(user, team)).status_code == 200
        ids[user.email] = (await user.get("/app/users/me")).json()["id"]
    path = f"/app/teams/{team}/members"
    assert (await owner.send("DELETE", f"{path}/{ids[removed.email]}")).status_code == 204
    assert (await left.send("DELETE", f"{path}/{ids[left.email]}")).status_code == 204
    assert (await offered_team_ids(removed), await offered_team_ids(left)) == ([], [team])
    assert_error(await accept_offer(removed, team), 404, "JOIN_OFFER_NOT_FOUND")
    await mailbox.list_new()
    await owner.send("POST", f"/app/teams/{team}/invitations", {"email": removed.email})
    token = (await mailbox.latest(removed.email)).token
    assert (await removed.send("POST", "/app/invitations/accept", {"token": token})).status_code == 200
    assert (await removed.send("DELETE", f"{path}/{ids[removed.email]}")).status_code == 204
    assert await offered_team_ids(removed) == [team]


async def test_offer_of_a_deleted_team_is_not_found(http, mailbox: Mailbox) -> None:
    owner, team = await create_domain_owner(http, mailbox, "acme.example")
    colleague = await create_registered_user(http, mailbox, email_at("acme.example"))
    assert (await owner.send("DELETE", f"/app/teams/{team}")).status_code == 204
    assert await offered_team_ids(colleague) == []
    assert_error(await accept_offer(colleague, team), 404, "JOIN_OFFER_NOT_FOUND")


async def test_offer_list_is_paginated_and_excludes_other_domains(http, mailbox: Mailbox) -> None:
    created = [(await create_domain_owner(http, mailbox, "acme.example"))[1] for _ in range(3)]
    await create_domain_owner(http, mailbox, "rival.example")
    colleague = await create_registered_user(http, mailbox, email_at("acme.example"))
    pages = [(await colleague.get(f"/app/join-offers?size=2&page={page}")).json() for page in (1, 2, 3)]
    assert [[each["id"] for each in page["items"]] for page in pages] == [created[:2], created[2:], []]
    assert {page["total"] for page in pages} == {3}


async def test_claim_is_revoked_when_the_claimant_changes_the_address(app: Api, http, mailbox: Mailbox) -> None:
    owner, team = await create_domain_owner(http, mailbox, "acme.example")
    bystander, other_team = await create_domain_owner(http, mailbox, "acme.example")
    other = await add_second_owner(app, http, mailbox, team)
    colleague = await create_registered_user(http, mailbox, email_at("acme.example"))
    assert await offered_team_ids(colleague) == [team, other_team]
    await change_email(owner, mailbox, email_at("elsewhere.example"))
    assert await offered_team_ids(colleague) == [other_team]
    assert (await list_domains(other, team), await list_domains(bystander, other_team)) == ([], ["acme.example"])
    assert "acme.example" in (await mailbox.latest(other.email)).text
    assert_error(await accept_offer(colleague, team), 404, "JOIN_OFFER_NOT_FOUND")


@pytest.mark.parametrize("end", ["demoted", "removed", "left", "transferred", "deactivated", "deleted"])
async def test_claim_is_revoked_when_the_claimant_is_no_longer_an_active_owner(
    app: Api, http, mailbox: Mailbox, admin: AsyncClient, end: str
) -> None:
    owner, team = await create_domain_owner(http, mailbox, "acme.example")
    other = await add_second_owner(app, http, mailbox, team)
    colleague = await create_registered_user(http, mailbox, email_at("acme.example"))
    owner_id, other_id = [(await user.get("/app/users/me")).json()["id"] for user in (owner, other)]
    member = f"/app/teams/{team}/members/{owner_id}"
    if end == "demoted":
        response = await other.send("PATCH", member, {"role": "admin"})
    elif end == "removed":
        response = await other.send("DELETE", member)
    elif end == "left":
        response = await owner.send("DELETE", member)
    elif end == "transferred":
        response = await owner.send("POST", f"/app/teams/{team}/transfer", {"user_id": other_id})
    elif end == "deactivated":
        response = await admin.post(f"/api/v1/admin/users/{owner_id}/deactivate")
    else:
        response = await owner.send("DELETE", "/app/users/me", {"current_password": owner.password})
    assert response.is_success, response.text
    assert await offered_team_ids(colleague) == []
    assert await list_domains(other, team) == []
    assert_error(await accept_offer(colleague, team), 404, "JOIN_OFFER_NOT_FOUND")


async def test_refused_acceptance_revokes_the_stale_claim(app: Api, http, mailbox: Mailbox, admin: AsyncClient) -> None:
    owner, team = await create_domain_owner(http, mailbox, "acme.example")
    colleague = await create_registered_user(http, mailbox, email_at("acme.example"))
    owner_id = (await owner.get("/app/users/me")).json()["id"]
    assert_success(await admin.patch(f"/api/v1/admin/users/{owner_id}", json={"email_verified": False}))
    assert await offered_team_ids(colleague) == []
    assert_error(await accept_offer(colleague, team), 404, "JOIN_OFFER_NOT_FOUND")
    assert await list_domains(owner, team) == []
    assert_success(await admin.patch(f"/api/v1/admin/users/{owner_id}", json={"email_verified": True}))
    assert await offered_team_ids(colleague) == []


async def test_no_user_joins_after_a_concurrent_domain_removal(http, mailbox: Mailbox) -> None:
    for _ in range(4):
        owner, team = await create_domain_owner(http, mailbox, "acme.example")
        colleague = await create_registered_user(http, mailbox, email_at("acme.example"))
        withdrawn, joined = await asyncio.gather(
            owner.send("PATCH", f"/app/teams/{team}", {"auto_join_domains": []}), accept_offer(colleague, team)
        )
        assert withdrawn.status_code == 200
        assert joined.status_code in (200, 404)
        assert (colleague.email in await list_roles(owner, team)) == (joined.status_code == 200)
        assert team not in await offered_team_ids(colleague)


async def test_accepting_an_offer_consumes_the_pending_invitation_and_its_role(http, mailbox: Mailbox) -> None:
    owner, team = await create_domain_owner(http, mailbox, "acme.example")
    email, bystander = email_at("acme.example"), email_at("acme.example")
    for address, role in ((email, "admin"), (bystander, "viewer")):
        await owner.send("POST", f"/app/teams/{team}/invitations", {"email": address, "role": role})
    await mailbox.list_new()
    colleague = await create_registered_user(http, mailbox, email)
    assert (await accept_offer(colleague, team)).json()["role"] == "admin"
    listed = (await owner.get(f"/app/teams/{team}/invitations")).json()["items"]
    assert [each["email"] for each in listed] == [bystander]


async def test_invitation_of_a_deactivated_sender_gives_no_role_to_who_accepts_the_offer(
    app: Api, http, mailbox: Mailbox, admin: AsyncClient
) -> None:
    owner, team = await create_domain_owner(http, mailbox, "acme.example")
    sender, email = await add_second_owner(app, http, mailbox, team), email_at("acme.example")
    await sender.send("POST", f"/app/teams/{team}/invitations", {"email": email, "role": "admin"})
    await mailbox.list_new()
    sender_id = (await sender.get("/app/users/me")).json()["id"]
    assert_success(await admin.post(f"/api/v1/admin/users/{sender_id}/deactivate"))
    colleague = await create_registered_user(http, mailbox, email)
    assert (await accept_offer(colleague, team)).json()["role"] == "member"
    listed = (await owner.get(f"/app/teams/{team}/invitations")).json()["items"]
    assert [each["email"] for each in listed] == [email]


async def test_expired_invitation_gives_no_role_to_who_accepts_the_offer(app: Api, http, mailbox: Mailbox) -> None:
    owner, team = await create_domain_owner(http, mailbox, "acme.example")
    email = email_at("acme.example")
    await owner.send("POST", f"/app/teams/{team}/invitations", {"email": email, "role": "admin"})
    async with app.context.get(Database).session() as session:
        await session.execute(update(Invitation).values(expires_at=utc_now()))
    await mailbox.list_new()
    colleague = await create_registered_user(http, mailbox, email)
    assert (await accept_offer(colleague, team)).json()["role"] == "member"


async def test_owner_can_retain_but_not_add_a_domain_of_another_owner(app: Api, http, mailbox: Mailbox) -> None:
    owner, team = await create_domain_owner(http, mailbox, "acme.example")
    other = await add_second_owner(app, http, mailbox, team)
    colleague = await create_registered_user(http, mailbox, email_at("acme.example"))
    body = {"auto_join_domains": ["acme.example", "example.com"]}
    assert (await other.send("PATCH", f"/app/teams/{team}", body)).status_code == 200
    assert await offered_team_ids(colleague) == [team]
    owner_id = (await owner.get("/app/users/me")).json()["id"]
    assert (await other.send("DELETE", f"/app/teams/{team}/members/{owner_id}")).status_code == 204
    assert await list_domains(other, team) == ["example.com"]
    assert_error(await other.send("PATCH", f"/app/teams/{team}", body), 422, "DOMAIN_NOT_VERIFIED")


async def test_only_the_domain_of_the_owners_verified_address_can_be_claimed(
    http, mailbox: Mailbox, create_user
) -> None:
    owner = await create_registered_user(http, mailbox, email_at("acme.example"))
    team = (await owner.send("POST", "/app/teams", {"name": "Acme"})).json()["id"]
    for domains, code in (
        (["rival.example"], "DOMAIN_NOT_VERIFIED"),
        (["acme.example", "rival.example"], "DOMAIN_NOT_VERIFIED"),
        (["sub.acme.example"], "DOMAIN_NOT_VERIFIED"),
        (["gmail.com"], "PUBLIC_EMAIL_DOMAIN"),
        (["nonsense"], "VALIDATION_ERROR"),
    ):
        assert_error(await owner.send("PATCH", f"/app/teams/{team}", {"auto_join_domains": domains}), 422, code)
    unverified = await create_user(email=email_at("acme.example"))
    other_team = await make_team(unverified.client)
    response = await unverified.client.patch(
        f"{TEAMS}/{other_team['id']}", json={"auto_join_domains": ["acme.example"]}
    )
    assert_error(response, 422, "DOMAIN_NOT_VERIFIED")


@pytest.mark.parametrize("domain", ["gmail.com", "outlook.com", "gmx.de", "proton.me", "qq.com", "hey.com"])
async def test_public_email_domain_is_refused(http, mailbox: Mailbox, domain: str) -> None:
    owner = await create_registered_user(http, mailbox, email_at(domain))
    team = (await owner.send("POST", "/app/teams", {"name": "Acme"})).json()["id"]
    response = await owner.send("PATCH", f"/app/teams/{team}", {"auto_join_domains": [domain]})
    assert_error(response, 422, "PUBLIC_EMAIL_DOMAIN")


async def test_only_owners_change_domain_joining(app: Api, http, mailbox: Mailbox, create_user) -> None:
    owner, team = await create_domain_owner(http, mailbox, "acme.example")
    admin = await create_user()
    await add_member(app, {"id": team}, admin, TeamRole.ADMIN)
    for body in ({"auto_join_domains": []}, {"auto_join_role": "admin"}):
        assert_error(await admin.client.patch(f"{TEAMS}/{team}", json=body), 403, "PERMISSION_DENIED")
    for role, code in (("owner", "VALIDATION_ERROR"), ("ghost", "UNKNOWN_ROLE")):
        assert_error(await owner.send("PATCH", f"/app/teams/{team}", {"auto_join_role": role}), 422, code)
    personal = (await owner.get("/app/teams?sort=created_at")).json()["items"][0]
    assert personal["is_personal"]
    response = await owner.send("PATCH", f"/app/teams/{personal['id']}", {"auto_join_domains": ["acme.example"]})
    assert_error(response, 409, "PERSONAL_TEAM")
