"""Invitations: who may send and who may accept them, and what happens when several things happen at once."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from httpx import AsyncClient
from sqlalchemy import text

from tests.modules.auth.people import Mailbox, new_address
from tests.modules.teams.acts import (
    TEAMS,
    accept,
    done,
    invite,
    invited,
    join,
    make_role,
    make_team,
    refused,
    roles_in,
)
from undercroft.core.auth import permissions
from undercroft.core.auth.permissions import TeamRole
from undercroft.core.http.application import Api
from undercroft.core.http.settings import HttpSettings
from undercroft.core.settings import load, use
from undercroft.jobs import enqueue
from undercroft.modules.teams.settings import TeamSettings
from undercroft.modules.teams.tasks import clean_up, send_invitation
from undercroft.testing.jobs import JobsInTest
from undercroft.testing.people import Person

LOOKUP = "/api/v1/public/invitations/lookup"
READABLE = (
    "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace "
    "AND has_table_privilege(oid, 'SELECT')"
)


async def sql(app: Api, statement: str, **values: Any) -> list[Any]:
    async with app.state.database.session() as session:
        answer = await session.execute(text(statement), values)
        return list(answer.all()) if answer.returns_rows else []


async def test_who_is_invited_joins_in_the_role_by_the_mailed_link(somebody, mailbox: Mailbox) -> None:
    owner, guest = await somebody(), await somebody()
    team = await make_team(owner.client)
    await make_role(owner.client, team, "reader", "teams:read", "projects:read")
    await invite(owner.client, team, guest.email.upper(), "reader")
    mail = await mailbox.latest(guest.email)
    assert "Acme" in mail.text
    assert "Acme" not in mail.subject
    assert "reader" in mail.text
    joined = done(await accept(guest, mail.token))
    assert (joined["id"], joined["role"]) == (team["id"], "reader")
    assert (await roles_in(owner.client, team))[guest.email] == "reader"
    listed = done(await owner.client.get(f"{TEAMS}/{team['id']}/invitations"))
    assert listed["items"] == []


async def test_the_token_is_kept_as_its_hash_alone(app: Api, somebody, mailbox: Mailbox) -> None:
    owner = await somebody()
    token = await invited(owner.client, await make_team(owner.client), new_address(), mailbox)
    tables = [row[0] for row in await sql(app, READABLE)]
    assert "team_invitations" in tables
    for table in tables:
        found = await sql(app, f"SELECT 1 FROM {table} AS t WHERE t::text LIKE :token", token=f"%{token}%")
        assert found == [], table


async def test_accepting_again_changes_nothing_and_only_who_accepted_may(somebody, mailbox: Mailbox) -> None:
    owner, guest, other = await somebody(), await somebody(), await somebody()
    team = await make_team(owner.client)
    token = await invited(owner.client, team, guest.email, mailbox)
    first, second = done(await accept(guest, token)), done(await accept(guest, token))
    assert first["role"] == second["role"] == "member"
    refused(await accept(other, token), 403, "INVITATION_FOR_ANOTHER")
    done(await owner.client.delete(f"{TEAMS}/{team['id']}/members/{guest.user_id}"))
    refused(await accept(guest, token), 400, "INVITATION_INVALID")
    assert guest.email not in await roles_in(owner.client, team)


async def test_only_the_invited_address_may_accept(somebody, mailbox: Mailbox) -> None:
    owner, other = await somebody(), await somebody()
    team = await make_team(owner.client)
    token = await invited(owner.client, team, new_address(), mailbox)
    refused(await accept(other, token), 403, "INVITATION_FOR_ANOTHER")
    refused(await accept(owner, token), 403, "INVITATION_FOR_ANOTHER")
    assert len(await roles_in(owner.client, team)) == 1


@pytest.mark.parametrize("token", ["x", "hTq1nYk3Vb0fJ7cD2sXwR9mZpL4uEoG6aTiQyB8vKjE", "\x00", "é" * 200])
async def test_a_token_that_is_none_opens_nothing(client: AsyncClient, somebody, token: str) -> None:
    person = await somebody()
    refused(await accept(person, token), 400, "INVITATION_INVALID")
    refused(await client.post(LOOKUP, json={"token": token}), 400, "INVITATION_INVALID")


async def test_an_invitation_runs_out(app: Api, somebody, mailbox: Mailbox) -> None:
    owner, guest = await somebody(), await somebody()
    team = await make_team(owner.client)
    token = await invited(owner.client, team, guest.email, mailbox)
    await sql(app, "UPDATE team_invitations SET expires_at = now() - interval '1 second'")
    refused(await accept(guest, token), 400, "INVITATION_INVALID")
    (listed,) = done(await owner.client.get(f"{TEAMS}/{team['id']}/invitations"))["items"]
    assert listed["expired"]


async def test_a_new_invitation_replaces_the_one_that_waits(somebody, mailbox: Mailbox) -> None:
    owner, guest = await somebody(), await somebody()
    team = await make_team(owner.client)
    first = await invited(owner.client, team, guest.email, mailbox, "viewer")
    second = await invited(owner.client, team, guest.email, mailbox, "admin")
    (listed,) = done(await owner.client.get(f"{TEAMS}/{team['id']}/invitations"))["items"]
    assert listed["role"] == "admin"
    refused(await accept(guest, first), 400, "INVITATION_INVALID")
    assert done(await accept(guest, second))["role"] == "admin"


async def test_sending_again_makes_a_new_link_and_a_new_time(app: Api, somebody, mailbox: Mailbox) -> None:
    owner, guest = await somebody(), await somebody()
    team = await make_team(owner.client)
    made = await invite(owner.client, team, guest.email)
    first = (await mailbox.latest(guest.email)).token
    await sql(app, "UPDATE team_invitations SET expires_at = now() - interval '1 second'")
    address = f"{TEAMS}/{team['id']}/invitations/{made['id']}"
    sent = done(await owner.client.post(f"{address}/resend"))
    assert not sent["expired"]
    second = (await mailbox.latest(guest.email)).token
    refused(await accept(guest, first), 400, "INVITATION_INVALID")
    done(await accept(guest, second))
    refused(await owner.client.post(f"{address}/resend"), 404, "INVITATION_NOT_FOUND")


async def test_a_mail_that_is_sent_twice_works_twice(somebody, mailbox: Mailbox, app: Api) -> None:
    """A worker that dies after sending sends again: whichever mail is opened, its link is good."""
    owner, guest = await somebody(), await somebody()
    team = await make_team(owner.client)
    made = await invite(owner.client, team, guest.email)
    token = (await mailbox.latest(guest.email)).token
    async with app.state.database.session() as session:
        await enqueue(session, send_invitation, invitation_id=UUID(made["id"]))
    again = (await mailbox.latest(guest.email)).token
    assert token != again
    done(await accept(guest, token))
    done(await accept(guest, again))


async def test_a_revoked_invitation_is_void_and_no_mail_goes_out_any_more(somebody, mailbox: Mailbox) -> None:
    owner, guest, late = await somebody(), await somebody(), new_address()
    team = await make_team(owner.client)
    made = await invite(owner.client, team, guest.email)
    token = (await mailbox.latest(guest.email)).token
    address = f"{TEAMS}/{team['id']}/invitations"
    assert (await owner.client.delete(f"{address}/{made['id']}")).status_code == 204
    refused(await owner.client.delete(f"{address}/{made['id']}"), 404, "INVITATION_NOT_FOUND")
    refused(await accept(guest, token), 400, "INVITATION_INVALID")
    unsent = await invite(owner.client, team, late)
    done(await owner.client.delete(f"{address}/{unsent['id']}"))
    assert await mailbox.arrived(late) == []


async def test_inviting_tells_members_from_others_and_nothing_else(somebody, mailbox: Mailbox) -> None:
    owner, known = await somebody(), await somebody()
    team = await make_team(owner.client)
    address = f"{TEAMS}/{team['id']}/invitations"
    refused(await owner.client.post(address, json={"email": owner.email}), 409, "ALREADY_MEMBER")
    answers = [await invite(owner.client, team, email) for email in (known.email, new_address())]
    told = [{key: value for key, value in answer.items() if key in ("role", "expired")} for answer in answers]
    assert told[0] == told[1]
    assert answers[0].keys() == answers[1].keys()
    mails = await mailbox.arrived()
    assert len({mail.text.replace(mail.token, "") for mail in mails}) == 1


async def test_known_and_unknown_addresses_take_the_same_statements(somebody, statements) -> None:
    owner, known = await somebody(), await somebody()
    team = await make_team(owner.client)
    counted = []
    for email in (known.email, new_address()):
        await statements.clear()
        await invite(owner.client, team, email)
        counted.append([" ".join(each.split())[:60] for each in await statements.recorded()])
    assert counted[0] == counted[1]


async def test_the_holder_of_a_link_is_told_what_it_leads_to(client: AsyncClient, somebody, mailbox: Mailbox) -> None:
    owner, guest = await somebody(), await somebody()
    team = await make_team(owner.client)
    for email, has_account in ((guest.email, True), (new_address(), False)):
        token = await invited(owner.client, team, email, mailbox)
        told = done(await client.post(LOOKUP, json={"token": token}))
        assert (told["team_name"], told["email"], told["has_account"]) == ("Acme", email, has_account)


async def test_a_personal_team_invites_nobody(somebody) -> None:
    person = await somebody()
    address = f"{TEAMS}/{person.team_id}/invitations"
    refused(await person.client.post(address, json={"email": new_address()}), 409, "PERSONAL_TEAM")


async def test_a_deleted_team_takes_nobody_in_and_a_restored_one_does(somebody, mailbox: Mailbox) -> None:
    owner, guest = await somebody(), await somebody()
    team = await make_team(owner.client)
    token = await invited(owner.client, team, guest.email, mailbox)
    done(await owner.client.delete(f"{TEAMS}/{team['id']}"))
    refused(await accept(guest, token), 400, "INVITATION_INVALID")
    done(await owner.client.post(f"{TEAMS}/{team['id']}/restore"))
    done(await accept(guest, token))


async def test_invitations_of_who_is_removed_are_void(app: Api, somebody, mailbox: Mailbox) -> None:
    owner, admin, guest = await somebody(), await somebody(), await somebody()
    team = await make_team(owner.client)
    await join(app, team, admin, TeamRole.ADMIN)
    token = await invited(admin.client, team, guest.email, mailbox, "admin")
    done(await owner.client.delete(f"{TEAMS}/{team['id']}/members/{admin.user_id}"))
    refused(await accept(guest, token), 400, "INVITATION_INVALID")


async def test_invitations_that_a_member_could_not_send_in_a_new_role_are_revoked(
    app: Api, somebody, mailbox: Mailbox
) -> None:
    owner, admin, heir, strong, weak, bystander = [await somebody() for _ in range(6)]
    team = await make_team(owner.client)
    await join(app, team, admin, TeamRole.ADMIN)
    await join(app, team, heir, TeamRole.MEMBER)
    await make_role(owner.client, team, "inviter", "teams:read", "projects:read", "invitations:write", "audit:read")
    strongly = await invited(admin.client, team, strong.email, mailbox, "admin")
    weakly = await invited(admin.client, team, weak.email, mailbox, "inviter")
    untouched = await invited(owner.client, team, bystander.email, mailbox, "admin")
    done(await owner.client.patch(f"{TEAMS}/{team['id']}/members/{admin.user_id}", json={"role": "inviter"}))
    refused(await accept(strong, strongly), 400, "INVITATION_INVALID")
    done(await accept(weak, weakly))
    stronger = await invited(owner.client, team, strong.email, mailbox, "owner")
    done(await owner.client.post(f"{TEAMS}/{team['id']}/transfer", json={"user_id": str(heir.user_id)}))
    refused(await accept(strong, stronger), 400, "INVITATION_INVALID")
    done(await accept(bystander, untouched))
    entries = done(await heir.client.get(f"{TEAMS}/{team['id']}/audit-logs"))["items"]
    assert [(each["action"], each["details"]) for each in entries if "revoked_invitations" in each["details"]] == [
        ("team.transferred", {"revoked_invitations": 1}),
        ("member.role_changed", {"revoked_invitations": 1}),
    ]


async def test_member_who_may_not_invite_any_more_leaves_no_invitations(app: Api, somebody, mailbox: Mailbox) -> None:
    owner, admin, guest, other = [await somebody() for _ in range(4)]
    team = await make_team(owner.client)
    await join(app, team, admin, TeamRole.ADMIN)
    token = await invited(admin.client, team, guest.email, mailbox, "viewer")
    untouched = await invited(owner.client, team, other.email, mailbox, "viewer")
    done(await owner.client.patch(f"{TEAMS}/{team['id']}/members/{admin.user_id}", json={"role": "member"}))
    refused(await accept(guest, token), 400, "INVITATION_INVALID")
    done(await accept(other, untouched))


@pytest.mark.parametrize(
    ("role", "permissions"),
    [
        ("inviter", ["teams:read", "projects:read"]),
        ("inviter", ["teams:read", "invitations:write"]),
        ("guest", ["teams:read", "projects:read", "projects:write"]),
    ],
)
async def test_changed_role_revokes_what_its_members_could_not_send_any_more(
    app: Api, somebody, mailbox: Mailbox, role: str, permissions: list[str]
) -> None:
    """The sender's role loses the right to invite or what it offers, or the role that is offered grows beyond it."""
    owner, sender, guest, other = [await somebody() for _ in range(4)]
    team = await make_team(owner.client)
    roles = {
        "inviter": await make_role(owner.client, team, "inviter", "teams:read", "projects:read", "invitations:write"),
        "guest": await make_role(owner.client, team, "guest", "teams:read", "projects:read"),
    }
    await join(app, team, sender, "inviter")
    token = await invited(sender.client, team, guest.email, mailbox, "guest")
    untouched = await invited(owner.client, team, other.email, mailbox, "guest")
    path = f"{TEAMS}/{team['id']}/roles/{roles[role]['id']}"
    done(await owner.client.patch(path, json={"description": "Unchanged rights."}))
    assert done(await owner.client.get(f"{TEAMS}/{team['id']}/invitations"))["total"] == 2
    done(await owner.client.patch(path, json={"permissions": permissions}))
    (left,) = done(await owner.client.get(f"{TEAMS}/{team['id']}/invitations"))["items"]
    assert left["email"] == other.email
    refused(await accept(guest, token), 400, "INVITATION_INVALID")
    done(await accept(other, untouched))


