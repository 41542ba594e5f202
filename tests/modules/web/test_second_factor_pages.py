"""Passkeys as the second factor on the sign-in pages of the site and of `/admin`."""

import asyncio
import json
import re
from datetime import timedelta
from typing import Any

import httpx2 as httpx
import pytest
import pytest_asyncio
from msgspec import Struct
from sqlalchemy import update
from sqlmodel import col

from tests.modules.audit.entries import entries
from tests.modules.auth.users import (
    PASSWORD,
    Mailbox,
    RegisteredUser,
    create_registered_user,
    make_client,
    post,
    sign_in,
)
from tests.modules.forms import hidden_fields
from tests.modules.mfa.auth_flows import INVALID_PASSKEYS, ME, fill_passkey_form, get_passkey_options
from tests.modules.mfa.conftest import Clock, add_passkey, enable_totp
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.modules.auth import AuthServices
from undercroft.modules.auth.service.throttle import PAIR
from undercroft.modules.mfa.models import Challenge
from undercroft.modules.mfa.service.second_factor import MAX_ATTEMPTS
from undercroft.testing.authenticator import Authenticator
from undercroft.testing.configuration import PUBLIC_URL


class SignInFlow(Struct, frozen=True):
    """The pages of one sign-in flow, in a browser with its own cookies."""

    browser: httpx.AsyncClient
    first: str
    second: str
    target: str

    async def begin(self, user: RegisteredUser, password: str = PASSWORD) -> httpx.Response:
        data = {"email": user.email, "password": password, "next": self.target}
        return await self.browser.post(self.first, data=data)

    async def submit(self, page: httpx.Response, passkey: Any, **headers: str) -> httpx.Response:
        return await self.browser.post(self.second, data=fill_passkey_form(page, passkey), headers=headers)

    async def is_signed_in(self) -> bool:
        return (await self.browser.get(ME)).status_code == 200


@pytest_asyncio.fixture(
    loop_scope="session",
    params=[("/sign-in", "/sign-in/second-factor", "/docs"), ("/admin/login", "/admin/login/code", "/admin/user/list")],
    ids=["sign-in", "admin"],
)
async def flow(page_browser: httpx.AsyncClient, request: Any) -> SignInFlow:
    return SignInFlow(page_browser, *request.param)


async def test_passkey_only_user_signs_in_with_it(
    passkey_user: RegisteredUser, key: Authenticator, flow: SignInFlow
) -> None:
    page = await flow.begin(passkey_user)
    assert (page.status_code, "set-cookie" in page.headers) == (200, False)
    assert 'name="code"' not in page.text
    assert 'name="recovery_code"' in page.text
    options = get_passkey_options(page)
    assert (options["rpId"], len(options["allowCredentials"])) == ("test.local", 1)
    entered = await flow.submit(page, key.sign(options))
    assert (entered.status_code, entered.headers["location"]) == (303, flow.target)
    assert "httponly" in entered.headers["set-cookie"].lower()
    assert await flow.is_signed_in()


async def test_recovery_code_signs_in(ada: RegisteredUser, key: Authenticator, flow: SignInFlow) -> None:
    codes = (await add_passkey(ada, key)).json()["recovery_codes"]
    page = await flow.begin(ada)
    data = {**hidden_fields(page), "recovery_code": codes[0]}
    assert (await flow.browser.post(flow.second, data=data)).status_code == 303


