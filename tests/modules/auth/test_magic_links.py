"""Sign-in with an emailed link."""

import asyncio

import httpx2 as httpx
import pytest
from sqlalchemy import update
from sqlmodel import col

from tests.modules.auth.users import PASSWORD, Mailbox, RegisteredUser, error_code, make_client, new_email, post
from tests.modules.forms import hidden_fields
from undercroft.core.context import PROCESS
from undercroft.core.db import Database, Session, utc_now
from undercroft.core.http.application import Api
from undercroft.core.settings import use
from undercroft.modules.auth.models import MailToken
from undercroft.modules.auth.settings import AuthSettings
from undercroft.modules.sessions import MfaRequired, SecondFactorProvider
from undercroft.modules.users import User
from undercroft.testing.statements import StatementRecorder

REQUEST, VERIFY = "/magic-link", "/magic-link/verify"
BROWSER = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Origin": "null"}


@pytest.fixture(autouse=True)
def magic_links_enabled() -> None:
    use(AuthSettings(magic_links=True))


async def request_token(http: httpx.AsyncClient, mailbox: Mailbox, email: str) -> str:
    assert (await post(http, REQUEST, {"email": email})).status_code == 202
    return (await mailbox.latest(email)).token


async def test_magic_link_signs_in_once(http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox) -> None:
    token = await request_token(http, mailbox, ada.email)
    response = await post(http, VERIFY, {"token": token})
    tokens = response.json()
    me = await http.get("/api/v1/app/users/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert me.json()["email"] == ada.email
    again = await post(http, VERIFY, {"token": token})
    assert (again.status_code, error_code(again)) == (400, "LINK_INVALID")


async def test_magic_link_sets_a_session_cookie_for_browsers(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    token = await request_token(http, mailbox, ada.email)
    response = await post(http, VERIFY, {"token": token, "session": "cookie"})
    signed_in = response.json()
    assert (signed_in["session"], signed_in["user"]["email"]) == ("cookie", ada.email)
    assert signed_in["csrf_token"]
    assert (signed_in["access_token"], signed_in["refresh_token"], signed_in["expires_in"]) == (None, None, None)
    assert (await http.get("/api/v1/app/users/me")).json()["email"] == ada.email


async def test_magic_link_succeeds_once_for_concurrent_requests(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    token = await request_token(http, mailbox, ada.email)
    responses = await asyncio.gather(*(post(http, VERIFY, {"token": token}) for _ in range(20)))
    assert sorted(response.status_code for response in responses) == [200] + [400] * 19


async def test_magic_link_request_does_not_reveal_whether_an_account_exists(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox, statements: StatementRecorder
) -> None:
    responses, sent = [], []
    for email in (ada.email, new_email()):
        await statements.clear()
        responses.append(await post(http, REQUEST, {"email": email}))
        sent.append(list(await statements.get_all()))
    assert responses[0].status_code == responses[1].status_code == 202
    assert responses[0].json() == responses[1].json()
    assert sent[0] == sent[1]
    assert [mail.to for mail in await mailbox.list_new()] == [ada.email]


async def test_magic_link_request_of_a_stranger_keeps_the_owners_link_valid_until_one_is_used(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox, app: Api
) -> None:
    own = await request_token(http, mailbox, ada.email)
    async with make_client(app, ip="203.0.113.9") as stranger:
        strangers = await request_token(stranger, mailbox, ada.email)
    assert (await post(http, VERIFY, {"token": own})).status_code == 200
    assert error_code(await post(http, VERIFY, {"token": strangers})) == "LINK_INVALID"


async def test_magic_link_on_another_browser_requires_the_email_of_the_account(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox, app: Api
) -> None:
    token = await request_token(http, mailbox, ada.email)
    async with make_client(app) as other:
        body = {"token": token, "session": "cookie"}
        refused = await post(other, VERIFY, body)
        assert (refused.status_code, error_code(refused)) == (403, "LINK_OF_ANOTHER_DEVICE")
        assert refused.json()["error"]["details"] == {"email": ada.email}
        assert "uc_session" not in other.cookies
        wrong = await post(other, VERIFY, {**body, "email": new_email()})
        assert error_code(wrong) == "LINK_OF_ANOTHER_DEVICE"
        assert (await post(other, VERIFY, {**body, "email": ada.email})).status_code == 200
        assert "uc_session" in other.cookies


async def test_magic_link_opens_in_the_browser_that_requested_it_as_its_first_request(
    app: Api, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    async with make_client(app) as browser:
        token = await request_token(browser, mailbox, ada.email)
        response = await post(browser, VERIFY, {"token": token, "session": "cookie"})
        assert (response.status_code, response.json()["user"]["email"]) == (200, ada.email)


@pytest.mark.requires_module("web")
async def test_magic_link_page_on_another_browser_shows_the_email_of_the_account(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox, app: Api
) -> None:
    token = await request_token(http, mailbox, ada.email)
    async with make_client(app) as other:
        page = await other.post("/magic-link", data={"token": token}, headers=BROWSER)
        assert (page.status_code, "uc_session" in other.cookies) == (200, False)
        assert f"Sign in as {ada.email}" in page.text
        confirmed = await other.post("/magic-link", data=hidden_fields(page), headers=BROWSER)
        assert (confirmed.status_code, "uc_session" in other.cookies) == (303, True)


async def test_magic_link_is_revoked_by_a_password_change(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    token = await request_token(http, mailbox, ada.email)
    body = {"current_password": PASSWORD, "new_password": "four otters on the shore"}
    assert (await ada.send("POST", "/auth/password/change", body)).status_code == 204
    assert (await post(http, VERIFY, {"token": token})).status_code == 400


async def test_magic_link_is_revoked_by_a_password_reset(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    token = await request_token(http, mailbox, ada.email)
    await post(http, "/password/forgot", {"email": ada.email})
    reset = (await mailbox.latest(ada.email)).token
    body = {"token": reset, "password": "four otters on the shore"}
    assert (await post(http, "/password/reset", body)).status_code == 204
    assert (await post(http, VERIFY, {"token": token})).status_code == 400


async def test_magic_link_is_rejected_when_expired_or_of_another_purpose(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox, database: Database
) -> None:
    await post(http, "/password/forgot", {"email": ada.email})
    reset = (await mailbox.latest(ada.email)).token
    assert (await post(http, VERIFY, {"token": reset})).status_code == 400
    token = await request_token(http, mailbox, ada.email)
    assert (await post(http, "/password/reset", {"token": token, "password": PASSWORD})).status_code == 400
    async with database.session() as session:
        await session.execute(update(MailToken).values(expires_at=utc_now()))
    assert (await post(http, VERIFY, {"token": token})).status_code == 400


async def test_deactivation_revokes_magic_links_and_prevents_new_ones(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox, admin: httpx.AsyncClient
) -> None:
    token = await request_token(http, mailbox, ada.email)
    user_id = (await ada.get("/app/users/me")).json()["id"]
    await admin.post(f"/api/v1/admin/users/{user_id}/deactivate")
    assert (await post(http, VERIFY, {"token": token})).status_code == 400
    await post(http, REQUEST, {"email": ada.email})
    assert await mailbox.list_new(ada.email) == []
    await admin.post(f"/api/v1/admin/users/{user_id}/activate")
    assert (await post(http, VERIFY, {"token": token})).status_code == 400


async def test_magic_link_of_an_inactive_account_is_refused(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox, database: Database
) -> None:
    token = await request_token(http, mailbox, ada.email)
    async with database.session() as session:
        await session.execute(update(User).where(col(User.email) == ada.email).values(is_active=False))
    refused = await post(http, VERIFY, {"token": token})
    assert (refused.status_code, error_code(refused)) == (400, "LINK_INVALID")


async def test_magic_link_requires_the_second_factor(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Provider:
        async def create_challenge(self, session: Session, user: User, *_: object) -> MfaRequired:
            return MfaRequired(details={"mfa_token": "pending", "methods": user.second_factors})

    monkeypatch.setitem(PROCESS._components, SecondFactorProvider, Provider())
    async with database.session() as session:
        await session.execute(update(User).where(col(User.email) == ada.email).values(second_factors=["totp"]))
    token = await request_token(http, mailbox, ada.email)
    response = await post(http, VERIFY, {"token": token})
    assert (response.status_code, error_code(response)) == (401, "MFA_REQUIRED")
    assert "access_token" not in response.text
    assert (await post(http, VERIFY, {"token": token})).status_code == 400


async def test_magic_link_endpoints_return_404_when_disabled(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    token = await request_token(http, mailbox, ada.email)
    use(AuthSettings())
    for path, body in ((REQUEST, {"email": ada.email}), (VERIFY, {"token": token})):
        response = await post(http, path, body)
        assert (response.status_code, error_code(response)) == (404, "MAGIC_LINKS_OFF")
    assert await mailbox.list_new(ada.email) == []


@pytest.mark.requires_module("web")
async def test_cross_site_magic_link_sign_in_is_rejected(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    token = await request_token(http, mailbox, ada.email)
    body = {"token": token, "session": "cookie"}
    assert (await post(http, VERIFY, body, Origin="https://evil.example")).status_code == 403
    page = await http.post("/magic-link", data={"token": token}, headers={"Origin": "https://evil.example"})
    assert page.status_code == 403
    assert (await post(http, VERIFY, body)).status_code == 200


@pytest.mark.requires_module("web")
async def test_magic_link_page_signs_in_on_post_only(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    token = await request_token(http, mailbox, ada.email)
    page = await http.get("/magic-link", params={"token": token}, headers=BROWSER)
    assert page.headers["referrer-policy"] == "no-referrer"
    assert token in page.text
    assert (await http.get("/api/v1/app/users/me")).status_code == 401
    done = await http.post("/magic-link", data={"token": token}, headers=BROWSER)
    assert done.is_success or done.is_redirect
    assert (await http.get("/api/v1/app/users/me")).json()["email"] == ada.email
