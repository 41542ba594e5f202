"""Sign-in with a passkey alone, on the sign-in pages of the site and of `/admin`."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2 as httpx
import pytest
import pytest_asyncio
from msgspec import Struct
from sqlalchemy import text, update
from sqlmodel import col

from tests.modules.audit.entries import entries
from tests.modules.auth.users import RegisteredUser
from tests.modules.mfa.auth_flows import INVALID_PASSKEYS, ME, fill_passkey_form, get_passkey_options
from tests.modules.mfa.conftest import add_passkey
from undercroft.core.db import Database
from undercroft.modules.mfa.models import Challenge
from undercroft.testing.authenticator import Authenticator
from undercroft.testing.configuration import PUBLIC_URL


class SignInFlow(Struct, frozen=True):
    """The pages and the redirect target of one sign-in flow, in a browser with its own cookies."""

    browser: httpx.AsyncClient
    first: str
    target: str
    home: str

    @property
    def path(self) -> str:
        return f"{self.first}/passkey"

    async def begin(self, next_path: str = "") -> httpx.Response:
        return await self.browser.post(self.path, data={"next": next_path or self.target})

    async def submit_passkey(self, page: httpx.Response, passkey: Any, **headers: str) -> httpx.Response:
        return await self.browser.post(self.path, data=fill_passkey_form(page, passkey), headers=headers)


@pytest_asyncio.fixture(
    loop_scope="session",
    params=[("/sign-in", "/docs", "/app/"), ("/admin/login", "/admin/user/list", "/admin/")],
    ids=["sign-in", "admin"],
)
async def flow(page_browser: httpx.AsyncClient, request: Any) -> SignInFlow:
    return SignInFlow(page_browser, *request.param)


async def test_passkey_alone_signs_in(passkey_user: RegisteredUser, key: Authenticator, flow: SignInFlow) -> None:
    first = await flow.browser.get(flow.first)
    assert (f'action="{flow.path}"' in first.text, "<script" in first.text) == (True, False)
    page = await flow.begin()
    options = get_passkey_options(page)
    assert (options["allowCredentials"], options["userVerification"]) == ([], "required")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    assert f'href="{flow.first}?next={flow.target}"' in page.text
    entered = await flow.submit_passkey(page, key.sign(options))
    assert (entered.status_code, entered.headers["location"]) == (303, flow.target)
    assert (await flow.browser.get(ME)).json()["email"] == passkey_user.email


async def test_challenge_works_once_and_expires(
    passkey_user: RegisteredUser, flow: SignInFlow, database: Database
) -> None:
    key = Authenticator(PUBLIC_URL, step=0)
    await add_passkey(passkey_user, key)
    page = await flow.begin()
    passkey = key.sign(get_passkey_options(page))
    responses = await asyncio.gather(*(flow.submit_passkey(page, passkey) for _ in range(5)))
    assert sorted(response.status_code for response in responses) == [303] + [401] * 4
    page = await flow.begin()
    async with database.session() as session:
        await session.execute(update(Challenge).values(expires_at=col(Challenge.expires_at) - timedelta(minutes=6)))
    late = await flow.submit_passkey(page, key.sign(get_passkey_options(page)))
    assert (late.status_code, 'role="alert">This passkey' in late.text) == (401, True)
    assert (await flow.submit_passkey(late, key.sign(get_passkey_options(late)))).headers["location"] == flow.target


async def test_passkey_without_user_verification_is_refused(
    passkey_user: RegisteredUser, key: Authenticator, flow: SignInFlow
) -> None:
    key.user_verification = False
    page = await flow.begin()
    refused = await flow.submit_passkey(page, key.sign(get_passkey_options(page)))
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)


@pytest.mark.parametrize("change", ["UPDATE users SET is_active = false", "UPDATE users SET deleted_at = now()"])
async def test_passkey_of_an_inactive_or_deleted_user_is_refused_and_audited(
    passkey_user: RegisteredUser, key: Authenticator, flow: SignInFlow, database: Database, change: str
) -> None:
    page = await flow.begin()
    passkey = key.sign(get_passkey_options(page))
    async with database.session() as session:
        await session.execute(text(f"{change} WHERE email = :email"), {"email": passkey_user.email})
    refused = await flow.submit_passkey(page, passkey)
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)
    (entry,) = await entries(database, action="sign_in.failed")
    assert entry["details"]["method"] == "passkey"


@pytest.mark.parametrize("passkey", INVALID_PASSKEYS)
async def test_malformed_passkey_is_refused(flow: SignInFlow, passkey: str) -> None:
    refused = await flow.submit_passkey(await flow.begin(), passkey)
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
async def test_cross_site_sign_in_is_refused(
    passkey_user: RegisteredUser, key: Authenticator, flow: SignInFlow, headers: dict[str, str]
) -> None:
    page = await flow.begin()
    passkey = key.sign(get_passkey_options(page))
    refused = await flow.submit_passkey(page, passkey, **headers)
    assert (refused.status_code, "set-cookie" in refused.headers) == (403, False)
    assert (await flow.submit_passkey(page, passkey)).status_code == 303


async def test_get_of_a_later_page_redirects_to_the_first(flow: SignInFlow) -> None:
    for later in (flow.path, {"/sign-in": "/sign-in/second-factor", "/admin/login": "/admin/login/code"}[flow.first]):
        response = await flow.browser.get(later)
        assert (response.status_code, response.headers["location"]) == (303, flow.first)


async def test_redirect_to_another_site_is_ignored(
    passkey_user: RegisteredUser, key: Authenticator, flow: SignInFlow
) -> None:
    page = await flow.begin("//evil.example")
    entered = await flow.submit_passkey(page, key.sign(get_passkey_options(page)))
    assert entered.headers["location"] == flow.home
