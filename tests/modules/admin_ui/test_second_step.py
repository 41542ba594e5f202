"""Signing in at `/admin` with a second factor."""

from typing import Any

import pytest
from httpx import AsyncClient, Response

from tests.modules.admin_ui.conftest import HERE, PASSWORD, set_password, sign_in
from tests.modules.auth.people import Person
from tests.modules.mfa.conftest import Clock, Guarded, clock, turn_on
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.testing.people import client_of

__all__ = ["clock"]


@pytest.fixture
async def guarded_admin(somebody: Any, database: Database, clock: Clock) -> Guarded:
    admin = await somebody(role=PlatformRole.ADMIN)
    await set_password(database, admin)
    return await turn_on(Person(admin.client, admin.email, "", admin.token, ""), clock)


async def first_step(browser: AsyncClient, guarded: Guarded) -> str:
    answer = await sign_in(browser, guarded.person.email)
    assert (answer.status_code, "Two-factor authentication" in answer.text) == (200, True)
    assert not browser.cookies
    return str(answer.text.partition('name="mfa_token" value="')[2].partition('"')[0])


async def second_step(browser: AsyncClient, token: str, code: str, **headers: str) -> Response:
    data = {"mfa_token": token, "code": code}
    return await browser.post("/admin/login/code", data=data, headers={**HERE, **headers})


async def test_an_administrator_signs_in_with_a_code_or_a_recovery_code(app: Api, guarded_admin: Guarded) -> None:
    for code in (" ".join(guarded_admin.app.code()), guarded_admin.recovery_codes[0].upper()):
        async with client_of(app, **HERE) as browser:
            entered = await second_step(browser, await first_step(browser, guarded_admin), code)
            assert entered.status_code == 303, entered.text
            assert (await browser.get("/admin/")).status_code == 200


async def test_a_wrong_code_may_be_mended_and_a_void_token_begins_anew(app: Api, guarded_admin: Guarded) -> None:
    async with client_of(app, **HERE) as browser:
        token = await first_step(browser, guarded_admin)
        wrong = await second_step(browser, token, guarded_admin.app.wrong())
        assert (wrong.status_code, token in wrong.text) == (401, True)
        assert (await second_step(browser, token, guarded_admin.app.code())).status_code == 303
        void = await second_step(browser, token, guarded_admin.recovery_codes[0])
        assert (void.status_code, 'name="password"' in void.text) == (401, True)


async def test_another_site_and_a_token_of_a_program_get_no_cookie(app: Api, guarded_admin: Guarded) -> None:
    async with client_of(app, **HERE) as browser:
        token = await first_step(browser, guarded_admin)
        foreign = await second_step(browser, token, guarded_admin.app.code(), Origin="https://evil.example")
        assert foreign.status_code == 403
        body = {"email": guarded_admin.person.email, "password": PASSWORD}
        asked = (await browser.post("/api/v1/auth/login", json=body)).json()["error"]["details"]
        refused = await second_step(browser, asked["mfa_token"], guarded_admin.app.code())
        assert refused.status_code == 401
        assert not browser.cookies
