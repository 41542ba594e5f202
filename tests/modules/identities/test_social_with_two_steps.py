"""Whoever turned two-step sign-in on is asked for the second step after a provider as well."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pyotp import HOTP

from tests.modules.identities.acts import code, count
from tests.modules.identities.browsers import (
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
from undercroft.modules.mfa import totp

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
    asked = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).fragment).items()}
    body = {"mfa_token": asked["mfa_token"], "code": app.at(int(clock.now) // totp.STEP_SECONDS)}
    done = await another.post("/api/v1/auth/mfa/verify", json=body, headers={"Sec-Fetch-Site": "same-origin"})
    assert done.status_code == 200
    assert (await another.get(ME)).status_code == 200


async def test_an_app_gets_no_tokens_before_the_second_step(
    browser: httpx.AsyncClient, another: httpx.AsyncClient, oidc_issuer: OidcIssuer, clock: Clock
) -> None:
    await turn_on(browser, clock, await signed_in_people(browser, oidc_issuer, "oidc"))
    verifier, challenge = pkce()

    answer = await exchanged(another, await a_code(another, challenge), verifier)

    assert (answer.status_code, code(answer)) == (401, "MFA_REQUIRED")
    assert "totp" in answer.json()["error"]["details"]["methods"]
