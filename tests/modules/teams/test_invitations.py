"""Invitations: permissions to send and accept them, limits, and concurrent changes."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from httpx2 import AsyncClient
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
from undercroft.core.auth.permissions import Permissions, list_permissions
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.core.http.settings import HttpSettings
from undercroft.core.settings import load, use
from undercroft.jobs import enqueue
from undercroft.modules.teams.models import TeamRole
from undercroft.modules.teams.settings import TeamSettings
from undercroft.modules.teams.tasks import clean_up, send_invitation
from undercroft.testing import replace_component
from undercroft.testing.jobs import CapturedJobs
from undercroft.testing.users import SignedInUser

LOOKUP = "/api/v1/public/invitations/lookup"
READABLE = (
    "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace "
    "AND has_table_privilege(oid, 'SELECT')"
)


async def sql(app: Api, statement: str, **values: Any) -> list[Any]:
    async with app.context.get(Database).session() as session:
        response = await session.execute(text(statement), values)
        return list(response.all()) if response.returns_rows else []


async def test_invited_user_joins_in_the_role_through_the_emailed_link(create_user, mailbox: Mailbox) -> None:
    owner, guest = await create_user(), await create_user()
    team = await make_team(owner.client)
    await make_role(owner.client, team, "reader", "teams:read", "audit:read")
    await invite(owner.client, team, guest.email.upper(), "reader")
    mail = await mailbox.latest(guest.email)
    assert "Acme" in mail.text
    assert "Acme" not in mail.subject
    assert "reader" in mail.text
    joined = assert_success(await accept_invitation(guest, mail.token))
    assert (joined["id"], joined["role"]) == (team["id"], "reader")
    assert (await list_member_roles(owner.client, team))[guest.email] == "reader"
    listed = assert_success(await owner.client.get(f"{TEAMS}/{team['id']}/invitations"))
    assert listed["items"] == []


async def test_invitation_token_is_stored_only_as_a_hash(app: Api, create_user, mailbox: Mailbox) -> None:
    owner = await create_user()
    token = await invite_and_get_token(owner.client, await make_team(owner.client), new_email(), mailbox)
    tables = [row[0] for row in await sql(app, READABLE)]
    assert "team_invitations" in tables
    for table in tables:
        rows = await sql(app, f"SELECT 1 FROM {table} AS t WHERE t::text LIKE :token", token=f"%{token}%")
        assert rows == [], table


async def test_accepting_again_changes_nothing_and_is_refused_to_other_users(create_user, mailbox: Mailbox) -> None:
    owner, guest, other = await create_user(), await create_user(), await create_user()
    team = await make_team(owner.client)
    token = await invite_and_get_token(owner.client, team, guest.email, mailbox)
    first, second = (
        assert_success(await accept_invitation(guest, token)),
        assert_success(await accept_invitation(guest, token)),
    )
    assert first["role"] == second["role"] == "member"
    assert_error(await accept_invitation(other, token), 403, "INVITATION_EMAIL_MISMATCH")
    assert_success(await owner.client.delete(f"{TEAMS}/{team['id']}/members/{guest.user_id}"))
    assert_error(await accept_invitation(guest, token), 400, "INVITATION_INVALID")
    assert guest.email not in await list_member_roles(owner.client, team)


async def test_invitation_is_refused_to_another_address(create_user, mailbox: Mailbox) -> None:
    owner, other = await create_user(), await create_user()
    team = await make_team(owner.client)
    token = await invite_and_get_token(owner.client, team, new_email(), mailbox)
    assert_error(await accept_invitation(other, token), 403, "INVITATION_EMAIL_MISMATCH")
    assert_error(await accept_invitation(owner, token), 403, "INVITATION_EMAIL_MISMATCH")
    assert len(await list_member_roles(owner.client, team)) == 1


@pytest.mark.parametrize("token", ["x", "hTq1nYk3Vb0fJ7cD2sXwR9mZpL4uEoG6aTiQyB8vKjE", "\x00", "é" * 200])
async def test_malformed_token_is_refused(client: AsyncClient, create_user, token: str) -> None:
    user = await create_user()
    assert_error(await accept_invitation(user, token), 400, "INVITATION_INVALID")
    assert_error(await client.post(LOOKUP, json={"token": token}), 400, "INVITATION_INVALID")


async def test_expired_invitation_is_invalid(app: Api, create_user, mailbox: Mailbox) -> None:
    owner, guest = await create_user(), await create_user()
    team = await make_team(owner.client)
    token = await invite_and_get_token(owner.client, team, guest.email, mailbox)
    await sql(app, "UPDATE team_invitations SET expires_at = now() - interval '1 second'")
    assert_error(await accept_invitation(guest, token), 400, "INVITATION_INVALID")
    (listed,) = assert_success(await owner.client.get(f"{TEAMS}/{team['id']}/invitations"))["items"]
    assert listed["expired"]


async def test_new_invitation_replaces_the_pending_one(create_user, mailbox: Mailbox) -> None:
    owner, guest = await create_user(), await create_user()
    team = await make_team(owner.client)
    first = await invite_and_get_token(owner.client, team, guest.email, mailbox, "viewer")
    second = await invite_and_get_token(owner.client, team, guest.email, mailbox, "admin")
    (listed,) = assert_success(await owner.client.get(f"{TEAMS}/{team['id']}/invitations"))["items"]
    assert listed["role"] == "admin"
    assert_error(await accept_invitation(guest, first), 400, "INVITATION_INVALID")
    assert assert_success(await accept_invitation(guest, second))["role"] == "admin"


async def test_resend_issues_a_new_link_and_a_later_expiry(app: Api, create_user, mailbox: Mailbox) -> None:
    owner, guest = await create_user(), await create_user()
    team = await make_team(owner.client)
    created = await invite(owner.client, team, guest.email)
    first = (await mailbox.latest(guest.email)).token
    await sql(app, "UPDATE team_invitations SET expires_at = now() - interval '1 second'")
    address = f"{TEAMS}/{team['id']}/invitations/{created['id']}"
    sent = assert_success(await owner.client.post(f"{address}/resend"))
    assert not sent["expired"]
    second = (await mailbox.latest(guest.email)).token
    assert_error(await accept_invitation(guest, first), 400, "INVITATION_INVALID")
    assert_success(await accept_invitation(guest, second))
    assert_error(await owner.client.post(f"{address}/resend"), 404, "INVITATION_NOT_FOUND")


async def test_both_links_work_when_the_email_is_sent_twice(create_user, mailbox: Mailbox, app: Api) -> None:
    """A worker that dies after sending sends the email again; the link of either email works."""
    owner, guest = await create_user(), await create_user()
    team = await make_team(owner.client)
    created = await invite(owner.client, team, guest.email)
    token = (await mailbox.latest(guest.email)).token
    async with app.context.get(Database).session() as session:
        await enqueue(session, send_invitation, invitation_id=UUID(created["id"]))
    again = (await mailbox.latest(guest.email)).token
    assert token != again
    assert_success(await accept_invitation(guest, token))
    assert_success(await accept_invitation(guest, again))


async def test_revoked_invitation_is_invalid_and_not_emailed(create_user, mailbox: Mailbox) -> None:
    owner, guest, late = await create_user(), await create_user(), new_email()
    team = await make_team(owner.client)
    created = await invite(owner.client, team, guest.email)
    token = (await mailbox.latest(guest.email)).token
    address = f"{TEAMS}/{team['id']}/invitations"
    assert (await owner.client.delete(f"{address}/{created['id']}")).status_code == 204
    assert_error(await owner.client.delete(f"{address}/{created['id']}"), 404, "INVITATION_NOT_FOUND")
    assert_error(await accept_invitation(guest, token), 400, "INVITATION_INVALID")
    unsent = await invite(owner.client, team, late)
    assert_success(await owner.client.delete(f"{address}/{unsent['id']}"))
    assert await mailbox.list_new(late) == []


async def test_invitation_response_reveals_only_whether_the_address_is_a_member(create_user, mailbox: Mailbox) -> None:
    owner, known = await create_user(), await create_user()
    team = await make_team(owner.client)
    address = f"{TEAMS}/{team['id']}/invitations"
    assert_error(await owner.client.post(address, json={"email": owner.email}), 409, "ALREADY_MEMBER")
    responses = [await invite(owner.client, team, email) for email in (known.email, new_email())]
    reported = [{key: value for key, value in response.items() if key in ("role", "expired")} for response in responses]
    assert reported[0] == reported[1]
    assert responses[0].keys() == responses[1].keys()
    mails = await mailbox.list_new()
    assert len({mail.text.replace(mail.token, "") for mail in mails}) == 1


async def test_inviting_known_and_unknown_addresses_runs_the_same_statements(create_user, statements) -> None:
    owner, known = await create_user(), await create_user()
    team = await make_team(owner.client)
    counted = []
    for email in (known.email, new_email()):
        await statements.clear()
        await invite(owner.client, team, email)
        counted.append([" ".join(each.split())[:60] for each in await statements.get_all()])
    assert counted[0] == counted[1]


async def test_lookup_describes_the_invitation_of_a_link(client: AsyncClient, create_user, mailbox: Mailbox) -> None:
    owner, guest = await create_user(), await create_user()
    team = await make_team(owner.client)
    for email, has_account in ((guest.email, True), (new_email(), False)):
        token = await invite_and_get_token(owner.client, team, email, mailbox)
        reported = assert_success(await client.post(LOOKUP, json={"token": token}))
        assert (reported["team_name"], reported["email"], reported["has_account"]) == ("Acme", email, has_account)


async def test_personal_team_cannot_invite(create_user) -> None:
    user = await create_user()
    address = f"{TEAMS}/{user.team_id}/invitations"
    assert_error(await user.client.post(address, json={"email": new_email()}), 409, "PERSONAL_TEAM")


async def test_invitation_of_a_deleted_team_works_only_after_its_restoration(create_user, mailbox: Mailbox) -> None:
    owner, guest = await create_user(), await create_user()
    team = await make_team(owner.client)
    token = await invite_and_get_token(owner.client, team, guest.email, mailbox)
    assert_success(await owner.client.delete(f"{TEAMS}/{team['id']}"))
    assert_error(await accept_invitation(guest, token), 400, "INVITATION_INVALID")
    assert_success(await owner.client.post(f"{TEAMS}/{team['id']}/restore"))
    assert_success(await accept_invitation(guest, token))


async def test_invitations_of_a_removed_member_are_revoked(app: Api, create_user, mailbox: Mailbox) -> None:
    owner, admin, guest = await create_user(), await create_user(), await create_user()
    team = await make_team(owner.client)
    await add_member(app, team, admin, TeamRole.ADMIN)
    token = await invite_and_get_token(admin.client, team, guest.email, mailbox, "admin")
    assert_success(await owner.client.delete(f"{TEAMS}/{team['id']}/members/{admin.user_id}"))
    assert_error(await accept_invitation(guest, token), 400, "INVITATION_INVALID")


async def test_invitations_that_a_member_could_not_send_in_a_new_role_are_revoked(
    app: Api, create_user, mailbox: Mailbox
) -> None:
    owner, admin, new_owner, strong, weak, bystander = [await create_user() for _ in range(6)]
    team = await make_team(owner.client)
    await add_member(app, team, admin, TeamRole.ADMIN)
    await add_member(app, team, new_owner, TeamRole.MEMBER)
    await make_role(owner.client, team, "inviter", "teams:read", "invitations:write", "audit:read")
    strong_token = await invite_and_get_token(admin.client, team, strong.email, mailbox, "admin")
    weak_token = await invite_and_get_token(admin.client, team, weak.email, mailbox, "inviter")
    other_token = await invite_and_get_token(owner.client, team, bystander.email, mailbox, "admin")
    assert_success(await owner.client.patch(f"{TEAMS}/{team['id']}/members/{admin.user_id}", json={"role": "inviter"}))
    assert_error(await accept_invitation(strong, strong_token), 400, "INVITATION_INVALID")
    assert_success(await accept_invitation(weak, weak_token))
    owner_token = await invite_and_get_token(owner.client, team, strong.email, mailbox, "owner")
    assert_success(await owner.client.post(f"{TEAMS}/{team['id']}/transfer", json={"user_id": str(new_owner.user_id)}))
    assert_error(await accept_invitation(strong, owner_token), 400, "INVITATION_INVALID")
    assert_success(await accept_invitation(bystander, other_token))
    entries = assert_success(await new_owner.client.get(f"{TEAMS}/{team['id']}/audit-logs"))["items"]
    assert [(each["action"], each["details"]) for each in entries if "revoked_invitations" in each["details"]] == [
        ("team.transferred", {"revoked_invitations": 1}),
        ("member.role_changed", {"revoked_invitations": 1}),
    ]


async def test_invitations_are_revoked_when_the_sender_loses_the_permission_to_invite(
    app: Api, create_user, mailbox: Mailbox
) -> None:
    owner, admin, guest, other = [await create_user() for _ in range(4)]
    team = await make_team(owner.client)
    await add_member(app, team, admin, TeamRole.ADMIN)
    token = await invite_and_get_token(admin.client, team, guest.email, mailbox, "viewer")
    other_token = await invite_and_get_token(owner.client, team, other.email, mailbox, "viewer")
    assert_success(await owner.client.patch(f"{TEAMS}/{team['id']}/members/{admin.user_id}", json={"role": "member"}))
    assert_error(await accept_invitation(guest, token), 400, "INVITATION_INVALID")
    assert_success(await accept_invitation(other, other_token))


@pytest.mark.parametrize(
    ("role", "permissions"),
    [
        ("inviter", ["teams:read", "audit:read"]),
        ("inviter", ["teams:read", "invitations:write"]),
        ("guest", ["teams:read", "audit:read", "invitations:read"]),
    ],
)
async def test_role_change_revokes_invitations_that_its_members_could_no_longer_send(
    app: Api, create_user, mailbox: Mailbox, role: str, permissions: list[str]
) -> None:
    """The sender's role loses permissions, or the role of the invitation gains permissions the sender lacks."""
    owner, sender, guest, other = [await create_user() for _ in range(4)]
    team = await make_team(owner.client)
    roles = {
        "inviter": await make_role(owner.client, team, "inviter", "teams:read", "audit:read", "invitations:write"),
        "guest": await make_role(owner.client, team, "guest", "teams:read", "audit:read"),
    }
    await add_member(app, team, sender, "inviter")
    token = await invite_and_get_token(sender.client, team, guest.email, mailbox, "guest")
    other_token = await invite_and_get_token(owner.client, team, other.email, mailbox, "guest")
    path = f"{TEAMS}/{team['id']}/roles/{roles[role]['id']}"
    assert_success(await owner.client.patch(path, json={"description": "Unchanged rights."}))
    assert assert_success(await owner.client.get(f"{TEAMS}/{team['id']}/invitations"))["total"] == 2
    assert_success(await owner.client.patch(path, json={"permissions": permissions}))
    (remaining,) = assert_success(await owner.client.get(f"{TEAMS}/{team['id']}/invitations"))["items"]
    assert remaining["email"] == other.email
    assert_error(await accept_invitation(guest, token), 400, "INVITATION_INVALID")
    assert_success(await accept_invitation(other, other_token))


