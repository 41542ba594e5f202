"""The second step by a passkey on pages, those of signing in and those in front of `/admin`: as safe as by the API."""

import asyncio
import json
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from msgspec import Struct
from sqlalchemy import update
from sqlmodel import col

from tests.modules.audit.entries import entries
from tests.modules.auth.people import PASSWORD, Mailbox, Person, a_person, client_of, post, sign_in
from tests.modules.forms import hidden
from tests.modules.mfa.conftest import Clock, add_passkey, turn_on
from tests.modules.mfa.doors import ME, NONSENSE, filled, options_in
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.modules.auth.throttle import PAIR
from undercroft.modules.mfa.models import Challenge
from undercroft.modules.mfa.second_step import TRIES
from undercroft.testing.authenticator import Authenticator
from undercroft.testing.configuration import PUBLIC_URL


class Door(Struct, frozen=True):
    """Where somebody comes in by pages; it keeps no cookies but those of its own browser."""

    browser: httpx.AsyncClient
    first: str
    second: str
    target: str

    async def begin(self, person: Person, password: str = PASSWORD) -> httpx.Response:
        data = {"email": person.email, "password": password, "next": self.target}
        return await self.browser.post(self.first, data=data)

    async def go_on(self, page: httpx.Response, passkey: Any, **headers: str) -> httpx.Response:
        return await self.browser.post(self.second, data=filled(page, passkey), headers=headers)

    async def is_in(self) -> bool:
        return (await self.browser.get(ME)).status_code == 200


@pytest_asyncio.fixture(
    loop_scope="session",
    params=[("/sign-in", "/sign-in/second-step", "/docs"), ("/admin/login", "/admin/login/code", "/admin/user/list")],
    ids=["sign-in", "admin"],
)
async def door(page_browser: httpx.AsyncClient, request: Any) -> Door:
    return Door(page_browser, *request.param)


async def test_who_has_only_a_passkey_is_asked_for_that_and_comes_in(
    bea: Person, key: Authenticator, door: Door
) -> None:
    page = await door.begin(bea)
    assert (page.status_code, "set-cookie" in page.headers) == (200, False)
    assert 'name="code"' not in page.text
    assert 'name="recovery_code"' in page.text
    options = options_in(page)
    assert (options["rpId"], len(options["allowCredentials"])) == ("test.local", 1)
    entered = await door.go_on(page, key.sign(options))
    assert (entered.status_code, entered.headers["location"]) == (303, door.target)
    assert "httponly" in entered.headers["set-cookie"].lower()
    assert await door.is_in()


async def test_a_recovery_code_still_lets_in(ada: Person, key: Authenticator, door: Door) -> None:
    codes = (await add_passkey(ada, key)).json()["recovery_codes"]
    page = await door.begin(ada)
    data = {**hidden(page), "recovery_code": codes[0]}
    assert (await door.browser.post(door.second, data=data)).status_code == 303


async def test_the_only_script_is_a_file_of_ours_and_only_where_there_is_a_passkey(
    ada: Person, key: Authenticator, clock: Clock, door: Door
) -> None:
    await turn_on(ada, clock)
    without = await door.begin(ada)
    assert "<script" not in without.text
    assert "script-src" not in without.headers["content-security-policy"]
    await add_passkey(ada, key)
    page = await door.begin(ada)
    assert 'name="code"' in page.text
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in f"{policy};"
    assert not any(word in policy for word in ("unsafe", "connect-src", "http"))
    assert page.headers["cache-control"] == "no-store"
    assert page.text.count("<script") == 1
    source = re.search(r'<script src="(/assets/passkey\.[0-9a-f]+\.js)" defer></script>', page.text)
    assert source
    assert not re.search(r"\s(on\w+|style)=", page.text)
    script = await door.browser.get(source[1])
    assert (script.status_code, script.headers["content-type"]) == (200, "text/javascript; charset=utf-8")


async def test_only_who_gave_the_password_learns_that_there_is_a_passkey(bea: Person, door: Door) -> None:
    wrong = await door.begin(bea, "not my password")
    assert wrong.status_code == 401
    assert not any(word in wrong.text for word in ("<script", "data-options", "mfa_token"))


