"""Emails about changes of access to an account: what changed, when, from where, and what to do."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from httpx2 import AsyncClient, Response

from tests.enabled import is_enabled
from tests.modules.audit.entries import entries
from tests.modules.auth.users import (
    PASSWORD,
    create_registered_user,
    error_code,
    new_email,
    post,
    sign_in,
)
from tests.modules.auth.users import make_client as browser_of
from tests.modules.teams.requests import (
    TEAMS,
    accept_invitation,
    add_member,
    assert_success,
    invite_and_get_token,
    make_role,
    make_team,
    team_header,
)
from undercroft.core.audit import AuditTrail, RequestOrigin
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database, utc_now
from undercroft.core.http.application import Api
from undercroft.core.ids import new_id
from undercroft.modules.auth import AccountCommandService
from undercroft.modules.users import UserRepository, service
from undercroft.testing import Email, Mailbox
from undercroft.testing.users import CLIENT_IP, SignedInUser

KEYS = "/api/v1/app/api-keys"
FIREFOX = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
FOLLOWED = {
    *(("api_key.changed", "api_key.created", "api_key.rotated") if is_enabled("api_keys") else ()),
    "invitation.accepted",
    "member.role_changed",
    "refresh_token.reused",
    "role.changed",
    "role.created",
    "session.started",
    "team.changed",
    "team.transferred",
    "user.email_changed",
    "user.role_changed",
}
"""Audit actions that send an email, whichever code records them."""


def test_actions_that_extend_access_have_subscribers(app: Api) -> None:
    assert set(app.context.get(AuditTrail).handlers) >= FOLLOWED


async def create_restricted_key(client: AsyncClient) -> dict[str, Any]:
    soon = (utc_now() + timedelta(days=1)).isoformat()
    body = {"name": "Nightly import", "scopes": ["teams:read"], "expires_at": soon}
    created: dict[str, Any] = assert_success(await client.post(KEYS, json=body, headers=FIREFOX))
    return created


async def list_subjects(mailbox: Mailbox, user: SignedInUser) -> list[str]:
    return [mail.subject for mail in await mailbox.list_new(user.email)]


Change = Callable[[AsyncClient, str], Awaitable[Response]]
KEY_CHANGES: dict[str, tuple[Change, str]] = {
    "all scopes": (lambda client, path: client.patch(path, json={"scopes": None}, headers=FIREFOX), "widened"),
    "no expiry": (lambda client, path: client.patch(path, json={"expires_at": None}, headers=FIREFOX), "widened"),
    "rotation": (lambda client, path: client.post(f"{path}/rotate", headers=FIREFOX), "rotated"),
}


@pytest.mark.requires_module("api_keys")
@pytest.mark.parametrize("change", KEY_CHANGES)
async def test_user_gets_an_email_when_a_key_is_created_or_extended(
    create_user: Any, mailbox: Mailbox, change: str
) -> None:
    user, bystander = await create_user(), await create_user()
    key = await create_restricted_key(user.client)
    mail = await mailbox.latest(user.email)
    assert mail.subject == "An API key of your Undercroft account was created"
    for part in ("“Nightly import” was created", f"From: {CLIENT_IP} (Firefox on Linux)", "When: ", "revoke the key"):
        assert part in mail.text
    act, word = KEY_CHANGES[change]
    assert_success(await act(user.client, f"{KEYS}/{key['id']}"))
    assert await list_subjects(mailbox, user) == [f"An API key of your Undercroft account was {word}"]
    assert await list_subjects(mailbox, bystander) == []


@pytest.mark.requires_module("api_keys")
async def test_restricting_a_key_sends_no_email(create_user: Any, mailbox: Mailbox) -> None:
    user = await create_user()
    key = await create_restricted_key(user.client)
    await mailbox.list_new()
    assert_success(await user.client.patch(f"{KEYS}/{key['id']}", json={"name": "Import", "scopes": []}))
    assert await list_subjects(mailbox, user) == []


@pytest.mark.requires_module("api_keys")
async def test_owners_get_an_email_about_a_key_of_the_team(app: Api, create_user: Any, mailbox: Mailbox) -> None:
    owner, admin, member = await create_user(), await create_user(), await create_user()
    team = await make_team(owner.client)
    await add_member(app, team, admin, "admin")
    await add_member(app, team, member, "member")
    body = {"name": "CI", "kind": "team", "scopes": ["teams:read"]}
    assert_success(await admin.client.post(KEYS, json=body, headers={**team_header(team), **FIREFOX}))
    (mail,) = await mailbox.list_new()
    assert mail.to == owner.email
    assert "“CI” was created" in mail.text
    assert CLIENT_IP not in mail.text, "where another member sits is not the owner's business"


async def test_owners_get_an_email_when_permissions_in_the_team_are_extended(
    app: Api, create_user: Any, mailbox: Mailbox
) -> None:
    owner, member = await create_user(), await create_user()
    team = await make_team(owner.client)
    await add_member(app, team, member, "member")
    path = f"{TEAMS}/{team['id']}"
    weak = assert_success(
        await owner.client.post(f"{path}/roles", json={"name": "weak", "permissions": ["teams:read"]})
    )
    assert_success(await owner.client.patch(f"{path}/members/{member.user_id}", json={"role": "viewer"}))
    assert await list_subjects(mailbox, owner) == []
    assert_success(await owner.client.patch(f"{path}/roles/{weak['id']}", json={"permissions": ["members:write"]}))
    assert_success(
        await owner.client.post(f"{path}/roles", json={"name": "strong", "permissions": ["invitations:write"]})
    )
    assert_success(await owner.client.patch(f"{path}/members/{member.user_id}", json={"role": "admin"}))
    mails = await mailbox.list_new(owner.email)
    assert len(mails) == 3
    assert "received the role “admin”" in mails[-1].text
    assert await list_subjects(mailbox, member) == []


async def test_owners_get_an_email_about_a_member_with_a_privileged_custom_role(
    app: Api, create_user: Any, mailbox: Mailbox
) -> None:
    owner, member, bystander = await create_user(), await create_user(), await create_user()
    team = await make_team(owner.client)
    await make_team(bystander.client)
    await add_member(app, team, member, "member")
    await make_role(owner.client, team, "helper", "members:write")
    await make_role(owner.client, team, "reader", "teams:read")
    await mailbox.list_new()
    path = f"{TEAMS}/{team['id']}/members/{member.user_id}"
    assert_success(await owner.client.patch(path, json={"role": "reader"}))
    assert await mailbox.list_new() == []
    assert_success(await owner.client.patch(path, json={"role": "helper"}))
    (mail,) = await mailbox.list_new()
    assert mail.to == owner.email
    assert "received the role “helper”" in mail.text


async def test_owners_get_an_email_when_an_administrator_accepts_an_invitation(
    create_user: Any, mailbox: Mailbox
) -> None:
    owner, admin, member = await create_user(), await create_user(), await create_user()
    team = await make_team(owner.client)
    token = await invite_and_get_token(owner.client, team, member.email, mailbox)
    assert_success(await accept_invitation(member, token))
    assert await mailbox.list_new() == []
    token = await invite_and_get_token(owner.client, team, admin.email, mailbox, role="admin")
    assert_success(await accept_invitation(admin, token))
    (mail,) = await mailbox.list_new()
    assert mail.to == owner.email
    assert "received the role “admin”" in mail.text


async def test_former_and_new_owner_get_an_email_about_a_transfer(app: Api, create_user: Any, mailbox: Mailbox) -> None:
    owner, new_owner, member = await create_user(), await create_user(), await create_user()
    team = await make_team(owner.client)
    await add_member(app, team, new_owner, "member")
    await add_member(app, team, member, "member")
    assert_success(await owner.client.post(f"{TEAMS}/{team['id']}/transfer", json={"user_id": str(new_owner.user_id)}))
    mails = await mailbox.list_new()
    assert sorted(mail.to for mail in mails) == sorted([owner.email, new_owner.email])
    assert all("received the role “owner”" in mail.text for mail in mails)


async def test_owners_get_an_email_when_a_domain_may_join(
    database: Database, create_user: Any, mailbox: Mailbox
) -> None:
    owner = await create_user(email="ada@acme.example")
    async with database.session() as session:
        await (await session.raw()).execute("UPDATE users SET email_verified_at = now()")
    team = await make_team(owner.client)
    path = f"{TEAMS}/{team['id']}"
    assert_success(await owner.client.patch(path, json={"name": "Acme, Inc."}))
    assert await mailbox.list_new() == []
    assert_success(await owner.client.patch(path, json={"auto_join_domains": ["acme.example"]}))
    (mail,) = await mailbox.list_new()
    assert mail.to == owner.email
    assert "were relaxed" in mail.text
    assert_success(await owner.client.patch(path, json={"auto_join_domains": []}))
    assert await mailbox.list_new() == []


async def test_user_gets_an_email_when_the_platform_role_changes(create_user: Any, mailbox: Mailbox) -> None:
    root, user = await create_user(role=PlatformRole.SUPERADMIN), await create_user()
    assert_success(await root.client.patch(f"/api/v1/admin/users/{user.user_id}", json={"role": "admin"}))
    mail = await mailbox.latest(user.email)
    assert mail.subject == "Your role on Undercroft was changed"
    assert "changed to “admin”" in mail.text
    assert CLIENT_IP not in mail.text, "administrators stay private"
    assert_success(await root.client.patch(f"/api/v1/admin/users/{user.user_id}", json={"full_name": "Ada"}))
    assert await list_subjects(mailbox, user) == []


def states_origin(mail: Email, ip: str) -> bool:
    return f"From: {ip} (Firefox on Linux)" in mail.text and "When: " in mail.text


@pytest.mark.parametrize(
    ("ip", "user_agent", "text"),
    [
        ("192.0.2.1", FIREFOX["User-Agent"], "192.0.2.1 (Firefox on Linux)"),
        ("192.0.2.1", "", "192.0.2.1"),
        ("", FIREFOX["User-Agent"], ""),
    ],
)
def test_origin_names_the_address_and_the_browser_if_they_are_known(
    monkeypatch: pytest.MonkeyPatch, ip: str, user_agent: str, text: str
) -> None:
    monkeypatch.setattr(service, "current_origin", lambda: RequestOrigin(ip=ip, user_agent=user_agent))
    assert service._describe_origin(new_id()) == text


async def test_sign_in_from_a_new_location_is_emailed_and_from_a_known_one_is_not(app: Api, mailbox: Mailbox) -> None:
    async with browser_of(app) as home, browser_of(app, ip="198.51.100.7", **FIREFOX) as thief:
        user, bystander = await create_registered_user(home, mailbox), await create_registered_user(thief, mailbox)
        assert (await sign_in(thief, bystander.email)).status_code == 200
        assert (await sign_in(home, user.email)).status_code == 200
        assert await mailbox.list_new(user.email) == []
        assert (await sign_in(thief, user.email)).status_code == 200
        (mail,) = await mailbox.list_new(user.email)
        assert mail.subject == "New sign-in to your Undercroft account"
        assert states_origin(mail, "198.51.100.7")
        assert "/reset-password" in mail.text
        assert (await sign_in(thief, user.email)).status_code == 200
        assert await mailbox.list_new(user.email) == []


async def test_known_device_at_a_new_address_is_not_emailed(app: Api, mailbox: Mailbox) -> None:
    async with browser_of(app) as home, browser_of(app, ip="198.51.100.7") as away:
        user = await create_registered_user(home, mailbox)
        assert (await sign_in(home, user.email)).status_code == 200
        away.cookies = home.cookies
        assert (await sign_in(away, user.email)).status_code == 200
        assert await mailbox.list_new(user.email) == []


async def test_device_known_before_a_password_reset_is_emailed_only_to_that_user(app: Api, mailbox: Mailbox) -> None:
    async with browser_of(app) as home, browser_of(app, ip="198.51.100.7", **FIREFOX) as thief:
        user, bystander = await create_registered_user(home, mailbox), await create_registered_user(home, mailbox)
        for client in (thief, home):
            assert (await sign_in(client, user.email)).status_code == 200
            assert (await sign_in(client, bystander.email)).status_code == 200
        assert (await post(home, "/password/forgot", {"email": user.email})).status_code == 202
        reset = {"token": (await mailbox.latest(user.email)).token, "password": "four otters in a boat"}
        assert (await post(home, "/password/reset", reset)).status_code == 204
        await mailbox.list_new()
        assert (await sign_in(thief, user.email, reset["password"])).status_code == 200
        assert (await sign_in(thief, bystander.email)).status_code == 200
        (mail,) = await mailbox.list_new()
        assert (mail.to, mail.subject) == (user.email, "New sign-in to your Undercroft account")
        assert states_origin(mail, "198.51.100.7")


async def test_changed_password_and_address_are_emailed_with_their_origin(app: Api, mailbox: Mailbox) -> None:
    async with browser_of(app, **FIREFOX) as http:
        user = await create_registered_user(http, mailbox)
        body = {"current_password": PASSWORD, "new_password": "four otters in a boat"}
        assert (await post(http, "/password/change", body, **user.bearer)).is_success
        assert states_origin(await mailbox.latest(user.email), CLIENT_IP)
        new = new_email()
        body = {"new_email": new, "current_password": "four otters in a boat"}
        params = await post(http, "/email/change", body, **user.bearer)
        assert params.is_success, error_code(params)
        token = (await mailbox.latest(new)).token
        assert (await post(http, "/email/confirm", {"token": token}, **user.bearer)).is_success
        old_mail, new_mail = await mailbox.latest(user.email), await mailbox.latest(new)
        assert new in old_mail.text
        assert states_origin(old_mail, CLIENT_IP)
        assert new_mail.subject == "This address now signs in to Undercroft"
        assert states_origin(new_mail, CLIENT_IP)


async def test_deactivated_superadmin_is_activated_by_the_command(
    database: Database, create_user: Any, mailbox: Mailbox
) -> None:
    root, bystander = await create_user(role=PlatformRole.SUPERADMIN), await create_user()
    async with database.session() as session:
        await (await session.raw()).execute("UPDATE users SET is_active = false")
    assert await AccountCommandService(database).promote_to_superadmin(root.email)
    async with database.read_session() as read_session:
        assert (await UserRepository(read_session).get(root.user_id)).is_active
        assert not (await UserRepository(read_session).get(bystander.user_id)).is_active
    assert await list_subjects(mailbox, root) == []
    (entry,) = await entries(database, action="user.activated")
    assert (entry["target_id"], entry["before"], entry["after"]) == (
        root.user_id,
        {"is_active": False},
        {"is_active": True},
    )


async def test_promotion_by_the_command_is_audited_once(database: Database, create_user: Any) -> None:
    user = await create_user()
    for _ in range(2):
        assert await AccountCommandService(database).promote_to_superadmin(user.email)
    (entry,) = [
        each for each in await entries(database) if each["action"].startswith("user.") and each["after"].get("role")
    ]
    assert (entry["action"], entry["target_id"], entry["user_id"]) == ("user.role_changed", user.user_id, None)
    assert (entry["before"], entry["after"]) == ({"role": "user"}, {"role": "superadmin"})
    assert not await AccountCommandService(database).promote_to_superadmin("nobody@example.com")