async def test_renamed_role_revokes_no_invitation(app: Api, create_user, mailbox: Mailbox) -> None:
    owner, sender, guest = [await create_user() for _ in range(3)]
    team = await make_team(owner.client)
    role = await make_role(owner.client, team, "inviter", "teams:read", "invitations:write")
    await add_member(app, team, sender, "inviter")
    token = await invite_and_get_token(sender.client, team, guest.email, mailbox, "inviter")
    assert_success(await owner.client.patch(f"{TEAMS}/{team['id']}/roles/{role['id']}", json={"name": "scout"}))
    assert assert_success(await accept_invitation(guest, token))["role"] == "scout"


async def test_renaming_a_role_changes_only_its_invitations(create_user) -> None:
    owner, editor, reader = await create_user(), new_email(), new_email()
    team = await make_team(owner.client)
    role = await make_role(owner.client, team, "editor", "teams:read")
    await make_role(owner.client, team, "reader", "teams:read")
    await invite(owner.client, team, editor, "editor")
    await invite(owner.client, team, reader, "reader")
    assert_success(await owner.client.patch(f"{TEAMS}/{team['id']}/roles/{role['id']}", json={"name": "writer"}))
    listed = assert_success(await owner.client.get(f"{TEAMS}/{team['id']}/invitations"))["items"]
    assert {each["email"]: each["role"] for each in listed} == {editor: "writer", reader: "reader"}


