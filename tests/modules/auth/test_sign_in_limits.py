"""Limits of attacks on accounts, with the limits of production (RATE_LIMIT_SCALE=1)."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2 as httpx
import pytest
import pytest_asyncio

from tests.enabled import is_enabled
from tests.modules.auth.users import (
    PASSWORD,
    Mailbox,
    RegisteredUser,
    create_registered_user,
    error_code,
    make_client,
    new_email,
    post,
    register,
    sign_in,
)
from undercroft.app.api import create_app
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.core.http.settings import HttpSettings
from undercroft.core.security import passwords
from undercroft.core.settings import load, use
from undercroft.modules.auth import AuthServices
from undercroft.modules.auth.service.emails import MAX_LINK_MAILS
from undercroft.modules.auth.service.throttle import ACCOUNT, DEVICE
from undercroft.modules.auth.settings import AuthSettings
from undercroft.testing.lifespan import run_lifespan

WRONG_PASSWORD = "not the password at all"
NEW_PASSWORD = "four otters on the shore"
OTHER_IP = "203.0.113.9"
BROWSER = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}


@pytest_asyncio.fixture(loop_scope="session")
async def strict(app: Api, database: Database) -> AsyncIterator[Api]:
    """A separate application with the limits of production."""
    async with make_client(app) as client:
        await client.get("/health")  # caches the limits of the first application
    use(load(HttpSettings).model_copy(update={"rate_limit_scale": 1}))
    use(load(AuthSettings).model_copy(update={"magic_links": True}))
    strict = create_app(database=database)
    async with run_lifespan(strict):
        yield strict


@pytest.fixture
def checked_passwords(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every password that was verified."""
    checked: list[str] = []
    verify = passwords.verify

    async def recording_verify(password: str, stored: str | None, *, subject: str) -> Any:
        checked.append(password)
        return await verify(password, stored, subject=subject)

    monkeypatch.setattr(passwords, "verify", recording_verify)
    return checked


ENTRY_POINTS: dict[str, Callable[[httpx.AsyncClient, str], Any]] = {
    "login": lambda http, email: sign_in(http, email, WRONG_PASSWORD),
    "token": lambda http, email: http.post("/api/v1/auth/token", data={"username": email, "password": WRONG_PASSWORD}),
    "page": lambda http, email: http.post(
        "/sign-in", data={"email": email, "password": WRONG_PASSWORD}, headers=BROWSER
    ),
    "admin": lambda http, email: http.post(
        "/admin/login", data={"email": email, "password": WRONG_PASSWORD}, headers=BROWSER
    ),
    "second factor": lambda http, _: post(http, "/mfa/verify", {"mfa_token": "x" * 43, "code": "123456"}),
    "second factor on the page": lambda http, _: http.post(
        "/sign-in/second-factor", data={"mfa_token": "x" * 43, "code": "123456"}, headers=BROWSER
    ),
    "second factor of admin": lambda http, _: http.post(
        "/admin/login/code", data={"mfa_token": "x" * 43, "code": "123456"}, headers=BROWSER
    ),
    "passkey": lambda http, _: http.post("/sign-in/passkey", data={"passkey": "{}"}, headers=BROWSER),
    "magic link": lambda http, _: post(http, "/magic-link/verify", {"token": "x" * 43}),
    "magic link on the page": lambda http, _: http.post("/magic-link", data={"token": "x" * 43}, headers=BROWSER),
    "reset": lambda http, _: post(http, "/password/reset", {"token": "x" * 43, "password": NEW_PASSWORD}),
    "verification": lambda http, _: post(http, "/verify-email", {"token": "x" * 43}),
}


NEEDED = {
    "page": "web",
    "admin": "admin",
    "second factor": "mfa",
    "second factor on the page": "web",
    "second factor of admin": "admin",
    "passkey": "web",
    "magic link on the page": "web",
}
"""The modules that serve some of them."""


