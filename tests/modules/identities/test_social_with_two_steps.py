"""Whoever turned two-step sign-in on is asked for the second step after a provider as well."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pyotp import HOTP

from tests.modules.auth.people import Mailbox
from tests.modules.identities.acts import code, count
from tests.modules.identities.browsers import (
    agree,
    another,
    browser,
    one_world,
    sign_in,
    signed_in_people,
    world,
)
from tests.modules.identities.test_social import (
    a_code,
    exchanged,
    pkce,
)
from undercroft.core.db import Database
from undercroft.devstack.standins.oidc import OidcIssuer
from undercroft.modules.auth import second_factor
from undercroft.modules.auth.models import AuthSession
from undercroft.modules.identities.models import ExternalIdentity
from undercroft.modules.mfa import totp
from undercroft.testing.people import client_of

__all__ = ["another", "browser", "one_world", "world"]

ME = "/api/v1/app/users/me"


class Clock:
    now = 1_800_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(totp, "time", made)
    return made


async def turn_on(browser: httpx.AsyncClient, clock: Clock, safe: dict[str, Any]) -> HOTP:
    secret = (await browser.post("/api/v1/auth/mfa/totp", **safe)).json()["secret"]
    app = HOTP(secret)
    body = {"code": app.at(int(clock.now) // totp.STEP_SECONDS)}
    assert (await browser.post("/api/v1/auth/mfa/totp/confirm", json=body, **safe)).status_code == 200
    clock.now += totp.STEP_SECONDS
    return app


async def test_a_browser_gets_no_session_before_the_second_step(
    browser: httpx.AsyncClient,
    another: httpx.AsyncClient,
    oidc_issuer: OidcIssuer,
    database: Database,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(second_factor, "_page", None)
    app = await turn_on(browser, clock, await signed_in_people(browser, oidc_issuer, "oidc"))
    before = await count(database, AuthSession)

    answer = await sign_in(another, "oidc", return_to="/welcome")

    assert answer.headers["Location"].startswith("/welcome#")
    assert await count(database, AuthSession) == before
    assert (await another.get(ME)).status_code == 401
    mfa_token = asked_in(answer.headers["Location"])["mfa_token"]
    done = await verify(another, mfa_token, code=app.at(int(clock.now) // totp.STEP_SECONDS))
    assert done.status_code == 200
    assert (await another.get(ME)).status_code == 200


async def test_identity_is_linked_only_after_the_second_factor(
    browser: httpx.AsyncClient,
    another: httpx.AsyncClient,
    oidc_issuer: OidcIssuer,
    database: Database,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    mailbox: Mailbox,
) -> None:
    """Who controls the address at another provider has one factor of two."""
    monkeypatch.setattr(second_factor, "_page", None)
    app = await turn_on(browser, clock, await signed_in_people(browser, oidc_issuer, "google"))
    await mailbox.arrived()
    owner = (await browser.get(ME)).json()
    oidc_issuer.approving = oidc_issuer.person(email=owner["email"])

    mfa_token = asked_in((await sign_in(another, "oidc")).headers["Location"])["mfa_token"]
    wrong = await verify(another, mfa_token, code="000000")

    assert (wrong.status_code, code(wrong)) == (401, "INVALID_CODE")
    assert await count(database, ExternalIdentity) == 1
    assert await mailbox.arrived(owner["email"]) == []

    right = await verify(another, mfa_token, code=app.at(int(clock.now) // totp.STEP_SECONDS))

    assert right.status_code == 200
    assert await count(database, ExternalIdentity) == 2
    listed = (await another.get("/api/v1/auth/identities")).json()["items"]
    assert [each["provider"] for each in listed] == ["oidc", "google"]
    assert [mail.to for mail in await mailbox.arrived()] == [owner["email"]]


async def test_app_links_an_identity_only_after_the_second_factor(
    browser: httpx.AsyncClient, another: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database, clock: Clock
) -> None:
    app = await turn_on(browser, clock, await signed_in_people(browser, oidc_issuer, "google"))
    oidc_issuer.approving = oidc_issuer.person(email=(await browser.get(ME)).json()["email"])
    verifier, challenge = pkce()

    refused = await exchanged(another, await a_code(another, challenge), verifier)

    assert (refused.status_code, code(refused)) == (401, "MFA_REQUIRED")
    assert await count(database, ExternalIdentity) == 1
    token = refused.json()["error"]["details"]["mfa_token"]
    passed = await verify(another, token, code=app.at(int(clock.now) // totp.STEP_SECONDS))
    assert passed.status_code == 200
    assert await count(database, ExternalIdentity) == 2


async def test_pending_link_is_refused_when_another_account_linked_the_identity_meanwhile(
    browser: httpx.AsyncClient,
    another: httpx.AsyncClient,
    oidc_issuer: OidcIssuer,
    database: Database,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(second_factor, "_page", None)
    app = await turn_on(browser, clock, await signed_in_people(browser, oidc_issuer, "google"))
    oidc_issuer.approving = contested = oidc_issuer.person(email=(await browser.get(ME)).json()["email"])
    mfa_token = asked_in((await sign_in(another, "oidc")).headers["Location"])["mfa_token"]
    async with client_of(browser._transport.app) as third:  # type: ignore[attr-defined]
        safe = await signed_in_people(third, oidc_issuer, "github")
        oidc_issuer.approving = contested
        begun = await third.post("/api/v1/auth/identities", json={"provider": "oidc"}, **safe)
        assert (await third.get(await agree(begun.json()["redirect_url"]))).status_code == 303

    refused = await verify(another, mfa_token, code=app.at(int(clock.now) // totp.STEP_SECONDS))

    assert (refused.status_code, code(refused)) == (409, "IDENTITY_TAKEN")
    assert (await another.get(ME)).status_code == 401
    assert await count(database, ExternalIdentity) == 3


def asked_in(location: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(location).fragment).items()}


async def verify(browser: httpx.AsyncClient, mfa_token: str, **proof: str) -> httpx.Response:
    body = {"mfa_token": mfa_token, **proof}
    return await browser.post("/api/v1/auth/mfa/verify", json=body, headers={"Sec-Fetch-Site": "same-origin"})


async def test_an_app_gets_no_tokens_before_the_second_step(
    browser: httpx.AsyncClient, another: httpx.AsyncClient, oidc_issuer: OidcIssuer, clock: Clock
) -> None:
    await turn_on(browser, clock, await signed_in_people(browser, oidc_issuer, "oidc"))
    verifier, challenge = pkce()

    answer = await exchanged(another, await a_code(another, challenge), verifier)

    assert (answer.status_code, code(answer)) == (401, "MFA_REQUIRED")
    assert "totp" in answer.json()["error"]["details"]["methods"]