async def test_invitation_is_invalid_when_a_permission_of_the_sender_no_longer_exists(
    app: Api, create_user, mailbox: Mailbox
) -> None:
    owner, sender, guest = [await create_user() for _ in range(3)]
    team = await make_team(owner.client)
    await make_role(owner.client, team, "inviter", "teams:read", "invitations:write")
    await make_role(owner.client, team, "guest", "teams:read")
    await add_member(app, team, sender, "inviter")
    token = await invite_and_get_token(sender.client, team, guest.email, mailbox, "guest")
    others = [each for each in list_permissions() if each.name != "invitations:write"]
    with replace_component(Permissions, Permissions(others)):
        assert_error(await accept_invitation(guest, token), 400, "INVITATION_INVALID")
    assert_success(await accept_invitation(guest, token))


async def test_invitation_of_a_deactivated_sender_is_invalid_until_activation(
    app: Api, create_user, mailbox: Mailbox, admin: AsyncClient
) -> None:
    owner, sender, guest, other = [await create_user() for _ in range(4)]
    team = await make_team(owner.client)
    await add_member(app, team, sender, TeamRole.ADMIN)
    token = await invite_and_get_token(sender.client, team, guest.email, mailbox)
    other_token = await invite_and_get_token(owner.client, team, other.email, mailbox)
    assert_success(await admin.post(f"/api/v1/admin/users/{sender.user_id}/deactivate"))
    assert_error(await accept_invitation(guest, token), 400, "INVITATION_INVALID")
    assert_success(await accept_invitation(other, other_token))
    assert_success(await admin.post(f"/api/v1/admin/users/{sender.user_id}/activate"))
    assert_success(await accept_invitation(guest, token))