async def test_a_challenge_is_answered_once(bea: Person, door: Door) -> None:
    key = Authenticator(PUBLIC_URL, step=0)
    await add_passkey(bea, key)
    page = await door.begin(bea)
    passkey = key.sign(options_in(page))
    answers = await asyncio.gather(*(door.go_on(page, passkey) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [303] + [401] * 4
    assert sum("set-cookie" in answer.headers for answer in answers) == 1
    assert 'name="password"' in (await door.go_on(page, passkey)).text


async def test_a_wrong_answer_uses_the_challenge_up_and_the_next_page_has_another(
    bea: Person, key: Authenticator, door: Door, database: Database
) -> None:
    page = await door.begin(bea)
    wrong = await door.go_on(page, key.sign(options_in(page), origin="https://evil.example"))
    assert (wrong.status_code, "This code or passkey" in wrong.text) == (401, True)
    assert (await door.go_on(page, key.sign(options_in(page)))).status_code == 401
    failed = await entries(database, action="mfa.failed")
    assert [entry["details"]["way"] for entry in failed] == ["passkey", "passkey"]
    assert options_in(wrong)["challenge"] != options_in(page)["challenge"]
    assert (await door.go_on(wrong, key.sign(options_in(wrong)))).status_code == 303


async def test_the_challenge_of_another_browser_is_none_of_this_one(
    app: Api, bea: Person, key: Authenticator, door: Door
) -> None:
    page = await door.begin(bea)
    async with client_of(app, Accept="text/html", Origin=PUBLIC_URL) as browser:
        there = Door(browser, door.first, door.second, door.target)
        theirs = options_in(await there.begin(bea))
    refused = await door.go_on(page, key.sign(theirs))
    assert (refused.status_code, await door.is_in()) == (401, False)


async def test_the_passkey_and_the_challenge_of_another_person_are_refused(
    bea: Person, door: Door, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    eve, hers = await a_person(http, mailbox), Authenticator(PUBLIC_URL)
    await add_passkey(eve, hers)
    page = await door.begin(bea)
    assert (await door.go_on(page, hers.sign({**options_in(page), "allowCredentials": []}))).status_code == 401
    own = options_in(await door.begin(eve))
    assert (await door.go_on(page, hers.sign(own))).status_code == 401
    assert not await door.is_in()


async def test_a_challenge_of_the_programs_way_to_sign_in_is_no_second_step(
    bea: Person, key: Authenticator, door: Door
) -> None:
    page = await door.begin(bea)
    alone = (await post(door.browser, "/passkeys/sign-in/options", None)).json()["options"]
    assert (await door.go_on(page, key.sign(alone))).status_code == 401


async def test_what_a_program_began_is_not_finished_on_a_page(bea: Person, key: Authenticator, door: Door) -> None:
    asked = (await sign_in(bea.http, bea.email)).json()["error"]["details"]
    options = (await post(bea.http, "/mfa/verify/options", {"mfa_token": asked["mfa_token"]})).json()["options"]
    data = {"mfa_token": asked["mfa_token"], "passkey": json.dumps(key.sign(options))}
    refused = await door.browser.post(door.second, data=data)
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)


async def test_a_challenge_expires(bea: Person, key: Authenticator, door: Door, database: Database) -> None:
    page = await door.begin(bea)
    async with database.session() as session:
        await session.execute(update(Challenge).values(expires_at=col(Challenge.expires_at) - timedelta(minutes=6)))
    late = await door.go_on(page, key.sign(options_in(page)))
    assert (late.status_code, "set-cookie" in late.headers) == (401, False)
    assert (await door.go_on(late, key.sign(options_in(late)))).status_code == 303


async def test_a_counter_that_goes_back_is_refused_and_audited(
    bea: Person, key: Authenticator, door: Door, database: Database
) -> None:
    key.credentials[0].count = 10
    page = await door.begin(bea)
    assert (await door.go_on(page, key.sign(options_in(page)))).status_code == 303
    key.credentials[0].count = 3
    page = await door.begin(bea)
    refused = await door.go_on(page, key.sign(options_in(page)))
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)
    (cloned,) = await entries(database, action="passkey.cloned")
    assert cloned["details"] == {"seen": 11, "signed": 4}


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
async def test_another_site_finishes_nothing(
    bea: Person, key: Authenticator, door: Door, headers: dict[str, str]
) -> None:
    page = await door.begin(bea)
    passkey = key.sign(options_in(page))
    refused = await door.go_on(page, passkey, **headers)
    assert (refused.status_code, "set-cookie" in refused.headers) == (403, False)
    assert (await door.go_on(page, passkey)).status_code == 303


@pytest.mark.parametrize("passkey", NONSENSE)
async def test_nonsense_is_no_passkey(bea: Person, door: Door, passkey: str) -> None:
    refused = await door.go_on(await door.begin(bea), passkey)
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)


async def test_after_five_wrong_answers_it_begins_anew_and_its_owner_is_told(
    bea: Person, key: Authenticator, door: Door, mailbox: Mailbox
) -> None:
    await mailbox.arrived()
    page = await door.begin(bea)
    for _ in range(TRIES):
        assert options_in(page)
        page = await door.go_on(page, key.sign(options_in(page), origin="https://evil.example"))
    assert (page.status_code, 'name="password"' in page.text) == (401, True)
    assert "Begin it anew" in page.text
    assert "Somebody knows your" in (await mailbox.latest(bea.email)).subject


async def test_wrong_answers_are_counted_by_the_throttle_of_sign_ins(
    app: Api, bea: Person, key: Authenticator, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.state.identity.throttle, "_scale", 1)
    for _ in range(PAIR.free + 1):
        page = await door.begin(bea)
        if page.status_code == 200:
            page = await door.go_on(page, key.sign(options_in(page), origin="https://evil.example"))
    assert page.status_code == 429
    assert int(page.headers["retry-after"]) > 0
