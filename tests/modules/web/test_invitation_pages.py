"""The page of an emailed invitation for visitors without account, invited users and other users."""

import asyncio
import re
from typing import Any

import httpx2 as httpx
import pytest

from tests.modules.auth.users import PASSWORD, Mailbox, make_client, new_email, register, sign_in
from tests.modules.forms import follow_redirect, home
from tests.modules.teams.requests import TEAMS, assert_success, invite_and_get_token, list_member_roles, make_team
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.modules.teams import SeatLimit

PAGE = "/invitation"
BROWSER = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Origin": "null"}


@pytest.fixture
async def browser(app: Api):
    async with make_client(app, **BROWSER) as client:
        yield client


async def sign_in_new_user(app: Api, mailbox: Mailbox, browser: httpx.AsyncClient, email: str | None = None) -> str:
    """Create a user whose browser is signed in; return the address."""
    email = email or new_email()
    async with make_client(app) as http:
        await register(http, email)
        token = (await mailbox.latest(email)).token
        await http.post("/api/v1/auth/verify-email", json={"token": token})
    await mailbox.list_new(email)
    response = await browser.post(
        "/api/v1/auth/login",
        json={"email": email, "password": PASSWORD, "session": "cookie"},
        headers={"Origin": "http://test.local"},
    )
    assert response.status_code == 200, response.text
    return email


def hidden_field_value(page: httpx.Response, name: str) -> str:
    match = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    assert match, page.text
    return match[1]


async def open_page(browser: httpx.AsyncClient, token: str) -> httpx.Response:
    return await browser.get(PAGE, params={"token": token})


async def submit_form(
    browser: httpx.AsyncClient, page: httpx.Response, path: str = PAGE, **fields: Any
) -> httpx.Response:
    data = {"token": hidden_field_value(page, "token"), **fields}
    if 'name="csrf_token"' in page.text:
        data["csrf_token"] = hidden_field_value(page, "csrf_token")
    return await browser.post(path, data=data)


def is_private(response: httpx.Response) -> bool:
    return response.headers["referrer-policy"] == "no-referrer" and response.headers["cache-control"] == "no-store"


async def test_visitor_without_account_registers_and_joins(app: Api, create_user, mailbox: Mailbox, browser) -> None:
    owner, email = await create_user(), new_email()
    team = await make_team(owner.client)
    token = await invite_and_get_token(owner.client, team, email, mailbox, "admin")
    page = await open_page(browser, token)
    assert "Join Acme" in page.text
    assert email in page.text
    assert is_private(page)
    weak = await submit_form(browser, page, f"{PAGE}/register", password="password123", full_name="Ada <b>")
    assert weak.status_code == 422
    assert "password123" not in weak.text
    assert "Ada &lt;b&gt;" in weak.text
    welcome = await submit_form(browser, weak, f"{PAGE}/register", password=PASSWORD, full_name="Ada Lovelace")
    assert is_private(welcome)
    joined = await follow_redirect(browser, welcome)
    assert "You joined Acme" in joined.text
    assert "admin" in joined.text
    assert f'href="{home("acme")}"' in joined.text
    assert is_private(joined)
    me = assert_success(await browser.get("/api/v1/app/users/me"))
    assert (me["email"], me["email_verified"], me["full_name"]) == (email, True, "Ada Lovelace")
    assert (await list_member_roles(owner.client, team))[email] == "admin"
    async with make_client(app) as http:
        assert (await sign_in(http, email)).status_code == 200
    assert [mail.subject for mail in await mailbox.list_new(email)] == ["Welcome to Undercroft"]


async def test_link_opened_by_an_email_scanner_changes_nothing(
    app: Api, create_user, mailbox: Mailbox, browser
) -> None:
    owner, email = await create_user(), new_email()
    team = await make_team(owner.client)
    token = await invite_and_get_token(owner.client, team, email, mailbox)
    before = await count_rows(app)
    for _ in range(3):
        assert (await open_page(browser, token)).status_code == 200
        assert (await browser.head(PAGE, params={"token": token})).status_code == 200
    assert await count_rows(app) == before


async def count_rows(app: Api) -> list[int]:
    async with app.context.get(Database).session() as session:
        raw = await session.raw()
        tables = ("users", "memberships", "team_invitations", "team_invitation_tokens", "audit_entries")
        return [await raw.fetchval(f"SELECT count(*) FROM {table}") for table in tables]


async def test_user_with_the_invited_address_accepts(app: Api, create_user, mailbox: Mailbox, browser) -> None:
    owner = await create_user()
    team = await make_team(owner.client)
    email = await sign_in_new_user(app, mailbox, browser)
    token = await invite_and_get_token(owner.client, team, email, mailbox)
    page = await open_page(browser, token)
    assert "Accept invitation" in page.text
    welcome = await submit_form(browser, page)
    assert "You joined Acme" in (await follow_redirect(browser, welcome)).text
    assert (await list_member_roles(owner.client, team))[email] == "member"
    assert "You joined Acme" in (await follow_redirect(browser, await submit_form(browser, page))).text
    again = await open_page(browser, token)
    assert again.status_code == 400
    assert is_private(again)


async def test_signed_out_user_with_account_is_asked_to_sign_in(
    app: Api, create_user, mailbox: Mailbox, browser
) -> None:
    owner, guest = await create_user(), await create_user()
    team = await make_team(owner.client)
    token = await invite_and_get_token(owner.client, team, guest.email, mailbox)
    page = await open_page(browser, token)
    assert f"/sign-in?next=%2Finvitation%3Ftoken%3D{token}" in page.text
    assert "password" not in page.text
    for path in (PAGE, f"{PAGE}/register"):
        response = await submit_without_csrf_token(browser, token, path)
        assert "/sign-in?next=" in response.text
    assert guest.email not in await list_member_roles(owner.client, team)