async def test_invitations_are_not_found_for_nonmembers(user: AsyncClient, stranger: AsyncClient) -> None:
    own_team, other_team = await make_team(user), await make_team(stranger)
    created = await invite(stranger, other_team, new_email())
    for team in (own_team, other_team):
        path = f"{TEAMS}/{team['id']}/invitations/{created['id']}"
        for response in (await user.delete(path), await user.post(f"{path}/resend")):
            assert response.status_code == 404
    assert (await user.get(f"{TEAMS}/{other_team['id']}/invitations")).status_code == 404


async def test_list_statement_count_is_independent_of_its_length(
    user: AsyncClient, statements, rls_enabled: bool
) -> None:
    team = await make_team(user)
    for _ in range(4):
        await invite(user, team, new_email())
    await statements.clear()
    listed = assert_success(await user.get(f"{TEAMS}/{team['id']}/invitations", params={"size": 3}))
    assert len(await statements.get_all()) <= 3 + 2 * rls_enabled
    assert (listed["total"], len(listed["items"])) == (4, 3)


@pytest.fixture
def limited() -> None:
    """Use the rate limits of production."""
    use(load(HttpSettings).model_copy(update={"rate_limit_scale": 1}))


async def send(user: SignedInUser, team: dict[str, Any], email: str) -> int:
    response = await user.client.post(f"{TEAMS}/{team['id']}/invitations", json={"email": email})
    if response.status_code == 429:
        assert_error(response, 429, "TOO_MANY_REQUESTS")
        assert int(response.headers["retry-after"]) > 0
    return response.status_code


