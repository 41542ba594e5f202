"""Sign-in with a provider requires the second factor of users with MFA."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import pytest
from pyotp import HOTP

from tests.modules.auth.users import Mailbox
from tests.modules.identities.browsers import (
    approve,
    browser,
    module_social_app,
    other_browser,
    sign_in,
    sign_in_new_user,
    social_app,
)
from tests.modules.identities.requests import count, error_code
from tests.modules.identities.test_social import (
    exchange_code,
    pkce,
    request_code,
)
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.devstack.emulators.oidc import OidcIssuer
from undercroft.modules.identities.models import ExternalIdentity
from undercroft.modules.mfa.service import codes
from undercroft.modules.sessions import ChallengePage
from undercroft.modules.sessions.models import AuthSession
from undercroft.testing.users import make_client

__all__ = ["browser", "module_social_app", "other_browser", "social_app"]

ME = "/api/v1/app/users/me"


class Clock:
    now = 1_800_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(codes, "time", made)
    return made


@pytest.fixture
def without_page(social_app: Api) -> Iterator[None]:
    """The application has no second factor page, as without the module web."""
    page = social_app.context.find(ChallengePage)
    if page is None:
        yield
        return
    social_app.context.remove(ChallengePage)
    yield
    social_app.context.add(ChallengePage, page)


async def enable_mfa(browser: httpx.AsyncClient, clock: Clock, safe: dict[str, Any]) -> HOTP:
    secret = (await browser.post("/api/v1/auth/mfa/totp", **safe)).json()["secret"]
    app = HOTP(secret)
    body = {"code": app.at(int(clock.now) // codes.STEP_SECONDS)}
    assert (await browser.post("/api/v1/auth/mfa/totp/confirm", json=body, **safe)).status_code == 200
    clock.now += codes.STEP_SECONDS
    return app


async def test_browser_gets_no_session_before_the_second_factor(
    browser: httpx.AsyncClient,
    other_browser: httpx.AsyncClient,
    oidc_issuer: OidcIssuer,
    database: Database,
    clock: Clock,
    without_page: None,
) -> None:
    app = await enable_mfa(browser, clock, await sign_in_new_user(browser, oidc_issuer, "oidc"))
    before = await count(database, AuthSession)

    response = await sign_in(other_browser, "oidc", return_to="/welcome")

    assert response.headers["Location"].startswith("/welcome#")
    assert await count(database, AuthSession) == before
    assert (await other_browser.get(ME)).status_code == 401
    mfa_token = parse_mfa_details(response.headers["Location"])["mfa_token"]
    done = await verify(other_browser, mfa_token, code=app.at(int(clock.now) // codes.STEP_SECONDS))
    assert done.status_code == 200
    assert (await other_browser.get(ME)).status_code == 200


async def test_identity_is_linked_only_after_the_second_factor(
    browser: httpx.AsyncClient,
    other_browser: httpx.AsyncClient,
    oidc_issuer: OidcIssuer,
    database: Database,
    clock: Clock,
    without_page: None,
    mailbox: Mailbox,
) -> None:
    """Control of the address at another provider is only one of two factors."""
    app = await enable_mfa(browser, clock, await sign_in_new_user(browser, oidc_issuer, "google"))
    await mailbox.list_new()
    owner = (await browser.get(ME)).json()
    oidc_issuer.auto_approve = oidc_issuer.add_user(email=owner["email"])

    mfa_token = parse_mfa_details((await sign_in(other_browser, "oidc")).headers["Location"])["mfa_token"]
    wrong = await verify(other_browser, mfa_token, code="000000")

    assert (wrong.status_code, error_code(wrong)) == (401, "INVALID_CODE")
    assert await count(database, ExternalIdentity) == 1
    assert await mailbox.list_new(owner["email"]) == []

    right = await verify(other_browser, mfa_token, code=app.at(int(clock.now) // codes.STEP_SECONDS))

    assert right.status_code == 200
    assert await count(database, ExternalIdentity) == 2
    listed = (await other_browser.get("/api/v1/auth/identities")).json()["items"]
    assert [each["provider"] for each in listed] == ["oidc", "google"]
    assert [mail.to for mail in await mailbox.list_new()] == [owner["email"]]


async def test_app_links_an_identity_only_after_the_second_factor(
    browser: httpx.AsyncClient,
    other_browser: httpx.AsyncClient,
    oidc_issuer: OidcIssuer,
    database: Database,
    clock: Clock,
) -> None:
    app = await enable_mfa(browser, clock, await sign_in_new_user(browser, oidc_issuer, "google"))
    oidc_issuer.auto_approve = oidc_issuer.add_user(email=(await browser.get(ME)).json()["email"])
    verifier, challenge = pkce()

    refused = await exchange_code(other_browser, await request_code(other_browser, challenge), verifier)

    assert (refused.status_code, error_code(refused)) == (401, "MFA_REQUIRED")
    assert await count(database, ExternalIdentity) == 1
    token = refused.json()["error"]["details"]["mfa_token"]
    passed = await verify(other_browser, token, code=app.at(int(clock.now) // codes.STEP_SECONDS))
    assert passed.status_code == 200
    assert await count(database, ExternalIdentity) == 2


async def test_pending_link_is_refused_when_another_account_has_linked_the_identity(
    browser: httpx.AsyncClient,
    other_browser: httpx.AsyncClient,
    oidc_issuer: OidcIssuer,
    database: Database,
    clock: Clock,
    without_page: None,
) -> None:
    app = await enable_mfa(browser, clock, await sign_in_new_user(browser, oidc_issuer, "google"))
    oidc_issuer.auto_approve = contested = oidc_issuer.add_user(email=(await browser.get(ME)).json()["email"])
    mfa_token = parse_mfa_details((await sign_in(other_browser, "oidc")).headers["Location"])["mfa_token"]
    async with make_client(browser._transport.app) as third:  # type: ignore[attr-defined]
        safe = await sign_in_new_user(third, oidc_issuer, "github")
        oidc_issuer.auto_approve = contested
        started = await third.post("/api/v1/auth/identities", json={"provider": "oidc"}, **safe)
        assert (await third.get(await approve(started.json()["redirect_url"]))).status_code == 303

    refused = await verify(other_browser, mfa_token, code=app.at(int(clock.now) // codes.STEP_SECONDS))

    assert (refused.status_code, error_code(refused)) == (409, "IDENTITY_TAKEN")
    assert (await other_browser.get(ME)).status_code == 401
    assert await count(database, ExternalIdentity) == 3


def parse_mfa_details(location: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(location).fragment).items()}


async def verify(browser: httpx.AsyncClient, mfa_token: str, **proof: str) -> httpx.Response:
    body = {"mfa_token": mfa_token, **proof}
    return await browser.post("/api/v1/auth/mfa/verify", json=body, headers={"Sec-Fetch-Site": "same-origin"})


async def test_app_gets_no_tokens_before_the_second_factor(
    browser: httpx.AsyncClient, other_browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, clock: Clock
) -> None:
    await enable_mfa(browser, clock, await sign_in_new_user(browser, oidc_issuer, "oidc"))
    verifier, challenge = pkce()

    response = await exchange_code(other_browser, await request_code(other_browser, challenge), verifier)

    assert (response.status_code, error_code(response)) == (401, "MFA_REQUIRED")
    assert "totp" in response.json()["error"]["details"]["methods"]
