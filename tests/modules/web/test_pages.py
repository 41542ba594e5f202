"""The sign-in, sign-out, registration and welcome pages."""

import re

import httpx2 as httpx
import pytest
from sqlalchemy import select, update
from sqlmodel import col

from tests.modules.auth.users import PASSWORD, Mailbox, RegisteredUser, create_registered_user, make_client, new_email
from tests.modules.forms import follow_redirect, home
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.core.ids import new_id
from undercroft.core.settings import use
from undercroft.modules.auth.settings import AuthSettings
from undercroft.modules.sessions.models import AuthSession
from undercroft.modules.users import User
from undercroft.testing.statements import StatementRecorder

BROWSER = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
CROSS_SITE_HEADERS = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "same-site"},
]
PAGES = ["/", "/sign-in", "/register", "/magic-link?token=x"]


@pytest.fixture
def magic_links_enabled() -> None:
    use(AuthSettings(magic_links=True))


async def sign_in(http: httpx.AsyncClient, email: str, password: str = PASSWORD, **more: str) -> httpx.Response:
    return await http.post("/sign-in", data={"email": email, "password": password, **more}, headers=BROWSER)


async def get_csrf_token(http: httpx.AsyncClient) -> str:
    match = re.search(r'name="csrf_token" value="([^"]+)"', (await http.get("/sign-out", headers=BROWSER)).text)
    assert match
    return match[1]


async def test_user_signs_in_and_out_on_the_pages(http: httpx.AsyncClient, ada: RegisteredUser) -> None:
    page = await http.get("/sign-in", params={"next": "/docs"}, headers=BROWSER)
    assert 'name="next" value="/docs"' in page.text
    response = await sign_in(http, ada.email.upper(), next="/docs")
    assert (response.status_code, response.headers["location"]) == (303, "/docs")
    assert "httponly" in response.headers["set-cookie"].lower()
    assert "Ada Lovelace" in (await http.get("/", headers=BROWSER)).text
    assert (await http.get("/sign-in", headers=BROWSER)).headers["location"] == home()
    out = await http.post("/sign-out", data={"csrf_token": await get_csrf_token(http)}, headers=BROWSER)
    assert (out.status_code, out.headers["location"]) == (303, "/sign-in")
    assert (await http.get("/api/v1/app/users/me")).status_code == 401
    assert (await http.get("/sign-out", headers=BROWSER)).headers["location"] == "/sign-in"


async def test_signed_in_user_can_sign_in_again(http: httpx.AsyncClient, ada: RegisteredUser) -> None:
    await sign_in(http, ada.email)
    page = await http.get("/sign-in", params={"next": "/docs", "again": "true"}, headers=BROWSER)
    assert 'name="next" value="/docs"' in page.text
    response = await sign_in(http, ada.email, next="/docs")
    assert (response.status_code, response.headers["location"]) == (303, "/docs")


@pytest.mark.parametrize("path", PAGES)
async def test_pages_run_no_statement_and_no_script_without_a_session(
    http: httpx.AsyncClient, statements: StatementRecorder, path: str
) -> None:
    response = await http.get(path, headers=BROWSER)
    assert response.status_code == 200
    assert await statements.get_all() == []
    assert "<script" not in response.text
    assert "style=" not in response.text
    assert "script-src" not in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-store"


async def test_wrong_password_and_unknown_address_show_the_same_page(
    http: httpx.AsyncClient, ada: RegisteredUser
) -> None:
    wrong, unknown, nonsense = [
        await sign_in(http, email, "no such password") for email in (ada.email, "unknown@example.com", "unknown")
    ]
    assert wrong.status_code == unknown.status_code == nonsense.status_code == 401
    assert wrong.text.replace(ada.email, "unknown") == unknown.text.replace("unknown@example.com", "unknown")
    assert wrong.text.replace(ada.email, "unknown") == nonsense.text
    assert "no such password" not in wrong.text
    assert "set-cookie" not in wrong.headers


async def test_form_values_are_escaped(http: httpx.AsyncClient) -> None:
    hostile = '"><script>alert(1)</script>@example.com'
    for path in ("/sign-in", "/register"):
        response = await http.post(
            path, data={"email": hostile, "full_name": hostile, "next": hostile}, headers=BROWSER
        )
        assert response.status_code in (401, 422)
        assert "<script" not in response.text


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example"])
async def test_sign_in_does_not_redirect_to_another_site(
    http: httpx.AsyncClient, ada: RegisteredUser, target: str
) -> None:
    assert "evil" not in (await http.get("/sign-in", params={"next": target}, headers=BROWSER)).text
    assert (await sign_in(http, ada.email, next=target)).headers["location"] == home()
    assert (await http.get("/sign-in", params={"next": target}, headers=BROWSER)).headers["location"] == home()