@pytest.mark.parametrize(
    "entry_point",
    [
        pytest.param(each, marks=[pytest.mark.requires_module(NEEDED[each])] if each in NEEDED else [])
        for each in ENTRY_POINTS
    ],
)
async def test_sign_in_endpoints_share_the_rate_limit_of_a_network(strict: Api, entry_point: str) -> None:
    async with make_client(strict, ip=OTHER_IP) as http, make_client(strict, ip="203.0.113.10") as neighbor:
        for _ in range(5):
            assert (await sign_in(http, new_email(), WRONG_PASSWORD)).status_code == 401
        assert (await ENTRY_POINTS[entry_point](http, new_email())).status_code == 429
        assert (await ENTRY_POINTS[entry_point](neighbor, new_email())).status_code != 429


async def test_valid_access_token_does_not_extend_the_rate_limit(strict: Api, ada: RegisteredUser) -> None:
    async with make_client(strict, ip=OTHER_IP) as http:
        for _ in range(5):
            await sign_in(http, new_email(), WRONG_PASSWORD)
        refused = await post(http, "/login", {"email": new_email(), "password": WRONG_PASSWORD}, **ada.bearer)
        assert (refused.status_code, error_code(refused)) == (429, "TOO_MANY_REQUESTS")
        body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
        assert (await post(http, "/password/change", body, **ada.bearer)).status_code == 429


async def test_guesses_from_many_addresses_are_limited_without_locking_out_the_owner(
    strict: Api, ada: RegisteredUser, mailbox: Mailbox, checked_passwords: list[str]
) -> None:
    bystander = await create_registered_user(ada.http, mailbox)
    statuses = []
    for number in range(40):
        async with make_client(strict, ip=f"198.51.100.{number}") as attacker:
            statuses.append((await sign_in(attacker, ada.email, f"{WRONG_PASSWORD} {number}")).status_code)
    assert set(statuses) == {401, 429}
    assert len(checked_passwords) == statuses.count(401) <= ACCOUNT.free_attempts + 4
    async with make_client(strict, ip="198.51.100.200") as attacker:
        right = await sign_in(attacker, ada.email, PASSWORD)
        assert (right.status_code, error_code(right)) == (429, "TOO_MANY_ATTEMPTS")
        assert PASSWORD not in checked_passwords
        assert (await sign_in(attacker, bystander.email)).status_code == 200
    async with make_client(strict, ip=OTHER_IP) as owner:
        owner.cookies = ada.http.cookies
        assert (await sign_in(owner, ada.email)).status_code == 200
    async with make_client(strict) as known_address:
        assert (await sign_in(known_address, ada.email)).status_code == 200


async def test_failures_from_the_owners_address_do_not_lock_out_the_owners_device(
    strict: Api, ada: RegisteredUser
) -> None:
    async with make_client(strict) as neighbor:
        responses = [await sign_in(neighbor, ada.email, WRONG_PASSWORD) for _ in range(8)]
        assert [response.status_code for response in responses] == [401] * 5 + [429] * 3
    async with make_client(strict) as owner:
        owner.cookies = ada.http.cookies
        assert (await sign_in(owner, ada.email)).status_code == 200


async def test_correct_password_is_not_checked_while_the_account_is_throttled(
    app: Api, ada: RegisteredUser, checked_passwords: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.context.get(AuthServices).sign_in._throttle, "_scale", 1)
    for known in (True, False):
        async with make_client(app, ip=OTHER_IP) as http:
            if known:
                http.cookies = ada.http.cookies
            for _ in range(DEVICE.free_attempts):
                assert (await sign_in(http, ada.email, WRONG_PASSWORD)).status_code == 401
            checked_passwords.clear()
            wrong, right = await sign_in(http, ada.email, WRONG_PASSWORD), await sign_in(http, ada.email, PASSWORD)
            assert (wrong.status_code, error_code(wrong)) == (429, "TOO_MANY_ATTEMPTS")
            assert (right.status_code, error_code(right)) == (429, "TOO_MANY_ATTEMPTS")
            assert checked_passwords == []


