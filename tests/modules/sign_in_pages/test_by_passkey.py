"""Signing in on a page with a passkey alone."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import update
from sqlmodel import col

from tests.modules.auth.people import Person
from tests.modules.forms import hidden
from tests.modules.mfa.conftest import add_passkey
from tests.modules.mfa.test_pages import NONSENSE, options_in
from undercroft.core.db import Database
from undercroft.modules.mfa.models import Challenge
from undercroft.testing.authenticator import Authenticator
from undercroft.testing.configuration import PUBLIC_URL

BROWSER = {"Accept": "text/html", "Origin": PUBLIC_URL}
PAGE = "/sign-in/passkey"
ME = "/api/v1/app/users/me"


@pytest.fixture
def key() -> Authenticator:
    return Authenticator(PUBLIC_URL)


@pytest_asyncio.fixture(loop_scope="session")
async def bea(ada: Person, key: Authenticator) -> Person:
    assert (await add_passkey(ada, key)).status_code == 201
    return ada


async def begin(http: httpx.AsyncClient, wanted: str = "") -> httpx.Response:
    return await http.post(PAGE, data={"next": wanted}, headers=BROWSER)


async def show(http: httpx.AsyncClient, page: httpx.Response, passkey: Any, **headers: str) -> httpx.Response:
    data = {**hidden(page), "passkey": passkey if isinstance(passkey, str) else json.dumps(passkey)}
    return await http.post(PAGE, data=data, headers={**BROWSER, **headers})


async def test_a_passkey_alone_lets_in(http: httpx.AsyncClient, bea: Person, key: Authenticator) -> None:
    first = await http.get("/sign-in?next=/docs", headers=BROWSER)
    assert f'action="{PAGE}"' in first.text
    page = await begin(http, "/docs")
    options = options_in(page)
    assert (options["allowCredentials"], options["userVerification"]) == ([], "required")
    assert bea.email not in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    entered = await show(http, page, key.sign(options))
    assert (entered.status_code, entered.headers["location"]) == (303, "/docs")
    assert (await http.get(ME)).json()["email"] == bea.email


async def test_a_challenge_is_answered_once_and_for_so_long(
    http: httpx.AsyncClient, bea: Person, database: Database
) -> None:
    key = Authenticator(PUBLIC_URL, step=0)
    await add_passkey(bea, key)
    page = await begin(http)
    passkey = key.sign(options_in(page))
    answers = await asyncio.gather(*(show(http, page, passkey) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [303] + [401] * 4
    page = await begin(http)
    async with database.session() as session:
        await session.execute(update(Challenge).values(expires_at=col(Challenge.expires_at) - timedelta(minutes=6)))
    late = await show(http, page, key.sign(options_in(page)))
    assert (late.status_code, 'role="alert">This passkey' in late.text) == (401, True)
    assert (await show(http, late, key.sign(options_in(late)))).status_code == 303


async def test_an_authenticator_that_asked_nobody_is_refused(
    http: httpx.AsyncClient, bea: Person, key: Authenticator
) -> None:
    key.verifies = False
    page = await begin(http)
    refused = await show(http, page, key.sign(options_in(page)))
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)


@pytest.mark.parametrize("passkey", NONSENSE)
async def test_nonsense_is_no_passkey(http: httpx.AsyncClient, passkey: str) -> None:
    refused = await show(http, await begin(http), passkey)
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
async def test_another_site_signs_nobody_in(
    http: httpx.AsyncClient, bea: Person, key: Authenticator, headers: dict[str, str]
) -> None:
    page = await begin(http)
    passkey = key.sign(options_in(page))
    refused = await show(http, page, passkey, **headers)
    assert (refused.status_code, "set-cookie" in refused.headers) == (403, False)
    assert (await show(http, page, passkey)).status_code == 303


async def test_opening_the_address_leads_to_the_first_page(http: httpx.AsyncClient) -> None:
    answer = await http.get(PAGE, headers=BROWSER)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


async def test_nobody_is_sent_to_another_site(http: httpx.AsyncClient, bea: Person, key: Authenticator) -> None:
    page = await begin(http, "//evil.example")
    entered = await show(http, page, key.sign(options_in(page)))
    assert entered.headers["location"] == "/"
