"""Sign-in at `/admin/login`, with the same protections as other sign-in endpoints."""

import re
from typing import Any

import pytest
from httpx2 import AsyncClient

from tests.modules.admin.conftest import BROWSER_HEADERS, PASSWORD, Browser, enable_totp, set_password, sign_in
from tests.modules.audit.entries import entries
from tests.modules.mfa.conftest import Clock
from undercroft.core import settings
from undercroft.core.auth import PlatformRole
from undercroft.core.auth.settings import StepUpSettings
from undercroft.core.db import Database

TOKEN = re.compile(r'name="mfa_token" value="([^"]+)"')


async def submit_second_factor(client: AsyncClient, token: str, code: str) -> Any:
    return await client.post("/admin/login/code", data={"mfa_token": token, "code": code}, headers=BROWSER_HEADERS)


async def test_password_alone_is_refused_when_mfa_is_on(
    client: AsyncClient, create_user: Any, database: Database, clock: Clock
) -> None:
    person = await create_user(role=PlatformRole.ADMIN)
    await set_password(database, person)
    app = await enable_totp(person, clock)
    first = await sign_in(client, person.email)
    assert (first.status_code, "set-cookie" in first.headers) == (200, False)
    found = TOKEN.search(first.text)
    assert found
    assert (await client.get("/admin/")).status_code == 303
    wrong = await submit_second_factor(client, found[1], app.wrong())
    assert (wrong.status_code, "set-cookie" in wrong.headers) == (401, False)
    assert (await submit_second_factor(client, "nonsense", app.code())).status_code == 401
    right = await submit_second_factor(client, found[1], app.code())
    assert (right.status_code, right.headers["location"]) == (303, "/admin/")
    assert (await client.get("/admin/")).status_code == 200
    assert (await submit_second_factor(client, found[1], app.code())).status_code == 401


@pytest.mark.parametrize("code", ["", "      ", "abc", "x" * 5000, "\0", "'; --", "١٢٣٤٥٦"])
async def test_malformed_code_is_refused(
    client: AsyncClient, create_user: Any, database: Database, clock: Clock, code: str
) -> None:
    person = await create_user(role=PlatformRole.ADMIN)
    await set_password(database, person)
    await enable_totp(person, clock)
    found = TOKEN.search((await sign_in(client, person.email)).text)
    assert found
    assert (await submit_second_factor(client, found[1], code)).status_code == 401


async def test_administrators_must_have_a_second_factor_when_it_is_required(browser: Browser) -> None:
    admin = await browser()
    settings.use(StepUpSettings(admin_requires_mfa=True))
    response = await admin.get("/admin/")
    assert response.status_code == 403
    assert "Users" not in response.text


async def test_wrong_passwords_are_refused_counted_and_audited(
    client: AsyncClient, create_user: Any, database: Database
) -> None:
    person = await create_user(role=PlatformRole.ADMIN)
    await set_password(database, person)
    for email, password in (
        (person.email, "wrong"),
        ("nobody@example.com", PASSWORD),
        ("no address", PASSWORD),
        ("", ""),
    ):
        response = await sign_in(client, email, password)
        assert response.status_code == 401
        assert "Incorrect email or password." in response.text
    assert len(await entries(database, action="sign_in.failed")) == 2


async def test_cross_site_sign_in_is_refused(client: AsyncClient, create_user: Any, database: Database) -> None:
    person = await create_user(role=PlatformRole.ADMIN)
    await set_password(database, person)
    form = {"email": person.email, "password": PASSWORD}
    for headers in ({}, {"Origin": "http://evil.test"}, {"Sec-Fetch-Site": "cross-site"}):
        response = await client.post("/admin/login", data=form, headers=headers)
        assert (response.status_code, "set-cookie" in response.headers) == (403, False)


async def test_signing_out_ends_the_session(browser: Browser) -> None:
    admin = await browser()
    cookie = dict(admin.cookies)
    assert (await admin.post("/admin/logout")).headers["location"] == "/admin/login"
    admin.cookies.update(cookie)
    assert (await admin.get("/admin/")).status_code == 303


async def test_user_who_loses_the_admin_role_is_refused_at_the_next_request(
    browser: Browser, database: Database
) -> None:
    admin = await browser()
    async with database.session() as session:
        await (await session.raw()).execute("UPDATE users SET role = 'user' WHERE id = $1", admin.person.user_id)  # type: ignore[attr-defined]
    assert (await admin.get("/admin/user/list")).status_code == 403