async def backdate_account(app: Api, user: SignedInUser) -> None:
    """Make the account older than a week."""
    await sql(app, "UPDATE users SET created_at = now() - interval '8 days' WHERE id = :id", id=user.user_id)


@pytest.mark.usefixtures("limited")
async def test_invitations_to_one_address_are_limited_across_senders(app: Api, create_user) -> None:
    email, responses = new_email(), []
    for _ in range(6):
        user = await create_user()
        responses.append(await send(user, await make_team(user.client), email))
    assert responses == [201] * 5 + [429]


@pytest.mark.usefixtures("limited")
async def test_invitations_of_a_new_account_are_limited_across_teams(app: Api, create_user) -> None:
    fresh, old = await create_user(), await create_user()
    await backdate_account(app, old)
    for user, allowed in ((fresh, 10), (old, 12)):
        teams = [await make_team(user.client), await make_team(user.client)]
        responses = [await send(user, teams[number % 2], new_email()) for number in range(12)]
        assert responses == [201] * allowed + [429] * (12 - allowed)


@pytest.mark.usefixtures("limited")
async def test_team_invites_the_same_address_once_per_interval(app: Api, create_user) -> None:
    owner, email = await create_user(), new_email()
    team, other = await make_team(owner.client), await make_team(owner.client)
    created = await invite(owner.client, team, email)
    assert await send(owner, team, email) == 429
    resent = await owner.client.post(f"{TEAMS}/{team['id']}/invitations/{created['id']}/resend")
    assert_error(resent, 429, "TOO_MANY_REQUESTS")
    assert await send(owner, team, new_email()) == 201
    assert await send(owner, other, email) == 201