@pytest.mark.parametrize("headers", CROSS_SITE_HEADERS)
async def test_cross_site_sign_in_and_sign_out_are_rejected(
    http: httpx.AsyncClient, ada: RegisteredUser, database: Database, headers: dict[str, str]
) -> None:
    data = {"email": ada.email, "password": PASSWORD}
    for path in ("/sign-in", "/register", "/sign-in/link"):
        response = await http.post(path, data=data, headers=headers)
        assert response.status_code == 403
        assert "set-cookie" not in response.headers
    await sign_in(http, ada.email)
    token = await get_csrf_token(http)
    assert (await http.post("/sign-out", data={"csrf_token": token}, headers=headers)).status_code == 403
    assert (await http.post("/sign-out", data={"csrf_token": "guess"}, headers=BROWSER)).status_code == 403
    assert (await http.post("/sign-out", headers=BROWSER)).status_code == 403
    assert (await http.get("/api/v1/app/users/me")).status_code == 200
    async with database.read_session() as session:
        cookies = await session.scalars(select(AuthSession).where(col(AuthSession.kind) == "cookie"))
        assert len(cookies.all()) == 1


async def test_sign_out_rejects_the_csrf_token_of_another_session(
    app: Api, http: httpx.AsyncClient, ada: RegisteredUser
) -> None:
    await sign_in(http, ada.email)
    async with make_client(app) as other:
        await sign_in(other, ada.email)
        other_token = await get_csrf_token(other)
    assert (await http.post("/sign-out", data={"csrf_token": other_token}, headers=BROWSER)).status_code == 403


async def test_user_registers_on_the_page(http: httpx.AsyncClient, mailbox: Mailbox, ada: RegisteredUser) -> None:
    email = new_email()
    data = {"email": email, "password": PASSWORD, "full_name": "Grace Hopper"}
    weak = await http.post("/register", data={**data, "password": "password123"}, headers=BROWSER)
    assert weak.status_code == 422
    assert "password123" not in weak.text
    assert email in weak.text
    done = await follow_redirect(http, await http.post("/register", data=data, headers=BROWSER))
    known = await follow_redirect(
        http, await http.post("/register", data={**data, "email": ada.email}, headers=BROWSER)
    )
    assert f"We sent a link to {email}." in done.text
    assert done.text.replace(email, ada.email) == known.text
    assert 'href="/verify-email/resend"' in done.text
    token = (await mailbox.latest(email)).token
    verified = await follow_redirect(http, await http.post("/verify-email", data={"token": token}, headers=BROWSER))
    assert "Email confirmed" in verified.text
    assert 'href="/sign-in"' in verified.text
    assert (await sign_in(http, email)).status_code == 303


@pytest.mark.parametrize(
    "data", [{"email": "no address"}, {"email": ""}, {"email": "a@b.example", "full_name": "a\nb"}]
)
async def test_registration_page_shows_field_errors(http: httpx.AsyncClient, data: dict[str, str]) -> None:
    response = await http.post("/register", data={"password": PASSWORD, **data}, headers=BROWSER)
    assert response.status_code == 422
    wrong = next(iter(data)) if len(data) == 1 else "full_name"
    assert f'aria-describedby="{wrong}-error"' in response.text
    assert response.text.count("autofocus") == response.text.count("aria-invalid") == 1
    assert f'id="{wrong}-error"' in response.text


async def test_magic_link_is_requested_on_the_page_when_enabled(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox, magic_links_enabled: None
) -> None:
    assert "Email me a link" in (await http.get("/sign-in", headers=BROWSER)).text
    pages = [
        await http.post("/sign-in/link", data={"email": email}, headers=BROWSER)
        for email in (ada.email, new_email(), "no address")
    ]
    assert len({(await follow_redirect(http, page)).text for page in pages}) == 1
    token = (await mailbox.latest(ada.email)).token
    response = await http.post("/magic-link", data={"token": token}, headers={**BROWSER, "Origin": "null"})
    assert (response.status_code, response.headers["location"]) == (303, home())
    assert (await http.get("/api/v1/app/users/me")).json()["email"] == ada.email
    again = await http.post("/magic-link", data={"token": token}, headers=BROWSER)
    assert again.status_code == 400
    assert 'role="alert"' in again.text


async def test_magic_link_form_is_hidden_when_disabled(http: httpx.AsyncClient, ada: RegisteredUser) -> None:
    assert "Email me a link" not in (await http.get("/sign-in", headers=BROWSER)).text
    assert (await http.post("/sign-in/link", data={"email": ada.email}, headers=BROWSER)).status_code == 404


