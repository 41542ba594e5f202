"""Signing in with others from the page, and what comes after it."""

import re

import httpx
from sqlalchemy import update

from tests.modules.identities.test_social import agree, another, browser, one_world, world
from undercroft.core.db import Database
from undercroft.core.settings import use
from undercroft.devstack.standins.oidc import OidcIssuer
from undercroft.modules.users import User
from undercroft.providers.identity import IdentitySettings

__all__ = ["another", "browser", "one_world", "world"]

PAGE = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}


async def test_a_button_leads_to_the_provider_and_back_to_the_page_that_was_wanted(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    oidc_issuer.approving = oidc_issuer.person()
    page = (await browser.get("/sign-in", params={"next": "/docs?a=1"}, headers=PAGE)).text
    links = re.findall(r'href="(/api/v1/auth/social/[^"]+)"', page)
    assert len(links) == 5
    assert "Continue with Google" in page
    away = await browser.get(links[-1].replace("&amp;", "&"), headers=PAGE)
    assert away.status_code == 302
    back = await browser.get(await agree(away.headers["location"]), headers=PAGE)
    assert (back.status_code, back.headers["location"]) == (303, "/docs?a=1")
    assert "You are signed in" in (await browser.get("/", headers=PAGE)).text


async def test_a_second_factor_is_asked_for_on_our_page(
    browser: httpx.AsyncClient, another: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    oidc_issuer.approving = oidc_issuer.person()
    first = await browser.get("/api/v1/auth/social/oidc")
    assert (await browser.get(await agree(first.headers["location"]))).status_code == 303
    async with database.session() as session:
        await session.execute(update(User).values(second_factors=["totp"]))
    away = await another.get("/api/v1/auth/social/oidc", params={"return_to": "/docs"})
    page = await another.get(await agree(away.headers["location"]), headers=PAGE)
    assert page.status_code == 200
    assert 'name="mfa_token"' in page.text
    assert 'name="next" value="/docs"' in page.text
    assert "session" not in page.headers.get("set-cookie", "")
    assert (await another.get("/api/v1/app/users/me")).status_code == 401


async def test_where_others_keep_the_accounts_there_is_nothing_to_sign_in_with(
    client: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    use(IdentitySettings(auth_provider="oidc", oidc_issuer=oidc_issuer.url, oidc_audience=("x",)))
    try:
        for path in ("/sign-in", "/register", "/magic-link"):
            answer = await client.get(path, headers=PAGE)
            assert answer.status_code == 403, path
            assert (await client.post(path, data={"email": "a@example.com"}, headers=PAGE)).status_code == 403
        assert "Sign in" not in (await client.get("/", headers=PAGE)).text
    finally:
        use(IdentitySettings())