async def test_renamed_role_revokes_no_invitation(app: Api, somebody, mailbox: Mailbox) -> None:
    owner, sender, guest = [await somebody() for _ in range(3)]
    team = await make_team(owner.client)
    role = await make_role(owner.client, team, "inviter", "teams:read", "invitations:write")
    await join(app, team, sender, "inviter")
    token = await invited(sender.client, team, guest.email, mailbox, "inviter")
    done(await owner.client.patch(f"{TEAMS}/{team['id']}/roles/{role['id']}", json={"name": "scout"}))
    assert done(await accept(guest, token))["role"] == "scout"


async def test_invitation_is_invalid_when_a_permission_of_the_sender_is_not_declared_any_more(
    app: Api, somebody, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, sender, guest = [await somebody() for _ in range(3)]
    team = await make_team(owner.client)
    await make_role(owner.client, team, "inviter", "teams:read", "invitations:write")
    await make_role(owner.client, team, "guest", "teams:read")
    await join(app, team, sender, "inviter")
    token = await invited(sender.client, team, guest.email, mailbox, "guest")
    with monkeypatch.context() as patch:
        patch.delitem(permissions._declared, "invitations:write")
        permissions.granted.cache_clear()
        refused(await accept(guest, token), 400, "INVITATION_INVALID")
    permissions.granted.cache_clear()
    done(await accept(guest, token))


async def test_invitation_of_a_deactivated_sender_waits_for_the_account(
    app: Api, somebody, mailbox: Mailbox, admin: AsyncClient
) -> None:
    owner, sender, guest, other = [await somebody() for _ in range(4)]
    team = await make_team(owner.client)
    await join(app, team, sender, TeamRole.ADMIN)
    token = await invited(sender.client, team, guest.email, mailbox)
    untouched = await invited(owner.client, team, other.email, mailbox)
    done(await admin.post(f"/api/v1/admin/users/{sender.user_id}/deactivate"))
    refused(await accept(guest, token), 400, "INVITATION_INVALID")
    done(await accept(other, untouched))
    done(await admin.post(f"/api/v1/admin/users/{sender.user_id}/activate"))
    done(await accept(guest, token))


async def test_strangers_see_no_invitation(user: AsyncClient, stranger: AsyncClient) -> None:
    mine, theirs = await make_team(user), await make_team(stranger)
    made = await invite(stranger, theirs, new_address())
    for team in (mine, theirs):
        path = f"{TEAMS}/{team['id']}/invitations/{made['id']}"
        for answer in (await user.delete(path), await user.post(f"{path}/resend")):
            assert answer.status_code == 404
    assert (await user.get(f"{TEAMS}/{theirs['id']}/invitations")).status_code == 404


async def test_the_list_takes_the_same_statements_however_many_there_are(
    user: AsyncClient, statements, rows_secured: bool
) -> None:
    team = await make_team(user)
    for _ in range(4):
        await invite(user, team, new_address())
    await statements.clear()
    listed = done(await user.get(f"{TEAMS}/{team['id']}/invitations", params={"size": 3}))
    assert len(await statements.recorded()) <= 3 + 2 * rows_secured
    assert (listed["total"], len(listed["items"])) == (4, 3)


@pytest.fixture
def limited() -> Iterator[None]:
    """Rates as in production."""
    before = load(HttpSettings)
    use(before.model_copy(update={"rate_limit_scale": 1}))
    yield
    use(before)


async def send(person: Person, team: dict[str, Any], email: str) -> int:
    answer = await person.client.post(f"{TEAMS}/{team['id']}/invitations", json={"email": email})
    if answer.status_code == 429:
        refused(answer, 429, "TOO_MANY_REQUESTS")
        assert int(answer.headers["retry-after"]) > 0
    return answer.status_code


async def age(app: Api, person: Person) -> None:
    """An account that is older than a week."""
    await sql(app, "UPDATE users SET created_at = now() - interval '8 days' WHERE id = :id", id=person.user_id)


@pytest.mark.usefixtures("limited")
async def test_address_is_sent_few_invitations_however_many_users_invite_it(app: Api, somebody) -> None:
    email, answers = new_address(), []
    for _ in range(6):
        person = await somebody()
        answers.append(await send(person, await make_team(person.client), email))
    assert answers == [201] * 5 + [429]


@pytest.mark.usefixtures("limited")
async def test_fresh_account_sends_few_invitations_whatever_the_team(app: Api, somebody) -> None:
    fresh, old = await somebody(), await somebody()
    await age(app, old)
    for person, allowed in ((fresh, 10), (old, 12)):
        teams = [await make_team(person.client), await make_team(person.client)]
        answers = [await send(person, teams[number % 2], new_address()) for number in range(12)]
        assert answers == [201] * allowed + [429] * (12 - allowed)


@pytest.mark.usefixtures("limited")
async def test_team_sends_the_same_address_one_invitation_in_an_interval(app: Api, somebody) -> None:
    owner, email = await somebody(), new_address()
    team, other = await make_team(owner.client), await make_team(owner.client)
    made = await invite(owner.client, team, email)
    assert await send(owner, team, email) == 429
    resent = await owner.client.post(f"{TEAMS}/{team['id']}/invitations/{made['id']}/resend")
    refused(resent, 429, "TOO_MANY_REQUESTS")
    assert await send(owner, team, new_address()) == 201
    assert await send(owner, other, email) == 201


@pytest.mark.usefixtures("limited")
async def test_team_sends_a_bounded_number_of_invitations_a_day(app: Api, somebody, request) -> None:
    before = load(TeamSettings)
    request.addfinalizer(lambda: use(before))
    use(before.model_copy(update={"rate_limit_team_invitations": "3/day"}))
    owner, admin = await somebody(), await somebody()
    team, other = await make_team(owner.client), await make_team(owner.client)
    await join(app, team, admin, TeamRole.ADMIN)
    answers = [await send(person, team, new_address()) for person in (owner, admin, owner, admin)]
    assert answers == [201, 201, 201, 429]
    assert await send(owner, other, new_address()) == 201


LURES = [
    "verify at http://evil.example/x",
    "evil.example",
    "Log in: HTTPS://evil.example",
    "write to phisher@evil.example",
    "evil\u3002example now",
    "\uff45\uff56\uff49\uff4c\uff0e\uff45\uff58ample",
]


@pytest.mark.parametrize("lure", LURES)
async def test_invitation_email_holds_no_link_or_address_that_a_user_typed(
    somebody, mailbox: Mailbox, lure: str
) -> None:
    owner, guest = await somebody(), new_address()
    done(await owner.client.patch("/api/v1/app/users/me", json={"full_name": lure}))
    await invite(owner.client, await make_team(owner.client, name=lure), guest)
    mail = await mailbox.latest(guest)
    assert "evil" not in mail.text.lower()
    assert lure not in mail.subject
    assert owner.email in mail.text


async def test_long_names_are_shortened_in_an_invitation_email(somebody, mailbox: Mailbox) -> None:
    owner, guest = await somebody(), new_address()
    done(await owner.client.patch("/api/v1/app/users/me", json={"full_name": "Ada " * 40}))
    await invite(owner.client, await make_team(owner.client, name="x" * 100), guest)
    text = (await mailbox.latest(guest)).text
    assert "“" + "x" * 59 + "…”" in text
    assert "Ada " * 20 not in text


async def test_an_invitation_accepted_many_times_at_once_makes_one_member(app: Api, somebody, mailbox: Mailbox) -> None:
    owner, guest = await somebody(), await somebody()
    team = await make_team(owner.client)
    token = await invited(owner.client, team, guest.email, mailbox)
    answers = await asyncio.gather(*(accept(guest, token) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    count = "SELECT count(*) FROM memberships WHERE team_id = CAST(:team AS uuid)"
    assert await sql(app, count, team=team["id"]) == [(2,)]
    entries = "SELECT count(*) FROM audit_entries WHERE action = 'invitation.accepted'"
    assert await sql(app, entries) == [(1,)]


async def test_accepting_and_revoking_at_once_one_of_them_wins(somebody, mailbox: Mailbox) -> None:
    for _ in range(6):
        owner, guest = await somebody(), await somebody()
        team = await make_team(owner.client)
        made = await invite(owner.client, team, guest.email)
        token = (await mailbox.latest(guest.email)).token
        revoked, accepted = await asyncio.gather(
            owner.client.delete(f"{TEAMS}/{team['id']}/invitations/{made['id']}"), accept(guest, token)
        )
        assert (revoked.status_code, accepted.status_code) in {(204, 400), (404, 200)}
        assert (guest.email in await roles_in(owner.client, team)) == (accepted.status_code == 200)


async def test_what_is_long_over_is_forgotten(app: Api, somebody, mailbox: Mailbox, jobs: JobsInTest) -> None:
    owner, guest = await somebody(), await somebody()
    team = await make_team(owner.client)
    await accept(guest, await invited(owner.client, team, guest.email, mailbox))
    await invite(owner.client, team, new_address())
    recent = await invite(owner.client, team, new_address())
    long_ago = "now() - interval '31 days'"
    await sql(app, f"UPDATE team_invitations SET accepted_at = {long_ago} WHERE accepted_at IS NOT NULL")
    await sql(
        app, f"UPDATE team_invitations SET expires_at = {long_ago} WHERE id <> CAST(:id AS uuid)", id=recent["id"]
    )
    async with app.state.database.session() as session:
        await enqueue(session, clean_up)
    await jobs.run_all()
    assert [str(row[0]) for row in await sql(app, "SELECT id FROM team_invitations")] == [recent["id"]]


async def test_every_change_leaves_one_entry_without_the_address(app: Api, somebody, mailbox: Mailbox) -> None:
    owner, guest = await somebody(), await somebody()
    team = await make_team(owner.client)
    made = await invite(owner.client, team, guest.email)
    address = f"{TEAMS}/{team['id']}/invitations/{made['id']}"
    done(await owner.client.post(f"{address}/resend"))
    refused(
        await owner.client.post(f"{TEAMS}/{team['id']}/invitations", json={"email": owner.email}), 409, "ALREADY_MEMBER"
    )
    done(await accept(guest, (await mailbox.latest(guest.email)).token))
    rows = await sql(
        app,
        "SELECT action, user_id, target_id, t::text FROM audit_entries AS t "
        "WHERE team_id = CAST(:team AS uuid) ORDER BY id",
        team=team["id"],
    )
    assert [row[0] for row in rows] == [
        "team.created",
        "invitation.created",
        "invitation.resent",
        "invitation.accepted",
    ]
    assert [row[1] for row in rows] == [owner.user_id] * 3 + [guest.user_id]
    assert {str(row[2]) for row in rows[1:]} == {made["id"]}
    assert not any(guest.email in row[3] for row in rows)


def test_an_invitation_works_for_a_week_unless_told_otherwise() -> None:
    assert TeamSettings().invitation_life == timedelta(days=7)