async def test_forgot_password_path_redirects_to_the_reset_page(http: httpx.AsyncClient) -> None:
    assert (await http.get("/forgot-password", headers=BROWSER)).headers["location"] == "/reset-password"


async def test_invalid_session_cookie_counts_as_signed_out(http: httpx.AsyncClient) -> None:
    http.cookies.set("uc_session", "anything")
    assert (await http.get("/sign-in", headers=BROWSER)).status_code == 200
    assert "Register" in (await http.get("/", headers=BROWSER)).text
    assert (await http.post("/sign-out", data={"csrf_token": "x"}, headers=BROWSER)).status_code == 401


@pytest.mark.parametrize("path", ["/nothing-here", "/admin-nothing"])
async def test_unknown_path_returns_an_error_page_for_browsers(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path, headers=BROWSER)
    assert response.status_code == 404
    assert response.headers["content-type"].startswith("text/html")
    assert 'href="/"' in response.text
    assert (await http.get(path)).json()["error"]["code"] == "NOT_FOUND"


async def test_welcome_page_lists_and_joins_a_team_of_the_users_domain(
    app: Api, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    async with make_client(app) as other:
        owner = await create_registered_user(other, mailbox, f"{new_id().hex[-12:]}@acme.example")
        team = (await owner.send("POST", "/app/teams", {"name": "Acme"})).json()["id"]
        await owner.send("PATCH", f"/app/teams/{team}", {"auto_join_domains": ["acme.example"]})
        assert "Join Acme" not in (await http.get("/", headers=BROWSER)).text
        colleague = await create_registered_user(http, mailbox, f"{new_id().hex[-12:]}@acme.example")
        await sign_in(http, colleague.email)
        page = await http.get("/", headers=BROWSER)
        assert "Join Acme as member" in page.text
        for refused in ({"team_id": team}, {"team_id": team, "csrf_token": "x"}):
            response = await http.post("/join", data=refused, headers=BROWSER)
            assert (response.status_code, "X-CSRF-Token" in response.text) == (403, True)
        match = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
        assert match
        form = {"team_id": team, "csrf_token": match[1]}
        response = await http.post("/join", data=form, headers=BROWSER)
        assert (response.status_code, response.headers["location"]) == (303, home("acme"))
        members = (await owner.get(f"/app/teams/{team}/members")).json()["items"]
        assert [each["email"] for each in members] == [owner.email, colleague.email]
        assert "Join Acme" not in (await http.get("/", headers=BROWSER)).text
        form["team_id"] = str(new_id())
        assert (await http.post("/join", data=form, headers=BROWSER)).status_code == 404


async def test_failed_sign_in_links_to_resend_for_every_address(
    http: httpx.AsyncClient, mailbox: Mailbox, ada: RegisteredUser
) -> None:
    email = new_email()
    await http.post("/register", data={"email": email, "password": PASSWORD}, headers=BROWSER)
    first = (await mailbox.latest(email)).token
    pending, known = await sign_in(http, email), await sign_in(http, ada.email, "no such password")
    assert pending.status_code == 401
    assert "open the link in your email first" in pending.text
    assert 'href="/verify-email/resend"' in pending.text
    assert pending.text.replace(email, ada.email) == known.text
    assert pending.text.count('aria-invalid="true"') == 1
    assert 'name="password" maxlength="1024" autocomplete="current-password" required autofocus' in pending.text
    sent = await http.post("/verify-email/resend", data={"email": email}, headers=BROWSER)
    assert f"We sent a link to {email}." in (await follow_redirect(http, sent)).text
    second = (await mailbox.latest(email)).token
    assert second != first
    await follow_redirect(http, await http.post("/verify-email", data={"token": second}, headers=BROWSER))
    assert (await sign_in(http, email)).status_code == 303


async def test_resend_page_is_the_same_for_every_address(
    http: httpx.AsyncClient, mailbox: Mailbox, ada: RegisteredUser
) -> None:
    pages = []
    for email in (ada.email, new_email(), "nonsense"):
        sent = await http.post("/verify-email/resend", data={"email": email}, headers=BROWSER)
        pages.append((await follow_redirect(http, sent)).text.replace(email, "EMAIL"))
    assert len(set(pages)) == 1


async def test_welcome_page_links_to_administration_for_administrators(
    http: httpx.AsyncClient, ada: RegisteredUser, database: Database
) -> None:
    await sign_in(http, ada.email)
    assert "/admin" not in (await http.get("/", headers=BROWSER)).text
    async with database.session() as session:
        await session.execute(update(User).where(col(User.email) == ada.email).values(role=PlatformRole.ADMIN.value))
    assert 'href="/admin"' in (await http.get("/", headers=BROWSER)).text
