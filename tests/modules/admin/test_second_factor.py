"""Sign-in at `/admin` with a second factor."""

from typing import Any

import pytest
from httpx2 import AsyncClient, Response

from tests.modules.admin.conftest import BROWSER_HEADERS, PASSWORD, set_password, sign_in
from tests.modules.auth.users import RegisteredUser
from tests.modules.mfa.conftest import Clock, MfaUser, clock, enable_totp
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.testing.users import make_client

__all__ = ["clock"]


@pytest.fixture
async def mfa_admin(create_user: Any, database: Database, clock: Clock) -> MfaUser:
    admin = await create_user(role=PlatformRole.ADMIN)
    await set_password(database, admin)
    return await enable_totp(RegisteredUser(admin.client, admin.email, "", admin.token, ""), clock)


async def start_sign_in(browser: AsyncClient, mfa_user: MfaUser) -> str:
    response = await sign_in(browser, mfa_user.user.email)
    assert (response.status_code, "Two-factor authentication" in response.text) == (200, True)
    assert not browser.cookies
    return str(response.text.partition('name="mfa_token" value="')[2].partition('"')[0])


async def submit_second_factor(browser: AsyncClient, token: str, code: str, **headers: str) -> Response:
    data = {"mfa_token": token, "code": code}
    return await browser.post("/admin/login/code", data=data, headers={**BROWSER_HEADERS, **headers})


async def test_administrator_signs_in_with_a_code_or_a_recovery_code(app: Api, mfa_admin: MfaUser) -> None:
    for code in (" ".join(mfa_admin.app.code()), mfa_admin.recovery_codes[0].upper()):
        async with make_client(app, **BROWSER_HEADERS) as browser:
            entered = await submit_second_factor(browser, await start_sign_in(browser, mfa_admin), code)
            assert entered.status_code == 303, entered.text
            assert (await browser.get("/admin/")).status_code == 200


async def test_wrong_code_can_be_corrected_and_an_invalid_token_restarts_the_sign_in(
    app: Api, mfa_admin: MfaUser
) -> None:
    async with make_client(app, **BROWSER_HEADERS) as browser:
        token = await start_sign_in(browser, mfa_admin)
        wrong = await submit_second_factor(browser, token, mfa_admin.app.wrong())
        assert (wrong.status_code, token in wrong.text) == (401, True)
        assert (await submit_second_factor(browser, token, mfa_admin.app.code())).status_code == 303
        used = await submit_second_factor(browser, token, mfa_admin.recovery_codes[0])
        assert (used.status_code, 'name="password"' in used.text) == (401, True)


async def test_cross_site_requests_and_bearer_sign_ins_get_no_cookie(app: Api, mfa_admin: MfaUser) -> None:
    async with make_client(app, **BROWSER_HEADERS) as browser:
        token = await start_sign_in(browser, mfa_admin)
        foreign = await submit_second_factor(browser, token, mfa_admin.app.code(), Origin="https://evil.example")
        assert foreign.status_code == 403
        body = {"email": mfa_admin.user.email, "password": PASSWORD}
        challenge = (await browser.post("/api/v1/auth/login", json=body)).json()["error"]["details"]
        refused = await submit_second_factor(browser, challenge["mfa_token"], mfa_admin.app.code())
        assert refused.status_code == 401
        assert not browser.cookies