async def test_only_the_passkey_script_is_loaded_and_only_for_passkey_users(
    ada: RegisteredUser, key: Authenticator, clock: Clock, flow: SignInFlow
) -> None:
    await enable_totp(ada, clock)
    without = await flow.begin(ada)
    assert "<script" not in without.text
    assert "script-src" not in without.headers["content-security-policy"]
    await add_passkey(ada, key)
    page = await flow.begin(ada)
    assert 'name="code"' in page.text
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in f"{policy};"
    assert not any(word in policy for word in ("unsafe", "connect-src", "http"))
    assert page.headers["cache-control"] == "no-store"
    assert page.text.count("<script") == 1
    source = re.search(r'<script src="(/assets/passkey\.[0-9a-f]+\.js)" defer></script>', page.text)
    assert source
    assert not re.search(r"\s(on\w+|style)=", page.text)
    script = await flow.browser.get(source[1])
    assert (script.status_code, script.headers["content-type"]) == (200, "text/javascript; charset=utf-8")


async def test_passkey_is_not_revealed_when_the_password_is_wrong(
    passkey_user: RegisteredUser, flow: SignInFlow
) -> None:
    wrong = await flow.begin(passkey_user, "not my password")
    assert wrong.status_code == 401
    assert not any(word in wrong.text for word in ("<script", "data-options", "mfa_token"))


async def test_challenge_works_once(passkey_user: RegisteredUser, flow: SignInFlow) -> None:
    key = Authenticator(PUBLIC_URL, step=0)
    await add_passkey(passkey_user, key)
    page = await flow.begin(passkey_user)
    passkey = key.sign(get_passkey_options(page))
    responses = await asyncio.gather(*(flow.submit(page, passkey) for _ in range(5)))
    assert sorted(response.status_code for response in responses) == [303] + [401] * 4
    assert sum("set-cookie" in response.headers for response in responses) == 1
    assert 'name="password"' in (await flow.submit(page, passkey)).text


async def test_wrong_response_uses_the_challenge_and_the_next_page_has_a_new_one(
    passkey_user: RegisteredUser, key: Authenticator, flow: SignInFlow, database: Database
) -> None:
    page = await flow.begin(passkey_user)
    wrong = await flow.submit(page, key.sign(get_passkey_options(page), origin="https://evil.example"))
    assert (wrong.status_code, "Incorrect or already used code" in wrong.text) == (401, True)
    assert (await flow.submit(page, key.sign(get_passkey_options(page)))).status_code == 401
    failed = await entries(database, action="mfa.failed")
    assert [entry["details"]["method"] for entry in failed] == ["passkey", "passkey"]
    assert get_passkey_options(wrong)["challenge"] != get_passkey_options(page)["challenge"]
    assert (await flow.submit(wrong, key.sign(get_passkey_options(wrong)))).status_code == 303


async def test_challenge_of_another_browser_is_refused(
    app: Api, passkey_user: RegisteredUser, key: Authenticator, flow: SignInFlow
) -> None:
    page = await flow.begin(passkey_user)
    async with make_client(app, Accept="text/html", Origin=PUBLIC_URL) as browser:
        there = SignInFlow(browser, flow.first, flow.second, flow.target)
        other_options = get_passkey_options(await there.begin(passkey_user))
    refused = await flow.submit(page, key.sign(other_options))
    assert (refused.status_code, await flow.is_signed_in()) == (401, False)


async def test_passkey_and_challenge_of_another_user_are_refused(
    passkey_user: RegisteredUser, flow: SignInFlow, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    eve, eves_key = await create_registered_user(http, mailbox), Authenticator(PUBLIC_URL)
    await add_passkey(eve, eves_key)
    page = await flow.begin(passkey_user)
    assert (
        await flow.submit(page, eves_key.sign({**get_passkey_options(page), "allowCredentials": []}))
    ).status_code == 401
    own = get_passkey_options(await flow.begin(eve))
    assert (await flow.submit(page, eves_key.sign(own))).status_code == 401
    assert not await flow.is_signed_in()


async def test_challenge_of_passkey_sign_in_is_refused_as_the_second_factor(
    passkey_user: RegisteredUser, key: Authenticator, flow: SignInFlow
) -> None:
    page = await flow.begin(passkey_user)
    alone = (await post(flow.browser, "/passkeys/sign-in/options", None)).json()["options"]
    assert (await flow.submit(page, key.sign(alone))).status_code == 401


async def test_bearer_sign_in_cannot_be_completed_on_a_page(
    passkey_user: RegisteredUser, key: Authenticator, flow: SignInFlow
) -> None:
    challenge = (await sign_in(passkey_user.http, passkey_user.email)).json()["error"]["details"]
    options = (await post(passkey_user.http, "/mfa/verify/options", {"mfa_token": challenge["mfa_token"]})).json()[
        "options"
    ]
    data = {"mfa_token": challenge["mfa_token"], "passkey": json.dumps(key.sign(options))}
    refused = await flow.browser.post(flow.second, data=data)
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)