@pytest.mark.usefixtures("limited")
async def test_daily_invitations_of_a_team_are_limited(app: Api, create_user) -> None:
    use(load(TeamSettings).model_copy(update={"rate_limit_team_invitations": "3/day"}))
    owner, admin = await create_user(), await create_user()
    team, other = await make_team(owner.client), await make_team(owner.client)
    await add_member(app, team, admin, TeamRole.ADMIN)
    responses = [await send(user, team, new_email()) for user in (owner, admin, owner, admin)]
    assert responses == [201, 201, 201, 429]
    assert await send(owner, other, new_email()) == 201


PHISHING_NAMES = [
    "verify at http://evil.example/x",
    "evil.example",
    "Log in: HTTPS://evil.example",
    "write to phisher@evil.example",
    "evil\u3002example now",
    "\uff45\uff56\uff49\uff4c\uff0e\uff45\uff58ample",
]


@pytest.mark.parametrize("name", PHISHING_NAMES)
async def test_invitation_email_contains_no_link_or_address_typed_by_a_user(
    create_user, mailbox: Mailbox, name: str
) -> None:
    owner, guest = await create_user(), new_email()
    assert_success(await owner.client.patch("/api/v1/app/users/me", json={"full_name": name}))
    await invite(owner.client, await make_team(owner.client, name=name), guest)
    mail = await mailbox.latest(guest)
    assert "evil" not in mail.text.lower()
    assert name not in mail.subject
    assert owner.email in mail.text


async def test_long_names_are_shortened_in_an_invitation_email(create_user, mailbox: Mailbox) -> None:
    owner, guest = await create_user(), new_email()
    assert_success(await owner.client.patch("/api/v1/app/users/me", json={"full_name": "Ada " * 40}))
    await invite(owner.client, await make_team(owner.client, name="x" * 100), guest)
    text = (await mailbox.latest(guest)).text
    assert "“" + "x" * 59 + "…”" in text
    assert "Ada " * 20 not in text


