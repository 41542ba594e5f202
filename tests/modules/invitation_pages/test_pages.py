"""The page behind a mailed invitation, as a new person, a known one and a wrong one see it."""

import asyncio
import re
from typing import Any

import httpx
import pytest

from tests.modules.auth.people import PASSWORD, Mailbox, client_of, new_address, register, sign_in
from tests.modules.forms import followed
from tests.modules.teams.acts import TEAMS, done, invited, make_team, roles_in
from undercroft.core.http.application import Api

PAGE = "/invitation"
BROWSER = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Origin": "null"}


@pytest.fixture
async def browser(app: Api):
    async with client_of(app, **BROWSER) as client:
        yield client


async def with_account(app: Api, mailbox: Mailbox, browser: httpx.AsyncClient, email: str | None = None) -> str:
    """Somebody whose browser is signed in; their address."""
    email = email or new_address()
    async with client_of(app) as http:
        await register(http, email)
        token = (await mailbox.latest(email)).token
        await http.post("/api/v1/auth/verify-email", json={"token": token})
    await mailbox.arrived(email)
    answer = await browser.post(
        "/api/v1/auth/login",
        json={"email": email, "password": PASSWORD, "session": "cookie"},
        headers={"Origin": "http://test.local"},
    )
    assert answer.status_code == 200, answer.text
    return email


def hidden(page: httpx.Response, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    assert found, page.text
    return found[1]


async def opened(browser: httpx.AsyncClient, token: str) -> httpx.Response:
    return await browser.get(PAGE, params={"token": token})


async def press(browser: httpx.AsyncClient, page: httpx.Response, path: str = PAGE, **fields: Any) -> httpx.Response:
    data = {"token": hidden(page, "token"), **fields}
    if 'name="csrf_token"' in page.text:
        data["csrf_token"] = hidden(page, "csrf_token")
    return await browser.post(path, data=data)


def is_kept_by_nobody(answer: httpx.Response) -> bool:
    return answer.headers["referrer-policy"] == "no-referrer" and answer.headers["cache-control"] == "no-store"


async def test_a_new_person_chooses_a_password_and_is_in(app: Api, somebody, mailbox: Mailbox, browser) -> None:
    owner, email = await somebody(), new_address()
    team = await make_team(owner.client)
    token = await invited(owner.client, team, email, mailbox, "admin")
    page = await opened(browser, token)
    assert "Join Acme" in page.text
    assert email in page.text
    assert is_kept_by_nobody(page)
    weak = await press(browser, page, f"{PAGE}/register", password="password123", full_name="Ada <b>")
    assert weak.status_code == 422
    assert "password123" not in weak.text
    assert "Ada &lt;b&gt;" in weak.text
    welcome = await press(browser, weak, f"{PAGE}/register", password=PASSWORD, full_name="Ada Lovelace")
    assert is_kept_by_nobody(welcome)
    joined = await followed(browser, welcome)
    assert "You joined Acme" in joined.text
    assert "admin" in joined.text
    assert 'href="/"' in joined.text
    assert is_kept_by_nobody(joined)
    me = done(await browser.get("/api/v1/app/users/me"))
    assert (me["email"], me["email_verified"], me["full_name"]) == (email, True, "Ada Lovelace")
    assert (await roles_in(owner.client, team))[email] == "admin"
    async with client_of(app) as http:
        assert (await sign_in(http, email)).status_code == 200
    assert [mail.subject for mail in await mailbox.arrived(email)] == ["Welcome to Undercroft"]


async def test_a_scanner_that_opens_the_link_changes_nothing(app: Api, somebody, mailbox: Mailbox, browser) -> None:
    owner, email = await somebody(), new_address()
    team = await make_team(owner.client)
    token = await invited(owner.client, team, email, mailbox)
    before = await counts(app)
    for _ in range(3):
        assert (await opened(browser, token)).status_code == 200
        assert (await browser.head(PAGE, params={"token": token})).status_code == 200
    assert await counts(app) == before


async def counts(app: Api) -> list[int]:
    async with app.state.database.session() as session:
        raw = await session.raw()
        tables = ("users", "memberships", "team_invitations", "team_invitation_tokens", "audit_entries")
        return [await raw.fetchval(f"SELECT count(*) FROM {table}") for table in tables]


async def test_who_is_signed_in_as_the_invited_address_accepts(app: Api, somebody, mailbox: Mailbox, browser) -> None:
    owner = await somebody()
    team = await make_team(owner.client)
    email = await with_account(app, mailbox, browser)
    token = await invited(owner.client, team, email, mailbox)
    page = await opened(browser, token)
    assert "Accept the invitation" in page.text
    welcome = await press(browser, page)
    assert "You joined Acme" in (await followed(browser, welcome)).text
    assert (await roles_in(owner.client, team))[email] == "member"
    assert "You joined Acme" in (await followed(browser, await press(browser, page))).text
    again = await opened(browser, token)
    assert again.status_code == 400
    assert is_kept_by_nobody(again)


async def test_who_has_an_account_and_is_not_signed_in_is_asked_to(
    app: Api, somebody, mailbox: Mailbox, browser
) -> None:
    owner, guest = await somebody(), await somebody()
    team = await make_team(owner.client)
    token = await invited(owner.client, team, guest.email, mailbox)
    page = await opened(browser, token)
    assert f"/sign-in?next=%2Finvitation%3Ftoken%3D{token}" in page.text
    assert "password" not in page.text
    for path in (PAGE, f"{PAGE}/register"):
        answer = await press_blindly(browser, token, path)
        assert "/sign-in?next=" in answer.text
    assert guest.email not in await roles_in(owner.client, team)


async def press_blindly(browser: httpx.AsyncClient, token: str, path: str) -> httpx.Response:
    return await browser.post(path, data={"token": token, "password": PASSWORD, "full_name": "x"})


async def test_who_is_signed_in_as_somebody_else_is_told_so(app: Api, somebody, mailbox: Mailbox, browser) -> None:
    owner, email = await somebody(), new_address()
    team = await make_team(owner.client)
    other = await with_account(app, mailbox, browser)
    token = await invited(owner.client, team, email, mailbox)
    page = await opened(browser, token)
    assert f"signed in as {other}" in page.text
    refused = await press(browser, page)
    assert refused.status_code == 403
    assert list(await roles_in(owner.client, team)) == [owner.email]
    signed_out = await press(browser, page, f"{PAGE}/sign-out")
    assert "Create my account and join" in signed_out.text
    assert (await browser.get("/api/v1/app/users/me")).status_code == 401


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}]
)
async def test_another_site_cannot_press_a_button(
    app: Api, somebody, mailbox: Mailbox, browser, headers: dict[str, str]
) -> None:
    owner = await somebody()
    team = await make_team(owner.client)
    email = await with_account(app, mailbox, browser)
    token = await invited(owner.client, team, email, mailbox)
    csrf_token = hidden(await opened(browser, token), "csrf_token")
    if "Origin" in headers:
        del browser.headers["Sec-Fetch-Site"]
    for path in (PAGE, f"{PAGE}/register", f"{PAGE}/sign-out"):
        data = {"token": token, "csrf_token": csrf_token, "password": PASSWORD}
        assert (await browser.post(path, data=data, headers=headers)).status_code == 403, path
    assert list(await roles_in(owner.client, team)) == [owner.email]


