"""Impersonation in a browser: the cookie is read-only, bound to the administrator's cookie, and never acts as both."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from httpx2 import AsyncClient, Response

from tests.core.db.row_counts import count_rows
from tests.modules.audit.entries import entries
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.modules.sessions import Client, SessionKind, SessionService, SessionServices
from undercroft.modules.users import UserRepository
from undercroft.testing.statements import StatementRecorder
from undercroft.testing.users import SignedInUser, make_client

ME, CSRF = "/api/v1/app/users/me", "/api/v1/auth/csrf"
END, LOGOUT = "/api/v1/auth/impersonation/end", "/api/v1/auth/logout"
SAME_ORIGIN = {"Origin": "http://test.local"}
CROSS_SITE: list[dict[str, str]] = [
    {},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {**SAME_ORIGIN, "Sec-Fetch-Site": "cross-site"},
]
HOST = "test.local"
SESSION, IMPERSONATION = "uc_session", "uc_impersonation"

Browser = AsyncClient
OpenBrowser = Callable[[SignedInUser], Awaitable[Browser]]


@pytest_asyncio.fixture(loop_scope="session")
async def open_browser(app: Api) -> AsyncIterator[OpenBrowser]:
    """Sign a user in with a cookie."""
    browsers: list[Browser] = []

    async def start(user: SignedInUser) -> Browser:
        services = app.context.get(SessionServices)
        async with services.database.session() as session:
            client = Client(ip="192.0.2.1", user_agent="undercroft.testing")
            account = await UserRepository(session).get(user.user_id)
            started = await SessionService(session).start(account, client, SessionKind.COOKIE)
        browser = make_client(app)
        browser.cookies.set(SESSION, started.secret, domain=HOST)
        browsers.append(browser)
        return browser

    yield start
    for browser in browsers:
        await browser.aclose()


async def send(browser: Browser, path: str, json: Any = None, method: str = "POST", **headers: str) -> Response:
    """Send a request as the console does: same-site, with the CSRF token of the session."""
    token = (await browser.get(CSRF)).json().get("csrf_token")
    credentials = {**SAME_ORIGIN, **({"X-CSRF-Token": token} if token else {}), **headers}
    return await browser.request(method, path, json=json, headers=credentials)


async def impersonate(browser: Browser, target: SignedInUser) -> Response:
    body = {"reason": "Ticket 4711", "session": "cookie"}
    return await send(browser, f"/api/v1/admin/users/{target.user_id}/impersonate", body)


async def whoami(browser: Browser) -> str:
    response = await browser.get(ME)
    return str(response.json()["id"]) if response.status_code == 200 else error_code(response)


def error_code(response: Response) -> str:
    return str(response.json()["error"]["code"])


async def execute(database: Database, sql: str, *values: Any) -> None:
    async with database.session() as session:
        await (await session.raw()).execute(sql, *values)


@pytest_asyncio.fixture(loop_scope="session")
async def admin(create_user: Any) -> SignedInUser:
    created: SignedInUser = await create_user(role=PlatformRole.ADMIN)
    return created


@pytest_asyncio.fixture(loop_scope="session")
async def target(create_user: Any) -> SignedInUser:
    created: SignedInUser = await create_user()
    return created


@pytest_asyncio.fixture(loop_scope="session")
async def browser(open_browser: OpenBrowser, admin: SignedInUser, target: SignedInUser) -> Browser:
    """The browser of the administrator, who impersonates the target."""
    opened = await open_browser(admin)
    response = await impersonate(opened, target)
    assert response.status_code == 200, response.text
    return opened


async def test_browser_acts_as_the_user_until_the_end(
    browser: Browser, admin: SignedInUser, target: SignedInUser, database: Database
) -> None:
    me = (await browser.get(ME)).json()
    assert (me["id"], me["impersonated_by"]) == (str(target.user_id), str(admin.user_id))
    assert (await send(browser, END)).status_code == 204
    assert IMPERSONATION not in browser.cookies
    assert await whoami(browser) == str(admin.user_id)
    (ended,) = await entries(database, action="impersonation.ended")
    assert (ended["user_id"], ended["impersonator_id"]) == (target.user_id, admin.user_id)


async def test_cookie_is_not_readable_by_script_and_the_response_contains_no_secret(
    open_browser: OpenBrowser, admin: SignedInUser, target: SignedInUser
) -> None:
    browser = await open_browser(admin)
    response = await impersonate(browser, target)
    cookie = response.headers["set-cookie"].lower()
    assert cookie.startswith(f"{IMPERSONATION}=")
    assert all(part in cookie for part in ("httponly", "samesite=lax", "path=/", "max-age="))
    assert (response.json()["session"], response.json()["access_token"]) == ("cookie", None)
    assert browser.cookies[IMPERSONATION] not in response.text
    assert 0 < response.json()["expires_in"] <= 15 * 60


async def test_bearer_session_cannot_start_an_impersonation_by_cookie(
    admin: SignedInUser, target: SignedInUser, database: Database
) -> None:
    body = {"reason": "Ticket 4711", "session": "cookie"}
    response = await admin.client.post(f"/api/v1/admin/users/{target.user_id}/impersonate", json=body)
    assert (response.status_code, error_code(response)) == (409, "COOKIE_SESSION_REQUIRED")
    assert await entries(database, action="impersonation.started") == []


@pytest.mark.parametrize("headers", CROSS_SITE, ids=str)
async def test_start_and_end_require_the_same_site_and_a_csrf_token(
    browser: Browser, admin: SignedInUser, target: SignedInUser, open_browser: OpenBrowser, headers: dict[str, str]
) -> None:
    own_token = (await browser.get(CSRF)).json()["csrf_token"]
    assert error_code(await browser.post(END, headers={"X-CSRF-Token": own_token, **headers})) == "CSRF_FAILED"
    assert error_code(await browser.post(END, headers=SAME_ORIGIN)) == "CSRF_FAILED"
    assert await whoami(browser) == str(target.user_id)
    other = await open_browser(admin)
    token = (await other.get(CSRF)).json()["csrf_token"]
    start = f"/api/v1/admin/users/{target.user_id}/impersonate"
    body = {"reason": "Ticket 4711", "session": "cookie"}
    refused = await other.post(start, json=body, headers={"X-CSRF-Token": token, **headers})
    assert (error_code(refused), IMPERSONATION in other.cookies) == ("CSRF_FAILED", False)
    assert error_code(await browser.post(END, headers={**SAME_ORIGIN, "X-CSRF-Token": token})) == "CSRF_FAILED"


async def test_no_request_of_the_browser_acts_as_the_administrator(
    browser: Browser, admin: SignedInUser, target: SignedInUser, database: Database
) -> None:
    before = await count_rows(database)
    for path, body, method in (
        (f"/api/v1/admin/users/{target.user_id}/deactivate", None, "POST"),
        (f"/api/v1/admin/users/{target.user_id}/impersonate", {"reason": "Again", "session": "cookie"}, "POST"),
        ("/api/v1/admin/users", None, "GET"),
        ("/api/v1/auth/sessions", None, "GET"),
        ("/api/v1/auth/sessions", None, "DELETE"),
        (ME, {"full_name": "Mallory"}, "PATCH"),
        ("/api/v1/app/teams", {"name": "Mallory"}, "POST"),
    ):
        response = await send(browser, path, body, method)
        assert (response.status_code, error_code(response)) == (403, "IMPERSONATION_FORBIDDEN"), path
    after = await count_rows(database)
    assert {name: after[name] - before[name] for name in before if after[name] != before[name]} == {}


@pytest.mark.requires_module("admin", "web")
async def test_admin_pages_refuse_an_impersonated_administrator(
    open_browser: OpenBrowser, create_user: Any, admin: SignedInUser
) -> None:
    superadmin = await create_user(role=PlatformRole.SUPERADMIN)
    browser = await open_browser(superadmin)
    assert (await impersonate(browser, admin)).status_code == 200
    assert (await browser.get("/admin/")).status_code == 403
    assert (await browser.get("/admin/user/list")).status_code == 403


@pytest.mark.requires_module("web")
async def test_pages_with_forms_refuse_an_impersonator(
    browser: Browser, target: SignedInUser, create_team: Any, create_user: Any, database: Database
) -> None:
    token = (await browser.get(CSRF)).json()["csrf_token"]
    response = await browser.post("/invitation", data={"token": "a" * 43, "csrf_token": token}, headers=SAME_ORIGIN)
    assert response.status_code == 403
    assert "not allowed while impersonating" in response.text


async def test_ended_impersonation_is_refused_until_the_browser_ends_it(
    browser: Browser, admin: SignedInUser, database: Database
) -> None:
    await execute(database, "UPDATE auth_sessions SET expires_at = now() WHERE impersonator_id IS NOT NULL")
    assert await whoami(browser) == "IMPERSONATION_ENDED"
    assert error_code(await browser.get(CSRF)) == "IMPERSONATION_ENDED"
    assert error_code(await browser.post("/api/v1/app/teams", json={"name": "A"}, headers=SAME_ORIGIN)) in (
        "IMPERSONATION_ENDED"
    )
    for headers in CROSS_SITE:
        assert error_code(await browser.post(END, headers=headers)) == "CSRF_FAILED"
        assert IMPERSONATION in browser.cookies
    assert (await send(browser, END)).status_code == 204
    assert await whoami(browser) == str(admin.user_id)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE auth_sessions SET revoked_at = now() WHERE user_id = $1 AND kind = 'cookie'",
        "UPDATE users SET role = 'user' WHERE id = $1",
        "UPDATE users SET is_active = false WHERE id = $1",
    ],
)
async def test_impersonation_ends_with_the_administrators_session_role_and_account(
    browser: Browser, admin: SignedInUser, database: Database, sql: str
) -> None:
    await execute(database, sql, admin.user_id)
    assert await whoami(browser) == "IMPERSONATION_ENDED"
    assert (await send(browser, END)).status_code == 204
    assert IMPERSONATION not in browser.cookies
    assert await whoami(browser) in (str(admin.user_id), "SESSION_ENDED")


async def test_cookie_is_useless_without_the_cookie_that_started_it(
    browser: Browser, admin: SignedInUser, target: SignedInUser, app: Api, open_browser: OpenBrowser
) -> None:
    stolen = browser.cookies[IMPERSONATION]
    async with make_client(app) as thief:
        thief.cookies.set(IMPERSONATION, stolen, domain=HOST)
        assert await whoami(thief) == "UNAUTHORIZED"
        thief.cookies.set(SESSION, stolen, domain=HOST)
        assert await whoami(thief) == "IMPERSONATION_ENDED"
        del thief.cookies[IMPERSONATION]
        assert await whoami(thief) == "SESSION_ENDED"
    for other in (await open_browser(target), await open_browser(admin)):
        other.cookies.set(IMPERSONATION, stolen, domain=HOST)
        assert await whoami(other) == "IMPERSONATION_ENDED"
        assert (await send(other, END)).status_code == 204
    assert await whoami(browser) == str(target.user_id)


async def test_session_cookie_of_the_administrator_is_no_impersonation(browser: Browser, admin: SignedInUser) -> None:
    browser.cookies.set(IMPERSONATION, browser.cookies[SESSION], domain=HOST)
    assert await whoami(browser) == "IMPERSONATION_ENDED"


async def test_sign_out_ends_both_sessions(
    browser: Browser, admin: SignedInUser, target: SignedInUser, database: Database, app: Api
) -> None:
    own, impersonation = browser.cookies[SESSION], browser.cookies[IMPERSONATION]
    assert (await send(browser, LOGOUT)).status_code == 204
    assert {SESSION, IMPERSONATION}.isdisjoint(browser.cookies)
    async with make_client(app) as copy:
        copy.cookies.set(SESSION, own, domain=HOST)
        assert await whoami(copy) == "SESSION_ENDED"
        copy.cookies.set(IMPERSONATION, impersonation, domain=HOST)
        assert await whoami(copy) == "IMPERSONATION_ENDED"
    assert (await target.client.get(ME)).status_code == 200
    revoked = (await entries(database, action="session.revoked"))[-1]
    assert revoked["impersonator_id"] == admin.user_id


async def test_bearer_impersonation_signs_out_only_itself(admin: SignedInUser, target: SignedInUser, app: Api) -> None:
    response = await admin.client.post(f"/api/v1/admin/users/{target.user_id}/impersonate", json={"reason": "Ticket"})
    async with make_client(app, Authorization=f"Bearer {response.json()['access_token']}") as client:
        assert (await client.post(LOGOUT)).status_code == 204
        assert await whoami(client) == "SESSION_ENDED"
    assert (await admin.client.get(ME)).status_code == 200


@pytest.mark.requires_module("web")
async def test_sign_out_page_signs_out_the_administrator(browser: Browser, admin: SignedInUser, app: Api) -> None:
    own = browser.cookies[SESSION]
    token = (await browser.get(CSRF)).json()["csrf_token"]
    response = await browser.post("/sign-out", data={"csrf_token": token}, headers=SAME_ORIGIN)
    assert response.status_code == 303
    assert {SESSION, IMPERSONATION}.isdisjoint(browser.cookies)
    async with make_client(app) as copy:
        copy.cookies.set(SESSION, own, domain=HOST)
        assert await whoami(copy) == "SESSION_ENDED"


async def test_impersonation_is_hidden_from_sessions_and_not_extended_by_use(
    browser: Browser, target: SignedInUser, app: Api, database: Database
) -> None:
    assert await whoami(browser) == str(target.user_id)
    await app.context.get(SessionServices).last_seen.flush(database)
    assert (await target.client.get("/api/v1/auth/sessions")).json()["total"] == 1
    async with database.session() as session:
        sql = "SELECT * FROM auth_sessions WHERE impersonator_id IS NOT NULL"
        (row,) = await (await session.raw()).fetch(sql)
    assert (row["ip"], row["started_ip"], row["expires_at"]) == ("", "", row["ends_at"])


async def test_impersonated_cookie_takes_one_statement(browser: Browser, statements: StatementRecorder) -> None:
    await browser.get(ME)
    await statements.clear()
    await browser.get(ME)
    await statements.get_all()
    assert statements.count == 1, str(statements)


async def test_new_sign_in_removes_the_cookie(browser: Browser, target: SignedInUser, app: Api) -> None:
    from starlette.responses import Response as HttpResponse

    services = app.context.get(SessionServices)
    async with services.database.session() as session:
        account = await UserRepository(session).get(target.user_id)
        started = await SessionService(session).start(
            account, Client(ip="192.0.2.1", user_agent="undercroft.testing"), SessionKind.COOKIE
        )
    response = HttpResponse()
    started.set_cookies(response)
    removed = [value for name, value in response.raw_headers if value.startswith(IMPERSONATION.encode())]
    assert len(removed) == 1
    assert b"Max-Age=0" in removed[0]
