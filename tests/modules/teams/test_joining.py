"""How many may belong to a team, and who joins by the domain of their address."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from httpx import AsyncClient, Response

from tests.modules.auth.people import Mailbox, Person, a_person, client_of
from tests.modules.teams.acts import TEAMS, accept, done, invite, invited, join, make_team, refused, roles_in
from undercroft.core.auth.permissions import TeamRole
from undercroft.core.db import Session
from undercroft.core.http.application import Api
from undercroft.core.ids import new_id
from undercroft.core.settings import load, use
from undercroft.modules import teams
from undercroft.modules.teams.settings import TeamSettings
from undercroft.testing.people import Person as Somebody


@pytest.fixture
def seats(request: pytest.FixtureRequest) -> Any:
    """`seats(5)` gives every team that many."""

    def give(number: int) -> None:
        async def limit(_session: Session, _team_id: UUID) -> int:
            return number

        before = teams.bind_seats(limit)
        request.addfinalizer(lambda: teams.bind_seats(before))

    return give


@pytest.fixture
async def http(app: Api):
    async with client_of(app) as client:
        yield client


def at(domain: str) -> str:
    return f"{new_id().hex[-12:]}@{domain}"


async def an_owner(http: AsyncClient, mailbox: Mailbox, domain: str, **fields: Any) -> tuple[Person, str]:
    """Somebody of a domain whose team others of the domain join."""
    owner = await a_person(http, mailbox, at(domain))
    team = (await owner.send("POST", "/app/teams", {"name": "Acme"})).json()["id"]
    answer = await owner.send("PATCH", f"/app/teams/{team}", {"auto_join_domains": [domain], **fields})
    assert answer.status_code == 200, answer.text
    return owner, team


async def roles(owner: Person, team: str) -> dict[str, str]:
    listed = (await owner.get(f"/app/teams/{team}/members?size=100")).json()
    return {member["email"]: member["role"] for member in listed["items"]}


async def accepted_at_last(person: Somebody, token: str) -> Response:
    """Fifty are more than there are connections: who finds none in time is asked to try again, and does."""
    for _ in range(20):
        answer = await accept(person, token)
        if answer.status_code != 503:
            break
    return answer


async def test_fifty_who_accept_at_once_get_no_more_seats_than_there_are(
    app: Api, somebody, mailbox: Mailbox, seats
) -> None:
    owner = await somebody()
    team = await make_team(owner.client)
    people = [await somebody() for _ in range(50)]
    for person in people:
        await invite(owner.client, team, person.email)
    tokens = {mail.to: mail.token for mail in await mailbox.arrived()}
    seats(8)
    answers = await asyncio.gather(*(accepted_at_last(person, tokens[person.email]) for person in people))
    taken = [answer for answer in answers if answer.status_code == 200]
    full = [answer for answer in answers if answer.status_code != 200]
    assert len(taken) == 7
    for answer in full:
        refused(answer, 409, "SEAT_LIMIT_REACHED")
    assert len(await roles_in(owner.client, team)) == 8


async def test_who_found_no_seat_accepts_when_there_is_one(app: Api, somebody, mailbox: Mailbox, seats) -> None:
    owner, first, second = await somebody(), await somebody(), await somebody()
    team = await make_team(owner.client)
    tokens = [await invited(owner.client, team, person.email, mailbox) for person in (first, second)]
    seats(2)
    done(await accept(first, tokens[0]))
    refused(await accept(second, tokens[1]), 409, "SEAT_LIMIT_REACHED")
    done(await accept(first, tokens[0]))
    done(await first.client.delete(f"{TEAMS}/{team['id']}/members/{first.user_id}"))
    done(await accept(second, tokens[1]))


async def test_nobody_is_invited_while_all_seats_are_taken(somebody, seats) -> None:
    owner = await somebody()
    team = await make_team(owner.client)
    seats(1)
    answer = await owner.client.post(f"{TEAMS}/{team['id']}/invitations", json={"email": at("new.example")})
    refused(answer, 409, "SEAT_LIMIT_REACHED")
    assert answer.json()["error"]["details"] == {"seats": 1}


async def test_without_a_plan_the_setting_counts(somebody, request: pytest.FixtureRequest) -> None:
    before = load(TeamSettings)
    request.addfinalizer(lambda: use(before))
    owner = await somebody()
    team = await make_team(owner.client)
    for limit, status in ((1, 409), (2, 201), (0, 201)):
        use(before.model_copy(update={"team_seat_limit": limit}))
        answer = await owner.client.post(f"{TEAMS}/{team['id']}/invitations", json={"email": at("new.example")})
        assert answer.status_code == status, limit


async def test_who_proves_an_address_of_the_domain_joins(http, mailbox: Mailbox) -> None:
    owner, team = await an_owner(http, mailbox, "acme.example", auto_join_role="viewer")
    colleague = await a_person(http, mailbox, at("acme.example"))
    others = [await a_person(http, mailbox, at(domain)) for domain in ("sub.acme.example", "notacme.example")]
    assert await roles(owner, team) == {owner.email: "owner", colleague.email: "viewer"}
    for other in others:
        assert (await other.get(f"/app/teams/{team}")).status_code == 404


async def test_who_only_says_that_the_address_is_theirs_does_not_join(app: Api, http, somebody, mailbox) -> None:
    owner, team = await an_owner(http, mailbox, "acme.example")
    await somebody(email=at("acme.example"))
    assert list(await roles(owner, team)) == [owner.email]


async def test_who_moves_to_an_address_of_the_domain_joins(http, mailbox: Mailbox) -> None:
    owner, team = await an_owner(http, mailbox, "acme.example")
    person, to = await a_person(http, mailbox), at("acme.example")
    body = {"new_email": to, "current_password": person.password}
    assert (await person.send("POST", "/auth/email/change", body)).status_code == 202
    token = (await mailbox.latest(to)).token
    assert to not in await roles(owner, team)
    assert (await person.send("POST", "/auth/email/confirm", {"token": token})).status_code == 204
    assert (await roles(owner, team))[to] == "member"


async def test_joining_by_a_domain_takes_no_seat_that_is_not_there(http, mailbox: Mailbox, seats) -> None:
    owner, team = await an_owner(http, mailbox, "acme.example")
    seats(2)
    people = [await a_person(http, mailbox, at("acme.example")) for _ in range(3)]
    assert list(await roles(owner, team)) == [owner.email, people[0].email]
    assert (await people[2].get("/app/users/me")).status_code == 200


async def test_who_is_invited_as_well_joins_in_the_role_of_the_invitation(http, mailbox: Mailbox) -> None:
    owner, team = await an_owner(http, mailbox, "acme.example")
    email = at("acme.example")
    await owner.send("POST", f"/app/teams/{team}/invitations", {"email": email, "role": "admin"})
    await mailbox.arrived()
    await a_person(http, mailbox, email)
    assert (await roles(owner, team))[email] == "admin"
    assert (await owner.get(f"/app/teams/{team}/invitations")).json()["items"] == []


async def test_only_the_domain_of_ones_own_proven_address_lets_others_join(http, mailbox: Mailbox, somebody) -> None:
    owner = await a_person(http, mailbox, at("acme.example"))
    team = (await owner.send("POST", "/app/teams", {"name": "Acme"})).json()["id"]
    for domains, code in (
        (["rival.example"], "DOMAIN_NOT_PROVEN"),
        (["acme.example", "rival.example"], "DOMAIN_NOT_PROVEN"),
        (["sub.acme.example"], "DOMAIN_NOT_PROVEN"),
        (["gmail.com"], "PUBLIC_MAIL_DOMAIN"),
        (["nonsense"], "VALIDATION_ERROR"),
    ):
        refused(await owner.send("PATCH", f"/app/teams/{team}", {"auto_join_domains": domains}), 422, code)
    unproven = await somebody(email=at("acme.example"))
    theirs = await make_team(unproven.client)
    answer = await unproven.client.patch(f"{TEAMS}/{theirs['id']}", json={"auto_join_domains": ["acme.example"]})
    refused(answer, 422, "DOMAIN_NOT_PROVEN")


@pytest.mark.parametrize("domain", ["gmail.com", "outlook.com", "gmx.de", "proton.me", "qq.com", "hey.com"])
async def test_nobody_opens_a_team_to_everybody_with_a_public_address(http, mailbox: Mailbox, domain: str) -> None:
    owner = await a_person(http, mailbox, at(domain))
    team = (await owner.send("POST", "/app/teams", {"name": "Acme"})).json()["id"]
    answer = await owner.send("PATCH", f"/app/teams/{team}", {"auto_join_domains": [domain]})
    refused(answer, 422, "PUBLIC_MAIL_DOMAIN")


async def test_who_joins_by_a_domain_is_for_owners_to_say(app: Api, http, mailbox: Mailbox, somebody) -> None:
    owner, team = await an_owner(http, mailbox, "acme.example")
    admin = await somebody()
    await join(app, {"id": team}, admin, TeamRole.ADMIN)
    for body in ({"auto_join_domains": []}, {"auto_join_role": "admin"}):
        refused(await admin.client.patch(f"{TEAMS}/{team}", json=body), 403, "PERMISSION_DENIED")
    for role, code in (("owner", "VALIDATION_ERROR"), ("ghost", "UNKNOWN_ROLE")):
        refused(await owner.send("PATCH", f"/app/teams/{team}", {"auto_join_role": role}), 422, code)
    me = (await owner.get("/app/teams?sort=created_at")).json()["items"][0]
    assert me["is_personal"]
    answer = await owner.send("PATCH", f"/app/teams/{me['id']}", {"auto_join_domains": ["acme.example"]})
    refused(answer, 409, "PERSONAL_TEAM")