async def test_concurrent_acceptances_create_one_membership(app: Api, create_user, mailbox: Mailbox) -> None:
    owner, guest = await create_user(), await create_user()
    team = await make_team(owner.client)
    token = await invite_and_get_token(owner.client, team, guest.email, mailbox)
    responses = await asyncio.gather(*(accept_invitation(guest, token) for _ in range(10)))
    assert {response.status_code for response in responses} == {200}
    count = "SELECT count(*) FROM memberships WHERE team_id = CAST(:team AS uuid)"
    assert await sql(app, count, team=team["id"]) == [(2,)]
    entries = "SELECT count(*) FROM audit_entries WHERE action = 'invitation.accepted'"
    assert await sql(app, entries) == [(1,)]


async def test_either_acceptance_or_revocation_succeeds_when_concurrent(create_user, mailbox: Mailbox) -> None:
    for _ in range(6):
        owner, guest = await create_user(), await create_user()
        team = await make_team(owner.client)
        created = await invite(owner.client, team, guest.email)
        token = (await mailbox.latest(guest.email)).token
        revoked, accepted = await asyncio.gather(
            owner.client.delete(f"{TEAMS}/{team['id']}/invitations/{created['id']}"), accept_invitation(guest, token)
        )
        assert (revoked.status_code, accepted.status_code) in {(204, 400), (404, 200)}
        assert (guest.email in await list_member_roles(owner.client, team)) == (accepted.status_code == 200)


async def test_old_invitations_are_deleted(app: Api, create_user, mailbox: Mailbox, jobs: CapturedJobs) -> None:
    owner, guest = await create_user(), await create_user()
    team = await make_team(owner.client)
    await accept_invitation(guest, await invite_and_get_token(owner.client, team, guest.email, mailbox))
    await invite(owner.client, team, new_email())
    recent = await invite(owner.client, team, new_email())
    long_ago = "now() - interval '31 days'"
    await sql(app, f"UPDATE team_invitations SET accepted_at = {long_ago} WHERE accepted_at IS NOT NULL")
    await sql(
        app, f"UPDATE team_invitations SET expires_at = {long_ago} WHERE id <> CAST(:id AS uuid)", id=recent["id"]
    )
    async with app.context.get(Database).session() as session:
        await enqueue(session, clean_up)
    await jobs.run_all()
    assert [str(row[0]) for row in await sql(app, "SELECT id FROM team_invitations")] == [recent["id"]]


async def test_each_change_records_one_audit_entry_without_the_address(app: Api, create_user, mailbox: Mailbox) -> None:
    owner, guest = await create_user(), await create_user()
    team = await make_team(owner.client)
    created = await invite(owner.client, team, guest.email)
    address = f"{TEAMS}/{team['id']}/invitations/{created['id']}"
    assert_success(await owner.client.post(f"{address}/resend"))
    assert_error(
        await owner.client.post(f"{TEAMS}/{team['id']}/invitations", json={"email": owner.email}), 409, "ALREADY_MEMBER"
    )
    assert_success(await accept_invitation(guest, (await mailbox.latest(guest.email)).token))
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
    assert {str(row[2]) for row in rows[1:]} == {created["id"]}
    assert not any(guest.email in row[3] for row in rows)


def test_invitation_expires_after_a_week_by_default() -> None:
    assert TeamSettings().invitation_lifetime == timedelta(days=7)


async def test_invitations_are_searched_by_address(create_user) -> None:
    owner = await create_user()
    team = await make_team(owner.client)
    for email in ("ada@example.com", "bob@example.com"):
        await invite(owner.client, team, email)
    listed = assert_success(await owner.client.get(f"{TEAMS}/{team['id']}/invitations", params={"q": "ADA"}))
    assert ([each["email"] for each in listed["items"]], listed["total"]) == (["ada@example.com"], 1)