async def test_all_password_checks_share_one_failure_counter(
    app: Api, ada: RegisteredUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.context.get(AuthServices).sign_in._throttle, "_scale", 1)
    wrong, current = {"password": WRONG_PASSWORD}, {"current_password": WRONG_PASSWORD}
    responses = [
        await sign_in(ada.http, ada.email, WRONG_PASSWORD),
        *([await ada.send("POST", "/auth/step-up", wrong)] if is_enabled("mfa") else []),
        await ada.send("POST", "/auth/password/change", {**current, "new_password": NEW_PASSWORD}),
        await ada.send("POST", "/auth/email/change", {**current, "new_email": new_email()}),
        await ada.send("DELETE", "/app/users/me", current),
    ]
    while len(responses) < 5:
        responses.append(await ada.send("DELETE", "/app/users/me", current))
    assert [response.status_code for response in responses] == [401, 403, 403, 403, 403]
    last = await ada.http.post("/api/v1/auth/token", data={"username": ada.email, "password": PASSWORD})
    assert (last.status_code, error_code(last)) == (429, "TOO_MANY_ATTEMPTS")
    if is_enabled("admin"):
        page = {"email": ada.email, "password": PASSWORD}
        assert (await ada.http.post("/admin/login", data=page, headers=BROWSER)).status_code == 429


async def send_many(strict: Api, path: str, email: str) -> None:
    """Send requests from 30 IP addresses that each email the owner of this address."""
    for number in range(30):
        async with make_client(strict, ip=f"198.51.100.{number}") as stranger:
            response = await post(stranger, path, {"email": email, "password": "a password of a stranger"})
            assert response.status_code == 202


@pytest.mark.parametrize("path", ["/password/forgot", "/magic-link"])
async def test_link_requests_of_a_stranger_are_limited_and_the_owner_can_use_a_sent_link(
    strict: Api, ada: RegisteredUser, mailbox: Mailbox, path: str
) -> None:
    await mailbox.list_new()
    await send_many(strict, path, ada.email)
    mails = await mailbox.list_new(ada.email)
    assert len(mails) == MAX_LINK_MAILS
    async with make_client(strict, ip=OTHER_IP) as owner:
        response = await post(owner, path, {"email": ada.email})
        assert response.status_code == 202
        assert response.content == (await post(owner, path, {"email": new_email()})).content
        assert await mailbox.list_new(ada.email) == []
        token = mails[-1].token
        if path == "/magic-link":
            assert (await post(owner, "/magic-link/verify", {"token": token})).status_code == 200
        else:
            assert (await post(owner, "/password/reset", {"token": token, "password": NEW_PASSWORD})).status_code == 204
            assert (await sign_in(owner, ada.email, NEW_PASSWORD)).status_code == 200


async def test_known_device_gets_a_link_when_the_mail_limit_of_the_address_is_exhausted(
    strict: Api, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    await send_many(strict, "/password/forgot", ada.email)
    await mailbox.list_new()
    async with make_client(strict, ip=OTHER_IP) as owner:
        owner.cookies = ada.http.cookies
        assert (await post(owner, "/password/forgot", {"email": ada.email})).status_code == 202
    assert len(await mailbox.list_new(ada.email)) == 1


@pytest.mark.parametrize("resent", [False, True])
async def test_owner_can_register_after_a_stranger_exhausted_the_mail_limit(
    strict: Api, mailbox: Mailbox, resent: bool
) -> None:
    email = new_email()
    await send_many(strict, "/register", email)
    async with make_client(strict, ip=OTHER_IP) as owner:
        assert (await register(owner, email)).status_code == 202
        if resent:
            assert (await post(owner, "/verify-email/resend", {"email": email})).status_code == 202
        mails = await mailbox.list_new(email)
        assert len(mails) == MAX_LINK_MAILS
        verified = await post(owner, "/verify-email", {"token": mails[-1].token})
        assert verified.json()["has_password"] is True
        assert (await sign_in(owner, email)).status_code == 200


async def test_email_change_requests_are_limited_and_the_last_link_stays_valid(
    app: Api, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    to = new_email()
    body = {"new_email": to, "current_password": PASSWORD}
    for _ in range(MAX_LINK_MAILS):
        assert (await ada.send("POST", "/auth/email/change", body)).status_code == 202
    http = load(HttpSettings)
    use(http.model_copy(update={"rate_limit_scale": 1}))
    refused = await ada.send("POST", "/auth/email/change", body)
    use(http)
    assert (refused.status_code, error_code(refused)) == (429, "TOO_MANY_REQUESTS")
    mails = await mailbox.list_new(to)
    assert len(mails) == 1
    assert (await post(ada.http, "/email/confirm", {"token": mails[-1].token})).status_code == 204
