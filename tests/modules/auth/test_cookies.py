"""Sessions of browsers: the cookie, and whose requests it carries."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlmodel import col, select

from tests.modules.auth.people import (
    PASSWORD,
    Mailbox,
    Person,
    client_of,
    code_of,
    new_address,
    post,
    register,
    sign_in,
)
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.core.settings import CoreSettings, load, use
from undercroft.modules.auth.cookies import cookie_name
from undercroft.modules.auth.models import AuthSession

OWN = {"Origin": "http://test.local"}
FOREIGN = {"Origin": "https://evil.example"}


@pytest_asyncio.fixture(loop_scope="session")
async def browser(app: Api, ada: Person) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody signed in with a cookie; `X-CSRF-Token` is sent only where a test adds it."""
    async with client_of(app) as client:
        answer = await sign_in(client, ada.email, session="cookie")
        client.headers["X-Remembered"] = answer.json()["csrf_token"]
        yield client


def csrf(browser: httpx.AsyncClient) -> dict[str, str]:
    return {"X-CSRF-Token": browser.headers["X-Remembered"]}


async def rename(browser: httpx.AsyncClient, **headers: str) -> httpx.Response:
    return await browser.patch("/api/v1/app/users/me", json={"full_name": "Ada"}, headers=headers)


async def test_the_cookie_holds_the_session_and_the_body_no_token(app: Api, ada: Person) -> None:
    async with client_of(app) as client:
        answer = await sign_in(client, ada.email, session="cookie")
        assert set(answer.json()) == {"user", "csrf_token"}
        assert answer.json()["user"]["email"] == ada.email
        cookie = answer.headers["set-cookie"].lower()
        assert cookie.startswith("uc_session=")
        assert all(part in cookie for part in ("httponly", "samesite=lax", "path=/", "max-age="))
        assert "domain" not in cookie
        assert "no-store" in answer.headers["cache-control"]


async def test_over_https_the_cookie_is_bound_to_the_host_and_secure(app: Api, ada: Person) -> None:
    settings = load(CoreSettings)
    use(settings.model_copy(update={"public_url": "https://test.local"}))
    try:
        assert cookie_name() == "__Host-uc_session"
        async with client_of(app) as client:
            cookie = (await sign_in(client, ada.email, session="cookie")).headers["set-cookie"].lower()
        assert cookie.startswith("__host-uc_session=")
        assert "secure" in cookie
        assert "domain" not in cookie
    finally:
        use(settings)


async def test_each_sign_in_makes_a_new_secret_kept_as_a_hash(app: Api, ada: Person, database: Database) -> None:
    secrets = set()
    for _ in range(2):
        async with client_of(app) as client:
            await sign_in(client, ada.email, session="cookie")
            secrets.add(client.cookies["uc_session"])
    assert len(secrets) == 2
    async with database.reading() as session:
        stored = (await session.scalars(select(col(AuthSession.cookie_hash)))).all()
    assert not {secret.encode() for secret in secrets} & set(stored)


async def test_reading_needs_no_token_and_changing_does(browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/api/v1/app/users/me")).status_code == 200
    assert code_of(await rename(browser)) == "CSRF_FAILED"
    assert code_of(await rename(browser, **csrf(browser))) == "CSRF_FAILED"
    assert code_of(await rename(browser, **OWN)) == "CSRF_FAILED"
    assert code_of(await rename(browser, **OWN, **{"X-CSRF-Token": "0" * 64})) == "CSRF_FAILED"
    assert code_of(await rename(browser, **FOREIGN, **csrf(browser))) == "CSRF_FAILED"
    assert code_of(await rename(browser, Origin="null", **csrf(browser))) == "CSRF_FAILED"
    cross = {"Sec-Fetch-Site": "cross-site", **OWN}
    assert code_of(await rename(browser, **cross, **csrf(browser))) == "CSRF_FAILED"
    assert (await rename(browser, **OWN, **csrf(browser))).status_code == 200
    assert (await rename(browser, **{"Sec-Fetch-Site": "same-origin"}, **csrf(browser))).status_code == 200


async def test_the_token_is_bound_to_its_session(app: Api, browser: httpx.AsyncClient, ada: Person) -> None:
    assert (await browser.get("/api/v1/auth/csrf")).json() == {"csrf_token": browser.headers["X-Remembered"]}
    async with client_of(app) as other:
        token = (await sign_in(other, ada.email, session="cookie")).json()["csrf_token"]
    assert token != browser.headers["X-Remembered"]
    assert code_of(await rename(browser, **OWN, **{"X-CSRF-Token": token})) == "CSRF_FAILED"


async def test_another_site_cannot_sign_a_browser_in(app: Api, ada: Person, mailbox: Mailbox) -> None:
    email = new_address()
    async with client_of(app) as victim:
        for headers in (FOREIGN, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            body = {"email": ada.email, "password": PASSWORD, "session": "cookie"}
            answer = await post(victim, "/login", body, **headers)
            assert (answer.status_code, code_of(answer)) == (403, "CSRF_FAILED")
        await register(victim, email)
        body = {"token": (await mailbox.latest(email)).token, "session": "cookie"}
        assert code_of(await post(victim, "/verify-email", body, **FOREIGN)) == "CSRF_FAILED"
        assert "uc_session" not in victim.cookies
        assert (await post(victim, "/verify-email", body, **OWN)).status_code == 200
        assert victim.cookies["uc_session"]


async def test_signing_out_ends_the_session_and_clears_the_cookie(app: Api, browser: httpx.AsyncClient) -> None:
    secret = browser.cookies["uc_session"]
    assert code_of(await browser.post("/api/v1/auth/logout", headers=FOREIGN)) == "CSRF_FAILED"
    answer = await browser.post("/api/v1/auth/logout", headers={**OWN, **csrf(browser)})
    assert answer.status_code == 204
    assert "uc_session" not in browser.cookies
    async with client_of(app) as thief:
        thief.cookies.set("uc_session", secret)
        assert (await thief.get("/api/v1/app/users/me")).status_code == 401
    assert (await browser.post("/api/v1/auth/logout")).status_code == 401


@pytest.mark.parametrize("secret", ["", "x", "☃".encode().decode("latin-1"), "a" * 4000, "%00"])
async def test_a_made_up_cookie_is_nobody(app: Api, secret: str) -> None:
    async with client_of(app) as client:
        headers = [(b"cookie", f"uc_session={secret}".encode("latin-1"))]
        assert (await client.get("/api/v1/app/users/me", headers=headers)).status_code == 401


async def test_a_csrf_token_of_an_earlier_secret_key_still_counts(browser: httpx.AsyncClient, app: Api) -> None:
    from undercroft.modules.auth.cookies import CsrfTokens

    settings, before = load(CoreSettings), app.state.authenticator.csrf
    new = {"secret_key": SecretStr("another secret of good length 0123456789"), "secret_keys": [settings.secret_key]}
    use(settings.model_copy(update=new))
    try:
        app.state.authenticator.csrf = CsrfTokens()
        assert (await rename(browser, **OWN, **csrf(browser))).status_code == 200
    finally:
        app.state.authenticator.csrf = before
        use(settings)
