"""Cookie sessions of browsers."""

from collections.abc import AsyncIterator

import httpx2 as httpx
import pytest
import pytest_asyncio
from fastapi import WebSocket
from pydantic import SecretStr
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
from undercroft.app.api import create_app
from undercroft.core.auth import Authenticator
from undercroft.core.db import Database
from undercroft.core.http import Exempt, Router
from undercroft.core.http.application import Api
from undercroft.core.settings import CoreSettings, load, use
from undercroft.modules.sessions.models import AuthSession
from undercroft.modules.sessions.service.cookies import SESSION_COOKIE
from undercroft.testing import connect_websocket, run_lifespan

SAME_ORIGIN = {"Origin": "http://test.local"}
CROSS_ORIGIN = {"Origin": "https://evil.example"}


@pytest_asyncio.fixture(loop_scope="session")
async def browser(app: Api, ada: RegisteredUser) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that is signed in with a cookie; it sends `X-CSRF-Token` only if a test adds it."""
    async with make_client(app) as client:
        response = await sign_in(client, ada.email, session="cookie")
        client.headers["X-Remembered"] = response.json()["csrf_token"]
        yield client


def csrf(browser: httpx.AsyncClient) -> dict[str, str]:
    return {"X-CSRF-Token": browser.headers["X-Remembered"]}


async def rename(browser: httpx.AsyncClient, **headers: str) -> httpx.Response:
    return await browser.patch("/api/v1/app/users/me", json={"full_name": "Ada"}, headers=headers)


async def test_cookie_sign_in_returns_no_tokens_in_the_body(app: Api, ada: RegisteredUser) -> None:
    async with make_client(app) as client:
        response = await sign_in(client, ada.email, session="cookie")
        signed_in = response.json()
        assert signed_in["csrf_token"]
        assert (signed_in["access_token"], signed_in["refresh_token"]) == (None, None)
        assert (signed_in["session"], signed_in["user"]["email"]) == ("cookie", ada.email)
        cookie = response.headers["set-cookie"].lower()
        assert cookie.startswith("uc_session=")
        assert all(part in cookie for part in ("httponly", "samesite=lax", "path=/", "max-age="))
        assert "domain" not in cookie
        assert "no-store" in response.headers["cache-control"]


async def test_session_cookie_is_secure_and_bound_to_the_host_over_https(app: Api, ada: RegisteredUser) -> None:
    use(load(CoreSettings).model_copy(update={"public_url": "https://test.local"}))
    assert SESSION_COOKIE.name == "__Host-uc_session"
    async with make_client(app) as client:
        cookie = (await sign_in(client, ada.email, session="cookie")).headers["set-cookie"].lower()
    assert cookie.startswith("__host-uc_session=")
    assert "secure" in cookie
    assert "domain" not in cookie


async def test_each_sign_in_creates_a_new_cookie_secret_stored_as_a_hash(
    app: Api, ada: RegisteredUser, database: Database
) -> None:
    secrets = set()
    for _ in range(2):
        async with make_client(app) as client:
            await sign_in(client, ada.email, session="cookie")
            secrets.add(client.cookies["uc_session"])
    assert len(secrets) == 2
    async with database.read_session() as session:
        stored = (await session.scalars(select(col(AuthSession.cookie_hash)))).all()
    assert not {secret.encode() for secret in secrets} & set(stored)


async def test_unsafe_requests_require_a_csrf_token_and_the_same_site(browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/api/v1/app/users/me")).status_code == 200
    assert error_code(await rename(browser)) == "CSRF_FAILED"
    assert error_code(await rename(browser, **csrf(browser))) == "CSRF_FAILED"
    assert error_code(await rename(browser, **SAME_ORIGIN)) == "CSRF_FAILED"
    assert error_code(await rename(browser, **SAME_ORIGIN, **{"X-CSRF-Token": "0" * 64})) == "CSRF_FAILED"
    assert error_code(await rename(browser, **CROSS_ORIGIN, **csrf(browser))) == "CSRF_FAILED"
    assert error_code(await rename(browser, Origin="null", **csrf(browser))) == "CSRF_FAILED"
    cross = {"Sec-Fetch-Site": "cross-site", **SAME_ORIGIN}
    assert error_code(await rename(browser, **cross, **csrf(browser))) == "CSRF_FAILED"
    assert (await rename(browser, **SAME_ORIGIN, **csrf(browser))).status_code == 200
    assert (await rename(browser, **{"Sec-Fetch-Site": "same-origin"}, **csrf(browser))).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 403), (CROSS_ORIGIN, 403), ({"Origin": "null"}, 403), (SAME_ORIGIN, 101),
     ({**SAME_ORIGIN, "Sec-Fetch-Site": "cross-site"}, 403), ({"Origin": "https://test"}, 101)],
    ids=str,
)  # fmt: skip
async def test_websocket_with_a_cookie_must_come_from_the_same_site(
    database: Database, browser: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    router = Router(surface="app", self_only=True, audit=Exempt("It is a test."))

    @router.websocket("/echo")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()

    app = create_app(database=database)
    app.add([router])
    async with run_lifespan(app):
        cookie = {"Cookie": f"uc_session={browser.cookies['uc_session']}"}
        response = await connect_websocket(app, "/api/v1/app/echo", headers={**cookie, **headers})
    assert response.status_code == status, response.text


async def test_csrf_token_is_bound_to_its_session(app: Api, browser: httpx.AsyncClient, ada: RegisteredUser) -> None:
    assert (await browser.get("/api/v1/auth/csrf")).json() == {"csrf_token": browser.headers["X-Remembered"]}
    async with make_client(app) as other:
        token = (await sign_in(other, ada.email, session="cookie")).json()["csrf_token"]
    assert token != browser.headers["X-Remembered"]
    assert error_code(await rename(browser, **SAME_ORIGIN, **{"X-CSRF-Token": token})) == "CSRF_FAILED"


async def test_cross_site_cookie_sign_in_is_rejected(app: Api, ada: RegisteredUser, mailbox: Mailbox) -> None:
    email = new_email()
    async with make_client(app) as victim:
        for headers in (CROSS_ORIGIN, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            body = {"email": ada.email, "password": PASSWORD, "session": "cookie"}
            response = await post(victim, "/login", body, **headers)
            assert (response.status_code, error_code(response)) == (403, "CSRF_FAILED")
        await register(victim, email)
        body = {"token": (await mailbox.latest(email)).token, "session": "cookie"}
        assert error_code(await post(victim, "/verify-email", body, **CROSS_ORIGIN)) == "CSRF_FAILED"
        assert "uc_session" not in victim.cookies
        assert (await post(victim, "/verify-email", body, **SAME_ORIGIN)).status_code == 200
        assert victim.cookies["uc_session"]


async def test_sign_out_revokes_the_session_and_clears_the_cookie(app: Api, browser: httpx.AsyncClient) -> None:
    secret = browser.cookies["uc_session"]
    assert error_code(await browser.post("/api/v1/auth/logout", headers=CROSS_ORIGIN)) == "CSRF_FAILED"
    response = await browser.post("/api/v1/auth/logout", headers={**SAME_ORIGIN, **csrf(browser)})
    assert response.status_code == 204
    assert "uc_session" not in browser.cookies
    async with make_client(app) as thief:
        thief.cookies.set("uc_session", secret)
        assert (await thief.get("/api/v1/app/users/me")).status_code == 401
    assert (await browser.post("/api/v1/auth/logout")).status_code == 401


@pytest.mark.parametrize("secret", ["", "x", "☃".encode().decode("latin-1"), "a" * 4000, "%00"])
async def test_invalid_session_cookie_is_rejected(app: Api, secret: str) -> None:
    async with make_client(app) as client:
        headers = [(b"cookie", f"uc_session={secret}".encode("latin-1"))]
        assert (await client.get("/api/v1/app/users/me", headers=headers)).status_code == 401


async def test_csrf_token_of_an_earlier_secret_key_is_accepted(browser: httpx.AsyncClient, app: Api) -> None:
    from undercroft.modules.sessions.service.cookies import CsrfTokens

    settings, previous = load(CoreSettings), app.context.get(Authenticator).csrf
    new = {"secret_key": SecretStr("another secret of good length 0123456789"), "secret_keys": [settings.secret_key]}
    use(settings.model_copy(update=new))
    try:
        app.context.get(Authenticator).csrf = CsrfTokens()
        assert (await rename(browser, **SAME_ORIGIN, **csrf(browser))).status_code == 200
    finally:
        app.context.get(Authenticator).csrf = previous