async def test_a_challenge_expires(
    passkey_user: RegisteredUser, key: Authenticator, flow: SignInFlow, database: Database
) -> None:
    page = await flow.begin(passkey_user)
    async with database.session() as session:
        await session.execute(update(Challenge).values(expires_at=col(Challenge.expires_at) - timedelta(minutes=6)))
    late = await flow.submit(page, key.sign(get_passkey_options(page)))
    assert (late.status_code, "set-cookie" in late.headers) == (401, False)
    assert (await flow.submit(late, key.sign(get_passkey_options(late)))).status_code == 303


async def test_decreasing_signature_counter_is_refused_and_audited(
    passkey_user: RegisteredUser, key: Authenticator, flow: SignInFlow, database: Database
) -> None:
    key.credentials[0].count = 10
    page = await flow.begin(passkey_user)
    assert (await flow.submit(page, key.sign(get_passkey_options(page)))).status_code == 303
    key.credentials[0].count = 3
    page = await flow.begin(passkey_user)
    refused = await flow.submit(page, key.sign(get_passkey_options(page)))
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)
    (cloned,) = await entries(database, action="passkey.cloned")
    assert cloned["details"] == {"seen": 11, "signed": 4}


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
async def test_cross_site_request_cannot_complete_a_sign_in(
    passkey_user: RegisteredUser, key: Authenticator, flow: SignInFlow, headers: dict[str, str]
) -> None:
    page = await flow.begin(passkey_user)
    passkey = key.sign(get_passkey_options(page))
    refused = await flow.submit(page, passkey, **headers)
    assert (refused.status_code, "set-cookie" in refused.headers) == (403, False)
    assert (await flow.submit(page, passkey)).status_code == 303


@pytest.mark.parametrize("passkey", INVALID_PASSKEYS)
async def test_malformed_passkey_is_refused(passkey_user: RegisteredUser, flow: SignInFlow, passkey: str) -> None:
    refused = await flow.submit(await flow.begin(passkey_user), passkey)
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)


async def test_five_wrong_passkeys_end_the_sign_in_and_notify_the_user(
    passkey_user: RegisteredUser, key: Authenticator, flow: SignInFlow, mailbox: Mailbox
) -> None:
    await mailbox.list_new()
    page = await flow.begin(passkey_user)
    for _ in range(MAX_ATTEMPTS):
        assert get_passkey_options(page)
        page = await flow.submit(page, key.sign(get_passkey_options(page), origin="https://evil.example"))
    assert (page.status_code, 'name="password"' in page.text) == (401, True)
    assert "Sign in again" in page.text
    assert "Blocked sign-in attempt on your" in (await mailbox.latest(passkey_user.email)).subject


async def test_wrong_passkeys_count_for_the_sign_in_throttle(
    app: Api, passkey_user: RegisteredUser, key: Authenticator, flow: SignInFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.context.get(AuthServices).throttle, "_scale", 1)
    for _ in range(PAIR.free_attempts + 1):
        page = await flow.begin(passkey_user)
        if page.status_code == 200:
            page = await flow.submit(page, key.sign(get_passkey_options(page), origin="https://evil.example"))
    assert page.status_code == 429
    assert int(page.headers["retry-after"]) > 0
