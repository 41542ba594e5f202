"""Signing in with a passkey alone, on the pages of signing in and in front of `/admin`."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from msgspec import Struct
from sqlalchemy import update
from sqlmodel import col

from tests.modules.auth.people import Person
from tests.modules.mfa.conftest import add_passkey
from tests.modules.mfa.doors import ME, NONSENSE, filled, options_in
from undercroft.core.db import Database
from undercroft.modules.mfa.models import Challenge
from undercroft.testing.authenticator import Authenticator
from undercroft.testing.configuration import PUBLIC_URL


class Door(Struct, frozen=True):
    """Where somebody comes in by pages, and goes on to; it has a browser of its own."""

    browser: httpx.AsyncClient
    first: str
    target: str
    front: str

    @property
    def place(self) -> str:
        return f"{self.first}/passkey"

    async def begin(self, wanted: str = "") -> httpx.Response:
        return await self.browser.post(self.place, data={"next": wanted or self.target})

    async def show(self, page: httpx.Response, passkey: Any, **headers: str) -> httpx.Response:
        return await self.browser.post(self.place, data=filled(page, passkey), headers=headers)


@pytest_asyncio.fixture(
    loop_scope="session",
    params=[("/sign-in", "/docs", "/"), ("/admin/login", "/admin/user/list", "/admin/")],
    ids=["sign-in", "admin"],
)
async def door(page_browser: httpx.AsyncClient, request: Any) -> Door:
    return Door(page_browser, *request.param)


async def test_a_passkey_alone_lets_in(bea: Person, key: Authenticator, door: Door) -> None:
    first = await door.browser.get(door.first)
    assert (f'action="{door.place}"' in first.text, "<script" in first.text) == (True, False)
    page = await door.begin()
    options = options_in(page)
    assert (options["allowCredentials"], options["userVerification"]) == ([], "required")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    assert f'href="{door.first}?next={door.target}"' in page.text
    entered = await door.show(page, key.sign(options))
    assert (entered.status_code, entered.headers["location"]) == (303, door.target)
    assert (await door.browser.get(ME)).json()["email"] == bea.email


async def test_a_challenge_is_answered_once_and_in_time(bea: Person, door: Door, database: Database) -> None:
    key = Authenticator(PUBLIC_URL, step=0)
    await add_passkey(bea, key)
    page = await door.begin()
    passkey = key.sign(options_in(page))
    answers = await asyncio.gather(*(door.show(page, passkey) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [303] + [401] * 4
    page = await door.begin()
    async with database.session() as session:
        await session.execute(update(Challenge).values(expires_at=col(Challenge.expires_at) - timedelta(minutes=6)))
    late = await door.show(page, key.sign(options_in(page)))
    assert (late.status_code, 'role="alert">This passkey' in late.text) == (401, True)
    assert (await door.show(late, key.sign(options_in(late)))).headers["location"] == door.target


async def test_an_authenticator_that_asked_nobody_is_refused(bea: Person, key: Authenticator, door: Door) -> None:
    key.verifies = False
    page = await door.begin()
    refused = await door.show(page, key.sign(options_in(page)))
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)


@pytest.mark.parametrize("passkey", NONSENSE)
async def test_nonsense_is_no_passkey(door: Door, passkey: str) -> None:
    refused = await door.show(await door.begin(), passkey)
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
async def test_another_site_signs_nobody_in(
    bea: Person, key: Authenticator, door: Door, headers: dict[str, str]
) -> None:
    page = await door.begin()
    passkey = key.sign(options_in(page))
    refused = await door.show(page, passkey, **headers)
    assert (refused.status_code, "set-cookie" in refused.headers) == (403, False)
    assert (await door.show(page, passkey)).status_code == 303


async def test_opening_the_address_leads_to_the_first_page(door: Door) -> None:
    for later in (door.place, {"/sign-in": "/sign-in/second-step", "/admin/login": "/admin/login/code"}[door.first]):
        answer = await door.browser.get(later)
        assert (answer.status_code, answer.headers["location"]) == (303, door.first)


async def test_nobody_is_sent_to_another_site(bea: Person, key: Authenticator, door: Door) -> None:
    page = await door.begin("//evil.example")
    entered = await door.show(page, key.sign(options_in(page)))
    assert entered.headers["location"] == door.front
