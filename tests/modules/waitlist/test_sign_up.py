"""Signing up while there is a waiting list, and by an invitation from it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx2 as httpx
import pytest

from tests.core.db.row_counts import count_rows
from tests.modules.auth.users import PASSWORD, error_code, make_client, post, register
from tests.modules.identities import fixtures
from tests.modules.identities.browsers import browser as social_browser
from tests.modules.identities.browsers import module_social_app, sign_in, social_app
from tests.modules.identities.requests import get_as
from tests.modules.system_settings.conftest import change
from tests.modules.waitlist.conftest import FORM, WAITLIST, add, entries, states, update
from undercroft.core.db import Database, utc_now
from undercroft.core.http.application import Api
from undercroft.core.settings import CoreSettings, load, use
from undercroft.devstack.emulators.oidc import OidcIssuer
from undercroft.modules.auth.settings import AuthSettings, DisposableMailSettings
from undercroft.modules.identities.service import token_auth
from undercroft.modules.system_settings import SignUpSettings
from undercroft.modules.users import UserRepository
from undercroft.testing import Mailbox
from undercroft.testing.users import SignedInUser

__all__ = ["module_social_app", "social_app", "social_browser"]

EMAIL = "ada@example.com"
CreateUser = Callable[..., Awaitable[SignedInUser]]


async def has_account(database: Database, email: str = EMAIL) -> bool:
    async with database.read_session() as session:
        return await UserRepository(session).get_by_email(email) is not None


async def invite(admin: httpx.AsyncClient, *ids: str) -> None:
    response = await admin.post(f"{WAITLIST}/invite", json={"entry_ids": ids} if ids else {"count": 50})
    assert response.status_code == 200, response.text


async def invited_token(database: Database, admin: httpx.AsyncClient, mailbox: Mailbox, email: str = EMAIL) -> str:
    """Let an address join and be invited, and return the token of the emailed link."""
    await add(database, email)
    await mailbox.latest(email)
    await invite(admin)
    mail = await mailbox.latest(email)
    assert "Create your" in mail.subject
    return mail.token


async def verify(http: httpx.AsyncClient, token: str, **more: Any) -> str:
    """Open a link without having registered on this device; return the code of the error."""
    response = await post(http, "/verify-email", {"token": token, "password": PASSWORD, **more})
    return "" if response.status_code == 200 else error_code(response)


async def test_response_is_the_same_for_accounts_entries_and_unknown_addresses(
    app: Api, waitlist: Database, create_user: CreateUser, mailbox: Mailbox
) -> None:
    owner = await create_user()
    await add(waitlist, "waiting@example.com")
    before = await count_rows(waitlist)
    bodies = []
    for email in (owner.email, "waiting@example.com", EMAIL, EMAIL.upper()):
        async with make_client(app) as http:
            response = await register(http, email)
        assert response.status_code == 202
        assert not response.cookies
        bodies.append({**response.json(), "registration_token": ""})
    message = "You are on the waiting list. We will write to you when it is your turn."
    assert bodies == [{"message": message, "status": "waitlisted", "registration_token": ""}] * 4
    mail = await mailbox.latest(EMAIL)
    assert "waiting list" in mail.subject
    assert "already" in (await mailbox.latest(owner.email)).subject
    assert not await mailbox.list_new(EMAIL)
    assert await states(waitlist) == {"waiting@example.com": "waiting", EMAIL: "waiting"}
    after = await count_rows(waitlist)
    assert after["auth_registrations"] == before["auth_registrations"] == 0
    assert not await has_account(waitlist)


async def test_concurrent_registrations_make_one_entry_and_one_email(
    app: Api, waitlist: Database, mailbox: Mailbox
) -> None:
    async def send(number: int) -> int:
        async with make_client(app, ip=f"192.0.2.{number}") as http:
            return (await register(http, EMAIL if number % 2 else EMAIL.title())).status_code

    assert set(await asyncio.gather(*(send(number) for number in range(1, 13)))) == {202}
    assert await states(waitlist) == {EMAIL: "waiting"}
    assert "waiting list" in (await mailbox.latest(EMAIL)).subject
    assert not await mailbox.list_new(EMAIL)


async def test_other_rules_are_applied_before_an_address_joins(http: httpx.AsyncClient, waitlist: Database) -> None:
    await change(waitlist, ("SIGN_UP_SUBADDRESSES", "refuse"))
    assert error_code(await register(http, "ada+tag@example.com")) == "SUBADDRESS_NOT_ALLOWED"
    use(DisposableMailSettings(disposable_mail="refuse", disposable_mail_domains=("throwaway.example",)))
    assert error_code(await register(http, "ada@throwaway.example")) == "DISPOSABLE_EMAIL"
    assert (await register(http, EMAIL, "short")).status_code == 422
    assert await entries(waitlist) == {}


async def test_link_to_sign_in_adds_no_entry(http: httpx.AsyncClient, waitlist: Database) -> None:
    use(AuthSettings(magic_links=True))
    assert (await post(http, "/magic-link", {"email": EMAIL})).status_code == 202
    assert await entries(waitlist) == {}


@pytest.mark.requires_module("web")
async def test_page_says_that_the_user_has_to_wait(http: httpx.AsyncClient, waitlist: Database) -> None:
    form = {"email": EMAIL, "password": PASSWORD, "full_name": "Ada"}
    response = await http.post("/register", data=form, headers=FORM)
    assert (response.status_code, response.headers["Location"]) == (303, "/register/waitlisted")
    page = await http.get("/register/waitlisted", headers=FORM)
    assert "<h1>You are on the waiting list</h1>" in page.text
    assert "We will write to you when it is your turn." in page.text
    assert await states(waitlist) == {EMAIL: "waiting"}


@pytest.mark.requires_module("web")
async def test_registration_page_tells_new_users_that_they_have_to_wait(
    http: httpx.AsyncClient, database: Database
) -> None:
    notice, password = "Register to join the waiting list.", 'name="password"'
    page = (await http.get("/register", headers=FORM)).text
    assert notice not in page
    assert password in page
    use(SignUpSettings(sign_up_policy="waitlist"))
    page = (await http.get("/register", headers=FORM)).text
    assert notice in page
    assert password not in page


@pytest.mark.requires_module("web")
async def test_page_without_password_joins_the_list_and_asks_for_one_if_sign_up_was_opened_meanwhile(
    http: httpx.AsyncClient, waitlist: Database
) -> None:
    form = {"email": EMAIL, "full_name": "Ada"}
    assert (await http.post("/register", data=form, headers=FORM)).headers["Location"] == "/register/waitlisted"
    assert await states(waitlist) == {EMAIL: "waiting"}
    await change(waitlist, ("SIGN_UP_POLICY", "open"))
    page = await http.post("/register", data=form, headers=FORM)
    assert page.status_code == 422
    assert "Choose a password." in page.text
    assert 'name="password"' in page.text
    assert (await count_rows(waitlist))["auth_registrations"] == 0


@pytest.mark.parametrize("policy", ["waitlist", "invite", "open"])
async def test_emailed_link_creates_the_account_once(
    app: Api, waitlist: Database, admin: httpx.AsyncClient, mailbox: Mailbox, policy: str
) -> None:
    token = await invited_token(waitlist, admin, mailbox)
    await change(waitlist, ("SIGN_UP_POLICY", policy))
    async with make_client(app) as first, make_client(app) as second:
        codes = await asyncio.gather(verify(first, token, full_name="Ada"), verify(second, token))
    assert sorted(codes) == ["", "EMAIL_ALREADY_VERIFIED"]
    assert await states(waitlist) == {EMAIL: "registered"}
    assert "Welcome" in (await mailbox.latest(EMAIL)).subject
    async with make_client(app) as http:
        assert (await post(http, "/login", {"email": EMAIL, "password": PASSWORD})).status_code == 200


@pytest.mark.requires_module("web")
async def test_page_of_the_emailed_link_asks_for_a_password(
    app: Api, waitlist: Database, admin: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    async with make_client(app) as http:
        await register(http, EMAIL)  # on the same device, whose password was not stored
        await mailbox.latest(EMAIL)
        await invite(admin)
        token = (await mailbox.latest(EMAIL)).token
        page = await http.get("/verify-email", params={"token": token}, headers=FORM)
        assert 'name="password"' in page.text
        form = {"token": token, "full_name": "Ada", "password": PASSWORD}
        assert (await http.post("/verify-email", data=form, headers=FORM)).status_code == 303
    assert await has_account(waitlist)


async def test_invitation_does_not_overrule_the_domains(
    http: httpx.AsyncClient, waitlist: Database, admin: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    token = await invited_token(waitlist, admin, mailbox)
    await change(waitlist, ("SIGN_UP_DOMAINS", ["acme.example"]), ("SIGN_UP_POLICY", "domains"))
    assert await verify(http, token) == "SIGN_UP_DOMAIN_NOT_ALLOWED"
    assert await states(waitlist) == {EMAIL: "invited"}


async def test_expired_invitation_lets_the_address_wait_again_at_its_place(
    http: httpx.AsyncClient, waitlist: Database, admin: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    token = await invited_token(waitlist, admin, mailbox)
    joined_at = (await entries(waitlist))[EMAIL].created_at
    past = utc_now() - timedelta(hours=2)
    await update(waitlist, EMAIL, invitation_expires_at=past, mailed_at=past)
    assert await verify(http, token) == "SIGN_UP_WAITLISTED"
    entry = (await entries(waitlist))[EMAIL]
    assert (entry.state, entry.created_at) == ("waiting", joined_at)
    assert not await has_account(waitlist)


async def test_registering_again_sends_the_invitation_again_but_reveals_nothing(
    http: httpx.AsyncClient, waitlist: Database, admin: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    await invited_token(waitlist, admin, mailbox)
    await update(waitlist, EMAIL, mailed_at=utc_now() - timedelta(hours=2))
    assert (await register(http, EMAIL)).json()["status"] == "waitlisted"
    assert await verify(http, (await mailbox.latest(EMAIL)).token) == ""


async def test_request_for_another_link_is_answered_by_the_waiting_list(
    http: httpx.AsyncClient, waitlist: Database, admin: httpx.AsyncClient, create_user: CreateUser, mailbox: Mailbox
) -> None:
    await invited_token(waitlist, admin, mailbox)
    past = utc_now() - timedelta(hours=2)
    await update(waitlist, EMAIL, invitation_expires_at=past, mailed_at=past)
    owner = await create_user()
    for email in (EMAIL, "new@example.com", owner.email):
        response = await post(http, "/verify-email/resend", {"email": email})
        assert response.status_code == 202
        assert "waiting list" in response.json()["message"]
    assert "waiting list" in (await mailbox.latest(EMAIL)).subject  # the invitation expired: the address waits again
    assert "waiting list" in (await mailbox.latest("new@example.com")).subject
    assert "already" in (await mailbox.latest(owner.email)).subject
    assert await states(waitlist) == {EMAIL: "waiting", "new@example.com": "waiting"}


@pytest.mark.requires_module("web")
async def test_page_for_another_link_sends_the_invitation_again(
    http: httpx.AsyncClient, waitlist: Database, admin: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    await invited_token(waitlist, admin, mailbox)
    await update(waitlist, EMAIL, mailed_at=utc_now() - timedelta(hours=2))
    page = await http.post("/verify-email/resend", data={"email": EMAIL}, headers=FORM)
    assert (page.status_code, page.headers["Location"]) == (303, "/register/waitlisted")
    assert await verify(http, (await mailbox.latest(EMAIL)).token) == ""


async def test_removed_invitation_no_longer_works(
    http: httpx.AsyncClient, waitlist: Database, admin: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    token = await invited_token(waitlist, admin, mailbox)
    entry = (await entries(waitlist))[EMAIL]
    assert (await admin.delete(f"{WAITLIST}/{entry.id}")).status_code == 204
    assert await verify(http, token) == "SIGN_UP_WAITLISTED"
    await change(waitlist, ("SIGN_UP_POLICY", "invite"))
    assert await verify(http, token) == "SIGN_UP_BY_INVITATION"
    assert not await has_account(waitlist)


async def test_registration_from_before_joins_the_list_and_works_once_invited(
    http: httpx.AsyncClient, database: Database, admin: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    await register(http, EMAIL)
    token = (await mailbox.latest(EMAIL)).token
    await change(database, ("SIGN_UP_POLICY", "waitlist"))
    for _ in range(2):
        refused = await post(http, "/verify-email", {"token": token})
        assert (refused.status_code, error_code(refused)) == (403, "SIGN_UP_WAITLISTED")
    assert await states(database) == {EMAIL: "waiting"}
    await invite(admin)
    assert (await post(http, "/verify-email", {"token": token})).status_code == 200
    assert await states(database) == {EMAIL: "registered"}


@pytest.mark.requires_module("web")
async def test_page_of_a_registration_from_before_shows_the_waiting_list(
    http: httpx.AsyncClient, database: Database, mailbox: Mailbox
) -> None:
    await register(http, EMAIL)
    token = (await mailbox.latest(EMAIL)).token
    await change(database, ("SIGN_UP_POLICY", "waitlist"))
    page = await http.post("/verify-email", data={"token": token}, headers=FORM)
    assert (page.status_code, page.headers["Location"]) == (303, "/register/waitlisted")
    assert await states(database) == {EMAIL: "waiting"}


async def test_external_identity_joins_the_list_and_signs_in_once_invited(
    social_browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, waitlist: Database, admin: httpx.AsyncClient
) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user(email=EMAIL)
    for _ in range(2):
        refused = await sign_in(social_browser)
        assert (refused.status_code, error_code(refused)) == (403, "SIGN_UP_WAITLISTED")
    assert await states(waitlist) == {EMAIL: "waiting"}
    social_browser.headers["Accept"] = "text/html"
    assert "Your account is not ready yet" in (await sign_in(social_browser)).text
    await invite(admin)
    assert (await sign_in(social_browser)).status_code == 303
    assert await states(waitlist) == {EMAIL: "registered"}


async def test_user_of_an_external_service_joins_the_list_and_is_admitted_once_invited(
    worker_app: Api,
    waitlist: Database,
    oidc_issuer: OidcIssuer,
    admin: httpx.AsyncClient,
    mailbox: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(token_auth, "REJECTION_CACHE_SECONDS", 0)
    async with fixtures.application(waitlist, fixtures.oidc(oidc_issuer)) as app, make_client(app) as http:
        token = oidc_issuer.token(oidc_issuer.add_user(email=EMAIL))
        for _ in range(2):
            assert error_code(await get_as(http, token)) == "SIGN_UP_WAITLISTED"
        assert await states(waitlist) == {EMAIL: "waiting"}
        await mailbox.latest(EMAIL)
        await invite(admin)
        assert "/verify-email" not in (await mailbox.latest(EMAIL)).text
        assert (await get_as(http, token)).status_code == 200
    assert await states(waitlist) == {EMAIL: "registered"}


async def test_account_made_in_another_way_is_not_invited(
    http: httpx.AsyncClient, waitlist: Database, admin: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    await add(waitlist, EMAIL)
    await mailbox.latest(EMAIL)
    await change(waitlist, ("SIGN_UP_POLICY", "open"))
    await register(http, EMAIL)
    assert await verify(http, (await mailbox.latest(EMAIL)).token) == ""
    assert await states(waitlist) == {EMAIL: "registered"}
    entry = (await entries(waitlist))[EMAIL]
    assert (await admin.post(f"{WAITLIST}/invite", json={"entry_ids": [str(entry.id)]})).json() == {"invited": 0}


def disable_module() -> None:
    use(load(CoreSettings).model_copy(update={"disabled_modules": ("waitlist",)}))


async def test_policy_needs_the_module(admin: httpx.AsyncClient, database: Database) -> None:
    disable_module()
    refused = await admin.put("/api/v1/admin/settings/SIGN_UP_POLICY", json={"value": "waitlist"})
    assert (refused.status_code, error_code(refused)) == (422, "INVALID_SETTING")
    assert "needs the module waitlist. Remove it from DISABLED_MODULES" in refused.json()["error"]["message"]
    assert "waitlist" not in (await admin.get("/api/v1/admin/settings/SIGN_UP_POLICY")).json()["value"]


async def test_sign_up_is_by_invitation_if_the_module_is_disabled_while_the_policy_is_in_force(
    http: httpx.AsyncClient, waitlist: Database
) -> None:
    disable_module()
    assert error_code(await register(http, EMAIL)) == "SIGN_UP_BY_INVITATION"
    assert await entries(waitlist) == {}