async def submit_without_csrf_token(browser: httpx.AsyncClient, token: str, path: str) -> httpx.Response:
    return await browser.post(path, data={"token": token, "password": PASSWORD, "full_name": "x"})


async def test_user_with_another_address_is_asked_to_sign_out(app: Api, create_user, mailbox: Mailbox, browser) -> None:
    owner, email = await create_user(), new_email()
    team = await make_team(owner.client)
    other = await sign_in_new_user(app, mailbox, browser)
    token = await invite_and_get_token(owner.client, team, email, mailbox)
    page = await open_page(browser, token)
    assert f"signed in as {other}" in page.text
    refused = await submit_form(browser, page)
    assert refused.status_code == 403
    assert list(await list_member_roles(owner.client, team)) == [owner.email]
    signed_out = await submit_form(browser, page, f"{PAGE}/sign-out")
    assert "Create account and join" in signed_out.text
    assert (await browser.get("/api/v1/app/users/me")).status_code == 401


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}]
)
async def test_cross_site_form_post_is_refused(
    app: Api, create_user, mailbox: Mailbox, browser, headers: dict[str, str]
) -> None:
    owner = await create_user()
    team = await make_team(owner.client)
    email = await sign_in_new_user(app, mailbox, browser)
    token = await invite_and_get_token(owner.client, team, email, mailbox)
    csrf_token = hidden_field_value(await open_page(browser, token), "csrf_token")
    if "Origin" in headers:
        del browser.headers["Sec-Fetch-Site"]
    for path in (PAGE, f"{PAGE}/register", f"{PAGE}/sign-out"):
        data = {"token": token, "csrf_token": csrf_token, "password": PASSWORD}
        assert (await browser.post(path, data=data, headers=headers)).status_code == 403, path
    assert list(await list_member_roles(owner.client, team)) == [owner.email]


async def test_form_post_without_csrf_token_is_refused(app: Api, create_user, mailbox: Mailbox, browser) -> None:
    owner = await create_user()
    team = await make_team(owner.client)
    email = await sign_in_new_user(app, mailbox, browser)
    token = await invite_and_get_token(owner.client, team, email, mailbox)
    for csrf_token in ("", "x" * 64):
        response = await browser.post(PAGE, data={"token": token, "csrf_token": csrf_token})
        assert response.status_code == 403
    assert email not in await list_member_roles(owner.client, team)


@pytest.mark.parametrize("token", ["", "nonsense", "<script>", "x" * 500])
async def test_invalid_link_shows_an_error(browser, token: str) -> None:
    for response in (
        await open_page(browser, token),
        await submit_without_csrf_token(browser, token, f"{PAGE}/register"),
    ):
        assert response.status_code == 400
        assert "has expired or was already used" in response.text
        assert "<script" not in response.text
        assert is_private(response)


async def test_concurrent_registrations_create_one_account(app: Api, create_user, mailbox: Mailbox) -> None:
    owner, email = await create_user(), new_email()
    team = await make_team(owner.client)
    token = await invite_and_get_token(owner.client, team, email, mailbox)
    async with make_client(app, **BROWSER) as one:
        responses = await asyncio.gather(*(submit_without_csrf_token(one, token, f"{PAGE}/register") for _ in range(6)))
    assert sum(response.status_code == 303 for response in responses) == 1
    assert {response.status_code for response in responses} <= {200, 303, 400}
    assert sorted(await list_member_roles(owner.client, team)) == sorted([owner.email, email])


async def test_pending_registration_is_void_once_the_invitation_verifies_the_address(
    app: Api, create_user, mailbox: Mailbox, browser
) -> None:
    """An attacker who registered the address with a password of their own gains no access."""
    owner, email = await create_user(), new_email()
    team = await make_team(owner.client)
    async with make_client(app) as attacker:
        await register(attacker, email, "the attackers password")
        link = (await mailbox.latest(email)).token
        token = await invite_and_get_token(owner.client, team, email, mailbox)
        await submit_without_csrf_token(browser, token, f"{PAGE}/register")
        assert (await attacker.post("/api/v1/auth/verify-email", json={"token": link})).status_code == 400
        assert (await sign_in(attacker, email, "the attackers password")).status_code == 401


async def test_registration_for_a_full_team_creates_no_account(
    app: Api, create_user, mailbox: Mailbox, browser, request: pytest.FixtureRequest
) -> None:
    async def one_seat(session: Any, team_id: Any) -> int:
        return 1

    owner, email = await create_user(), new_email()
    team = await make_team(owner.client)
    token = await invite_and_get_token(owner.client, team, email, mailbox)
    app.context.add(SeatLimit, one_seat)
    request.addfinalizer(lambda: app.context.remove(SeatLimit))
    response = await submit_without_csrf_token(browser, token, f"{PAGE}/register")
    assert response.status_code == 409
    assert "seats" in response.text
    async with make_client(app) as http:
        assert (await sign_in(http, email)).status_code == 401


async def test_markup_in_the_team_name_is_escaped(create_user, mailbox: Mailbox, browser) -> None:
    owner, email = await create_user(), new_email()
    team = assert_success(await owner.client.post(TEAMS, json={"name": "<img src=x onerror=alert(1)>"}))
    token = await invite_and_get_token(owner.client, team, email, mailbox)
    page = await open_page(browser, token)
    assert "<img" not in page.text
    assert "&lt;img" in page.text
