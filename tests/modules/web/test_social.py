"""Social sign-in on the sign-in page."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2 as httpx
import pytest_asyncio
from pyotp import TOTP
from sqlalchemy import update

from tests.modules.identities import fixtures
from tests.modules.identities.browsers import (
    approve,
    browser,
    module_social_app,
    other_browser,
    sign_in_new_user,
    social_app,
    start,
)
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.core.settings import use
from undercroft.devstack.emulators.oidc import OidcIssuer
from undercroft.modules.users import User
from undercroft.providers.identity import IdentitySettings
from undercroft.testing.users import make_client

__all__ = ["browser", "module_social_app", "other_browser", "social_app"]

PAGE = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}


async def test_social_link_redirects_to_the_provider_and_back_to_the_requested_page(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    page = (await browser.get("/sign-in", params={"next": "/docs?a=1"}, headers=PAGE)).text
    links = re.findall(r'href="(/api/v1/auth/social/[^"]+)"', page)
    assert len(links) == 5
    assert "Continue with Google" in page
    redirect = await browser.get(links[-1].replace("&amp;", "&"), headers=PAGE)
    assert redirect.status_code == 302
    back = await browser.get(await approve(redirect.headers["location"]), headers=PAGE)
    assert (back.status_code, back.headers["location"]) == (303, "/docs?a=1")
    assert "You are signed in" in (await browser.get("/", headers=PAGE)).text


async def test_social_sign_in_shows_the_second_factor_page(
    browser: httpx.AsyncClient, other_browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    first = await browser.get("/api/v1/auth/social/oidc")
    assert (await browser.get(await approve(first.headers["location"]))).status_code == 303
    async with database.session() as session:
        await session.execute(update(User).values(second_factors=["totp"]))
    redirect = await other_browser.get("/api/v1/auth/social/oidc", params={"return_to": "/docs"})
    page = await other_browser.get(await approve(redirect.headers["location"]), headers=PAGE)
    assert page.status_code == 200
    assert 'name="mfa_token"' in page.text
    assert 'name="next" value="/docs"' in page.text
    assert "session" not in page.headers.get("set-cookie", "")
    assert (await other_browser.get("/api/v1/app/users/me")).status_code == 401


@pytest_asyncio.fixture(loop_scope="session")
async def external_app(worker_app: Api, database: Database, oidc_issuer: OidcIssuer) -> AsyncIterator[Api]:
    """An application with accounts at an identity provider, which is also used for browser sign-in."""
    _, buttons = fixtures.social(oidc_issuer)
    async with fixtures.application(database, fixtures.oidc(oidc_issuer), buttons) as app:
        yield app


async def recovery_codes(browser: httpx.AsyncClient, safe: dict[str, Any]) -> list[str]:
    """Enable an authenticator app and return the recovery codes."""
    secret = (await browser.post("/api/v1/auth/mfa/totp", **safe)).json()["secret"]
    body = {"code": TOTP(secret).now()}
    codes: list[str] = (await browser.post("/api/v1/auth/mfa/totp/confirm", json=body, **safe)).json()["recovery_codes"]
    return codes


async def test_sign_in_page_has_only_social_links_with_external_accounts(external_app: Api) -> None:
    async with make_client(external_app) as stranger:
        assert "Sign in" in (await stranger.get("/", headers=PAGE)).text
        page = (await stranger.get("/sign-in", headers=PAGE)).text
        assert "Continue with Single sign-on" in page
        assert "Continue with Google" not in page
        assert not [name for name in ("<form", "Password", "/register") if name in page]
        for path in ("/sign-in", "/sign-in/link", "/register"):
            response = await stranger.post(path, data={"email": "a@example.com"}, headers=PAGE)
            assert response.status_code == 403, path


async def test_social_user_completes_the_second_factor_and_signs_out(
    external_app: Api, oidc_issuer: OidcIssuer
) -> None:
    async with make_client(external_app) as browser:
        codes = await recovery_codes(browser, await sign_in_new_user(browser, oidc_issuer, "oidc"))
    async with make_client(external_app) as browser:
        page = (await browser.get(await approve(await start(browser)), headers=PAGE)).text
        proof = {"mfa_token": field_value("mfa_token", page), "recovery_code": codes[0]}
        assert (await browser.post("/sign-in/second-factor", data=proof, headers=PAGE)).status_code == 303
        again = await browser.post("/sign-in/second-factor", data=proof, headers=PAGE)
        assert (again.status_code, "Continue with Single sign-on" in again.text) == (401, True)

        csrf = {"csrf_token": field_value("csrf_token", (await browser.get("/sign-out", headers=PAGE)).text)}
        assert (await browser.post("/sign-out", data=csrf, headers=PAGE)).status_code == 303
        assert (await browser.get("/api/v1/app/users/me")).status_code == 401


def field_value(field: str, page: str) -> str:
    return re.findall(rf'name="{field}" value="([^"]+)"', page)[0]


async def test_sign_in_pages_return_403_with_external_accounts_and_no_social_links(
    client: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    use(IdentitySettings(auth_provider="oidc", oidc_issuer=oidc_issuer.url, oidc_audience=("x",)))
    for path in ("/sign-in", "/register", "/magic-link"):
        response = await client.get(path, headers=PAGE)
        assert response.status_code == 403, path
        assert (await client.post(path, data={"email": "a@example.com"}, headers=PAGE)).status_code == 403
    assert "Sign in" not in (await client.get("/", headers=PAGE)).text