async def test_a_button_without_the_sessions_proof_does_nothing(app: Api, somebody, mailbox: Mailbox, browser) -> None:
    owner = await somebody()
    team = await make_team(owner.client)
    email = await with_account(app, mailbox, browser)
    token = await invited(owner.client, team, email, mailbox)
    for csrf_token in ("", "x" * 64):
        answer = await browser.post(PAGE, data={"token": token, "csrf_token": csrf_token})
        assert answer.status_code == 403
    assert email not in await roles_in(owner.client, team)


@pytest.mark.parametrize("token", ["", "nonsense", "<script>", "x" * 500])
async def test_a_link_that_leads_nowhere_says_so(browser, token: str) -> None:
    for answer in (await opened(browser, token), await press_blindly(browser, token, f"{PAGE}/register")):
        assert answer.status_code == 400
        assert "not valid any more" in answer.text
        assert "<script" not in answer.text
        assert is_kept_by_nobody(answer)


async def test_a_new_person_who_presses_many_times_is_one_person(app: Api, somebody, mailbox: Mailbox) -> None:
    owner, email = await somebody(), new_address()
    team = await make_team(owner.client)
    token = await invited(owner.client, team, email, mailbox)
    async with client_of(app, **BROWSER) as one:
        answers = await asyncio.gather(*(press_blindly(one, token, f"{PAGE}/register") for _ in range(6)))
    assert sum(answer.status_code == 303 for answer in answers) == 1
    assert {answer.status_code for answer in answers} <= {200, 303, 400}
    assert sorted(await roles_in(owner.client, team)) == sorted([owner.email, email])


async def test_a_registration_that_waits_for_proof_is_void_once_the_address_is_proven_here(
    app: Api, somebody, mailbox: Mailbox, browser
) -> None:
    """Somebody else who registered the address with a password of their own gets nothing by it."""
    owner, email = await somebody(), new_address()
    team = await make_team(owner.client)
    async with client_of(app) as attacker:
        await register(attacker, email, "the attackers password")
        link = (await mailbox.latest(email)).token
        token = await invited(owner.client, team, email, mailbox)
        await press_blindly(browser, token, f"{PAGE}/register")
        assert (await attacker.post("/api/v1/auth/verify-email", json={"token": link})).status_code == 400
        assert (await sign_in(attacker, email, "the attackers password")).status_code == 401


async def test_a_full_team_takes_no_new_person_and_makes_no_account(
    app: Api, somebody, mailbox: Mailbox, browser, request: pytest.FixtureRequest
) -> None:
    from undercroft.modules import teams

    async def one_seat(_session: Any, _team_id: Any) -> int:
        return 1

    owner, email = await somebody(), new_address()
    team = await make_team(owner.client)
    token = await invited(owner.client, team, email, mailbox)
    before = teams.bind_seats(one_seat)
    request.addfinalizer(lambda: teams.bind_seats(before))
    answer = await press_blindly(browser, token, f"{PAGE}/register")
    assert answer.status_code == 409
    assert "seats" in answer.text
    async with client_of(app) as http:
        assert (await sign_in(http, email)).status_code == 401


async def test_a_team_whose_name_is_markup_is_only_shown(somebody, mailbox: Mailbox, browser) -> None:
    owner, email = await somebody(), new_address()
    team = done(await owner.client.post(TEAMS, json={"name": "<img src=x onerror=alert(1)>"}))
    token = await invited(owner.client, team, email, mailbox)
    page = await opened(browser, token)
    assert "<img" not in page.text
    assert "&lt;img" in page.text
