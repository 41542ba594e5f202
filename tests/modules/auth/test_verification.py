"""Email verification and email changes: a link applies the requester's input only on the requesting device."""

import asyncio
from collections.abc import AsyncIterator
from email import message_from_bytes, policy

import httpx2 as httpx
import pytest
import pytest_asyncio
from sqlalchemy import text, update
from sqlmodel import col, select

from tests.modules.auth.users import (
    PASSWORD,
    Mailbox,
    RegisteredUser,
    error_code,
    make_client,
    new_email,
    post,
    register,
    sign_in,
)
from tests.modules.forms import hidden_fields
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.core.settings import load, use
from undercroft.modules.auth.models import Registration
from undercroft.modules.auth.settings import AuthSettings
from undercroft.modules.users.models import User

BROWSER = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Origin": "null"}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
STRANGER_PASSWORD = "a password of a stranger"
OWNER_PASSWORD = "the password of the owner"


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(app: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with make_client(app, ip="203.0.113.66") as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def cookieless(app: Api) -> AsyncIterator[httpx.AsyncClient]:
    """A client that stores no cookies."""
    async with make_client(app) as client:
        client.cookies.jar.set_policy(RejectAllCookies())
        yield client


class RejectAllCookies:
    netscape = True
    rfc2965 = False
    hide_cookie2 = True

    def set_ok(self, *_: object) -> bool:
        return False

    def return_ok(self, *_: object) -> bool:
        return False

    def domain_return_ok(self, *_: object) -> bool:
        return False

    def path_return_ok(self, *_: object) -> bool:
        return False


async def verify(http: httpx.AsyncClient, token: str, **more: str) -> httpx.Response:
    return await post(http, "/verify-email", {"token": token, **more})


async def get_name(database: Database, email: str) -> str:
    async with database.read_session() as session:
        return str(await session.scalar(select(col(User.full_name)).where(col(User.email) == email)))


@pytest.mark.parametrize("opened", ["own", "stranger", "resent"])
async def test_verification_applies_the_password_of_the_own_device_for_any_link(
    http: httpx.AsyncClient, stranger: httpx.AsyncClient, mailbox: Mailbox, database: Database, opened: str
) -> None:
    email, links = new_email(), {}
    await register(http, email, OWNER_PASSWORD, "Owner")
    links["own"] = (await mailbox.latest(email)).token
    await register(stranger, email, STRANGER_PASSWORD, "Stranger")
    links["stranger"] = (await mailbox.latest(email)).token
    assert (await post(http, "/verify-email/resend", {"email": email})).status_code == 202
    links["resent"] = (await mailbox.latest(email)).token
    response = await verify(http, links.pop(opened))
    assert (response.status_code, response.json()["has_password"]) == (200, True)
    assert (await sign_in(http, email, OWNER_PASSWORD)).status_code == 200
    assert (await sign_in(stranger, email, STRANGER_PASSWORD)).status_code == 401
    assert await get_name(database, email) == "Owner"
    for later in links.values():
        assert error_code(await verify(http, later)) == "EMAIL_ALREADY_VERIFIED"


async def test_verification_without_handle_or_password_creates_an_account_without_a_password(
    stranger: httpx.AsyncClient, cookieless: httpx.AsyncClient, mailbox: Mailbox, database: Database
) -> None:
    email = new_email()
    await register(stranger, email, STRANGER_PASSWORD, "Stranger")
    response = await verify(cookieless, (await mailbox.latest(email)).token)
    assert (response.status_code, response.json()["has_password"]) == (200, False)
    bearer = {"Authorization": f"Bearer {response.json()['access_token']}"}
    assert (await cookieless.get("/api/v1/app/users/me", headers=bearer)).json()["full_name"] == ""
    assert error_code(await sign_in(stranger, email, STRANGER_PASSWORD)) == "INVALID_CREDENTIALS"
    async with database.read_session() as session:
        assert await session.scalar(select(col(User.password_hash)).where(col(User.email) == email)) is None
    await mailbox.list_new()
    await post(cookieless, "/password/forgot", {"email": email})
    body = {"token": (await mailbox.latest(email)).token, "password": OWNER_PASSWORD}
    assert (await post(cookieless, "/password/reset", body)).status_code == 204
    assert (await sign_in(cookieless, email, OWNER_PASSWORD)).status_code == 200


async def test_verification_with_a_password_replaces_the_registered_one(
    stranger: httpx.AsyncClient, cookieless: httpx.AsyncClient, mailbox: Mailbox, database: Database
) -> None:
    email = new_email()
    await register(stranger, email, STRANGER_PASSWORD, "Stranger")
    token = (await mailbox.latest(email)).token
    assert error_code(await verify(cookieless, token, password="password123")) == "WEAK_PASSWORD"
    response = await verify(cookieless, token, password=OWNER_PASSWORD, full_name="Owner")
    assert (response.status_code, response.json()["has_password"]) == (200, True)
    assert (await sign_in(cookieless, email, OWNER_PASSWORD)).status_code == 200
    assert (await sign_in(stranger, email, STRANGER_PASSWORD)).status_code == 401
    assert await get_name(database, email) == "Owner"


async def test_registration_token_replaces_the_device_cookie(cookieless: httpx.AsyncClient, mailbox: Mailbox) -> None:
    email = new_email()
    handle = (await register(cookieless, email, OWNER_PASSWORD)).json()["registration_token"]
    token = (await mailbox.latest(email)).token
    response = await verify(cookieless, token, registration_token=handle)
    assert response.json()["has_password"] is True
    assert (await sign_in(cookieless, email, OWNER_PASSWORD)).status_code == 200


async def test_registration_token_of_another_registration_applies_no_password(
    http: httpx.AsyncClient, cookieless: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    email, other = new_email(), new_email()
    handle = (await register(cookieless, other, STRANGER_PASSWORD)).json()["registration_token"]
    await register(http, email, OWNER_PASSWORD)
    response = await verify(cookieless, (await mailbox.latest(email)).token, registration_token=handle)
    assert (response.status_code, response.json()["has_password"]) == (200, False)


async def test_register_response_is_the_same_for_known_addresses_and_its_token_is_not_stored(
    cookieless: httpx.AsyncClient, ada: RegisteredUser, database: Database
) -> None:
    first, second = await register(cookieless, ada.email), await register(cookieless, new_email())
    assert (first.status_code, set(first.json())) == (second.status_code, set(second.json()))
    tokens = [response.json()["registration_token"] for response in (first, second)]
    assert len(set(tokens)) == 2
    assert [len(each) for each in tokens] == [43, 43]
    async with database.read_session() as session:
        rows = (await session.scalars(select(Registration))).all()
    assert not any(token in str(row.model_dump()) for token in tokens for row in rows)


async def test_browser_has_one_device_handle_for_several_registrations(
    http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    emails = [new_email(), new_email()]
    handles = {(await register(http, email)).json()["registration_token"] for email in emails}
    assert len(handles) == 1
    for email in emails:
        assert (await verify(http, (await mailbox.latest(email)).token)).json()["has_password"] is True


async def test_invalid_device_cookie_is_ignored(app: Api, mailbox: Mailbox) -> None:
    email = new_email()
    async with make_client(app, Cookie="uc_device=bm90IG91cnM") as http:
        assert (await register(http, email)).status_code == 202
        assert (await verify(http, (await mailbox.latest(email)).token)).json()["has_password"] is False


async def test_concurrent_registration_of_a_stranger_never_applies_the_strangers_password(
    http: httpx.AsyncClient, stranger: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    for _ in range(4):
        email = new_email()
        await asyncio.gather(register(http, email, OWNER_PASSWORD), register(stranger, email, STRANGER_PASSWORD))
        tokens = [mail.token for mail in await mailbox.list_new(email) if "token=" in mail.text]
        opened = await asyncio.gather(*(verify(http, token) for token in tokens))
        assert sorted(response.status_code for response in opened) == [200, 400]
        assert (await sign_in(stranger, email, STRANGER_PASSWORD)).status_code == 401
        assert (await sign_in(http, email, OWNER_PASSWORD)).status_code == 200


async def test_resend_prefers_the_registration_of_the_device(
    http: httpx.AsyncClient, stranger: httpx.AsyncClient, mailbox: Mailbox, database: Database
) -> None:
    email = new_email()
    await register(http, email, OWNER_PASSWORD)
    await register(stranger, email, STRANGER_PASSWORD)
    await mailbox.list_new()
    await post(http, "/verify-email/resend", {"email": email})
    token = (await mailbox.latest(email)).token
    async with database.session() as session:
        await session.execute(text("DELETE FROM auth_registrations WHERE ip = '203.0.113.66'"))
    assert (await verify(http, token)).status_code == 200


@pytest.mark.requires_module("web")
async def test_verification_page_in_another_browser_requires_a_password_and_name(
    stranger: httpx.AsyncClient, app: Api, mailbox: Mailbox, database: Database
) -> None:
    email = new_email()
    await register(stranger, email, STRANGER_PASSWORD, "Stranger")
    token = (await mailbox.latest(email)).token
    async with make_client(app) as browser:
        page = await browser.get("/verify-email", params={"token": token}, headers=BROWSER)
        assert 'name="password"' in page.text
        assert "Stranger" not in page.text
        weak = {**hidden_fields(page), "password": "password123"}
        refused = await browser.post("/verify-email", data=weak, headers=BROWSER)
        assert (refused.status_code, "password123" in refused.text) == (422, False)
        form = {**hidden_fields(refused), "password": OWNER_PASSWORD, "full_name": " Owner "}
        assert (await browser.post("/verify-email", data=form, headers=BROWSER)).status_code == 303
        assert (await sign_in(browser, email, OWNER_PASSWORD)).status_code == 200
    assert (await sign_in(stranger, email, STRANGER_PASSWORD)).status_code == 401
    assert await get_name(database, email) == "Owner"


@pytest.mark.requires_module("web")
async def test_verification_page_requires_a_password_from_a_device_with_other_registrations(
    http: httpx.AsyncClient, stranger: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    email = new_email()
    await register(http, new_email())
    await register(stranger, email, STRANGER_PASSWORD)
    token = (await mailbox.latest(email)).token
    page = await http.get("/verify-email", params={"token": token}, headers=BROWSER)
    assert 'name="password"' not in page.text
    refused = await http.post("/verify-email", data=hidden_fields(page), headers=BROWSER)
    assert (refused.status_code, 'name="password"' in refused.text) == (422, True)
    assert (await sign_in(http, email, STRANGER_PASSWORD)).status_code == 401
    chosen = {**hidden_fields(refused), "password": OWNER_PASSWORD}
    assert (await http.post("/verify-email", data=chosen, headers=BROWSER)).status_code == 303
    assert (await sign_in(http, email, OWNER_PASSWORD)).status_code == 200


@pytest.mark.requires_module("web")
async def test_verification_page_in_the_registering_browser_needs_only_the_button(
    http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    email = new_email()
    form = {"email": email, "password": OWNER_PASSWORD, "full_name": "Owner"}
    assert (await http.post("/register", data=form, headers=BROWSER)).status_code == 303
    token = (await mailbox.latest(email)).token
    assert (await http.post("/verify-email", data={"token": token}, headers=BROWSER)).status_code == 303
    assert (await sign_in(http, email, OWNER_PASSWORD)).status_code == 200
    again = await http.post("/verify-email", data={"token": token}, headers=BROWSER)
    assert (again.status_code, "already confirmed" in again.text) == (400, True)


async def request_email_change(user: RegisteredUser, to: str) -> None:
    body = {"new_email": to, "current_password": PASSWORD}
    assert (await user.send("POST", "/auth/email/change", body)).status_code == 202


@pytest.mark.requires_module("web")
async def test_email_change_is_rejected_on_another_device_without_a_session(
    ada: RegisteredUser, app: Api, mailbox: Mailbox
) -> None:
    to = new_email()
    await request_email_change(ada, to)
    token = (await mailbox.latest(to)).token
    async with make_client(app) as opener:
        refused = await post(opener, "/email/confirm", {"token": token})
        assert (refused.status_code, error_code(refused)) == (403, "CONFIRMATION_NEEDS_SESSION")
        page = await opener.post("/confirm-email", data={"token": token}, headers=BROWSER)
        assert (page.status_code, "/sign-in?next=" in page.text) == (403, True)
        assert (await ada.get("/app/users/me")).json()["email"] == ada.email
        assert (await post(opener, "/email/confirm", {"token": token}, **ada.bearer)).status_code == 204
    assert (await ada.get("/app/users/me")).json()["email"] == to


@pytest.mark.requires_module("web")
async def test_email_change_is_rejected_with_the_session_of_another_account(
    ada: RegisteredUser, app: Api, mailbox: Mailbox
) -> None:
    to, email = new_email(), new_email()
    await request_email_change(ada, to)
    token = (await mailbox.latest(to)).token
    async with make_client(app) as opener:
        await register(opener, email)
        tokens = (await verify(opener, (await mailbox.latest(email)).token)).json()
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert (
            error_code(await post(opener, "/email/confirm", {"token": token}, **bearer)) == "CONFIRMATION_NEEDS_SESSION"
        )
        signed_in = await sign_in(opener, email, session="cookie")
        assert signed_in.status_code == 200
        page = await opener.post("/confirm-email", data={"token": token}, headers=BROWSER)
        assert page.status_code == 403
    assert (await ada.get("/app/users/me")).json()["email"] == ada.email


@pytest.mark.requires_module("api_keys", "web")
async def test_email_change_is_rejected_with_an_api_key(ada: RegisteredUser, app: Api, mailbox: Mailbox) -> None:
    to = new_email()
    await request_email_change(ada, to)
    token = (await mailbox.latest(to)).token
    key = (await ada.send("POST", "/app/api-keys", {"name": "program"})).json()
    async with make_client(app) as opener:
        bearer = {"Authorization": f"Bearer {key['key']}"}
        refused = await post(opener, "/email/confirm", {"token": token}, **bearer)
        assert (refused.status_code, error_code(refused)) == (403, "INTERACTIVE_SESSION_REQUIRED")
        page = await opener.post("/confirm-email", data={"token": token}, headers={**BROWSER, **bearer})
        assert page.status_code == 403, page.text
    assert (await ada.get("/app/users/me")).json()["email"] == ada.email


@pytest.mark.requires_module("web")
async def test_email_change_is_confirmed_by_a_signed_in_browser(
    ada: RegisteredUser, app: Api, mailbox: Mailbox
) -> None:
    to = new_email()
    await request_email_change(ada, to)
    token = (await mailbox.latest(to)).token
    async with make_client(app) as browser:
        assert (await sign_in(browser, ada.email, session="cookie")).status_code == 200
        assert (await browser.post("/confirm-email", data={"token": token}, headers=BROWSER)).status_code == 303
    assert (await ada.get("/app/users/me")).json()["email"] == to


@pytest.mark.parametrize("kind", ["register", "known", "resend", "forgot", "magic", "change"])
async def test_emails_with_links_state_the_time_and_origin_of_the_request(
    ada: RegisteredUser, app: Api, mailbox: Mailbox, kind: str
) -> None:
    email = new_email()
    await mailbox.list_new()
    if kind == "resend":
        await register(ada.http, email)
        await mailbox.list_new()
    use(load(AuthSettings).model_copy(update={"magic_links": True}))
    async with make_client(app, ip="198.51.100.7", **{"User-Agent": FIREFOX}) as other_client:
        body = {"email": ada.email if kind in ("known", "forgot", "magic") else email}
        match kind:
            case "register" | "known":
                await register(other_client, body["email"])
            case "resend":
                await post(other_client, "/verify-email/resend", body)
            case "forgot":
                await post(other_client, "/password/forgot", body)
            case "magic":
                await post(other_client, "/magic-link", body)
            case _:
                change = {"new_email": email, "current_password": PASSWORD}
                await post(other_client, "/email/change", change, **ada.bearer)
    (mail,) = [each for each in await mailbox.list_new() if each.to == body["email"]]
    origin = "192.0.2.1" if kind == "resend" else "198.51.100.7 (Firefox on Linux)"
    assert f"UTC from {origin}." in mail.text, mail.text.partition("Requested")[2]
    advice = "If you did not sign up" if kind in ("register", "resend") else "If this was not you"
    assert advice in mail.text


async def test_email_to_an_unverified_address_contains_no_text_of_the_requester(app: Api, mailbox: Mailbox) -> None:
    email = new_email()
    async with make_client(app, **{"User-Agent": "win-at-evil.example/1 (free dollars)"}) as http:
        await register(http, email, full_name="Visit evil.example")
    await mailbox.jobs.run_all(future=True)
    (path,) = [each for each in mailbox.folder.rglob("*.eml") if email.encode() in each.read_bytes()]
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    parts = [part.get_content() for part in message.walk() if part.get_content_maintype() == "text"]
    assert len(parts) == 2
    assert not any("evil" in part for part in parts)


async def test_link_of_an_expired_registration_is_invalid(
    http: httpx.AsyncClient, mailbox: Mailbox, database: Database
) -> None:
    email = new_email()
    await register(http, email)
    token = (await mailbox.latest(email)).token
    async with database.session() as session:
        await session.execute(update(Registration).values(expires_at=col(Registration.created_at)))
        await session.execute(text("UPDATE auth_mail_tokens SET expires_at = now() - interval '1 second'"))
    assert error_code(await verify(http, token)) == "LINK_INVALID"


async def test_registration_that_expired_before_its_email_was_sent_gets_none(
    http: httpx.AsyncClient, mailbox: Mailbox, database: Database
) -> None:
    expired, current = new_email(), new_email()
    for email in (expired, current):
        await register(http, email)
    async with database.session() as session:
        await session.execute(
            update(Registration)
            .where(col(Registration.email) == expired)
            .values(expires_at=col(Registration.created_at))
        )
    assert [mail.to for mail in await mailbox.list_new()] == [current]
