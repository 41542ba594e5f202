"""Attacks on accounts and on their owners' way in, at the limits of production (RATE_LIMIT_SCALE=1)."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi.routing import APIRoute

from tests.modules.auth.people import (
    PASSWORD,
    Mailbox,
    Person,
    a_person,
    client_of,
    code_of,
    new_address,
    post,
    register,
    sign_in,
)
from undercroft.app.api import create_app
from undercroft.core.auth.guards import current_principal
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.core.http.limits import BY_NETWORK, rule_for
from undercroft.core.http.settings import HttpSettings
from undercroft.core.security import passwords
from undercroft.core.settings import load, use
from undercroft.modules.auth.settings import AuthSettings
from undercroft.modules.auth.throttle import ACCOUNT, DEVICE, MAILS
from undercroft.testing.lifespan import running

WRONG = "not the password at all"
NEW = "four otters on the shore"
ELSEWHERE = "203.0.113.9"
BROWSER = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}


@pytest_asyncio.fixture(loop_scope="session")
async def strict(app: Api, database: Database) -> AsyncIterator[Api]:
    """An application of its own with the limits of production."""
    async with client_of(app) as client:
        await client.get("/health")  # decides the limits of the other one
    http, auth = load(HttpSettings), load(AuthSettings)
    use(http.model_copy(update={"rate_limit_scale": 1}))
    use(auth.model_copy(update={"magic_links": True}))
    strict = create_app(database=database)
    async with running(strict):
        yield strict
    use(http)
    use(auth)


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every password that was hashed to be compared."""
    seen: list[str] = []
    verify = passwords.verify

    async def noting(password: str, stored: str | None, *, subject: str) -> Any:
        seen.append(password)
        return await verify(password, stored, subject=subject)

    monkeypatch.setattr(passwords, "verify", noting)
    return seen


WAYS: dict[str, Callable[[httpx.AsyncClient, str], Any]] = {
    "login": lambda http, email: sign_in(http, email, WRONG),
    "token": lambda http, email: http.post("/api/v1/auth/token", data={"username": email, "password": WRONG}),
    "page": lambda http, email: http.post("/sign-in", data={"email": email, "password": WRONG}, headers=BROWSER),
    "admin": lambda http, email: http.post("/admin/login", data={"email": email, "password": WRONG}, headers=BROWSER),
    "second factor": lambda http, _: post(http, "/mfa/verify", {"mfa_token": "x" * 43, "code": "123456"}),
    "second factor on the page": lambda http, _: http.post(
        "/sign-in/second-step", data={"mfa_token": "x" * 43, "code": "123456"}, headers=BROWSER
    ),
    "second factor of admin": lambda http, _: http.post(
        "/admin/login/code", data={"mfa_token": "x" * 43, "code": "123456"}, headers=BROWSER
    ),
    "passkey": lambda http, _: http.post("/sign-in/passkey", data={"passkey": "{}"}, headers=BROWSER),
    "magic link": lambda http, _: post(http, "/magic-link/verify", {"token": "x" * 43}),
    "magic link on the page": lambda http, _: http.post("/magic-link", data={"token": "x" * 43}, headers=BROWSER),
    "reset": lambda http, _: post(http, "/password/reset", {"token": "x" * 43, "password": NEW}),
    "verification": lambda http, _: post(http, "/verify-email", {"token": "x" * 43}),
}


@pytest.mark.parametrize("way", WAYS)
async def test_all_ways_to_sign_in_share_the_attempts_of_a_network(strict: Api, way: str) -> None:
    async with client_of(strict, ip=ELSEWHERE) as http, client_of(strict, ip="203.0.113.10") as neighbor:
        for _ in range(5):
            assert (await sign_in(http, new_address(), WRONG)).status_code == 401
        assert (await WAYS[way](http, new_address())).status_code == 429
        assert (await WAYS[way](neighbor, new_address())).status_code != 429


async def test_a_valid_token_of_any_account_gains_no_further_attempts(strict: Api, ada: Person) -> None:
    async with client_of(strict, ip=ELSEWHERE) as http:
        for _ in range(5):
            await sign_in(http, new_address(), WRONG)
        refused = await post(http, "/login", {"email": new_address(), "password": WRONG}, **ada.bearer)
        assert (refused.status_code, code_of(refused)) == (429, "TOO_MANY_REQUESTS")
        body = {"password": PASSWORD}
        assert (await post(http, "/step-up", body, **ada.bearer)).status_code == 429


async def test_an_account_sprayed_from_many_addresses_is_bounded_and_its_owner_signs_in(
    strict: Api, ada: Person, mailbox: Mailbox, verified: list[str]
) -> None:
    bystander = await a_person(ada.http, mailbox)
    statuses = []
    for number in range(40):
        async with client_of(strict, ip=f"198.51.100.{number}") as attacker:
            statuses.append((await sign_in(attacker, ada.email, f"{WRONG} {number}")).status_code)
    assert set(statuses) == {401, 429}
    assert len(verified) == statuses.count(401) <= ACCOUNT.free + 4
    async with client_of(strict, ip="198.51.100.200") as attacker:
        right = await sign_in(attacker, ada.email, PASSWORD)
        assert (right.status_code, code_of(right)) == (429, "TOO_MANY_ATTEMPTS")
        assert PASSWORD not in verified
        assert (await sign_in(attacker, bystander.email)).status_code == 200
    async with client_of(strict, ip=ELSEWHERE) as owner:
        owner.cookies = ada.http.cookies
        assert (await sign_in(owner, ada.email)).status_code == 200
    async with client_of(strict) as at_a_known_address:
        assert (await sign_in(at_a_known_address, ada.email)).status_code == 200


async def test_a_neighbor_on_the_owners_address_locks_nobody_out(strict: Api, ada: Person) -> None:
    async with client_of(strict) as neighbor:
        answers = [await sign_in(neighbor, ada.email, WRONG) for _ in range(8)]
        assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 3
    async with client_of(strict) as owner:
        owner.cookies = ada.http.cookies
        assert (await sign_in(owner, ada.email)).status_code == 200


async def test_the_right_password_is_not_evaluated_while_wrong_ones_are_refused(
    app: Api, ada: Person, verified: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.state.identity.sign_in._throttle, "_scale", 1)
    for known in (True, False):
        async with client_of(app, ip=ELSEWHERE) as http:
            if known:
                http.cookies = ada.http.cookies
            for _ in range(DEVICE.free):
                assert (await sign_in(http, ada.email, WRONG)).status_code == 401
            verified.clear()
            wrong, right = await sign_in(http, ada.email, WRONG), await sign_in(http, ada.email, PASSWORD)
            assert (wrong.status_code, code_of(wrong)) == (429, "TOO_MANY_ATTEMPTS")
            assert (right.status_code, code_of(right)) == (429, "TOO_MANY_ATTEMPTS")
            assert verified == []


async def test_every_way_to_show_the_password_counts_with_the_others(
    app: Api, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.state.identity.sign_in._throttle, "_scale", 1)
    wrong, current = {"password": WRONG}, {"current_password": WRONG}
    answers = [
        await sign_in(ada.http, ada.email, WRONG),
        await ada.send("POST", "/auth/step-up", wrong),
        await ada.send("POST", "/auth/password/change", {**current, "new_password": NEW}),
        await ada.send("POST", "/auth/email/change", {**current, "new_email": new_address()}),
        await ada.send("DELETE", "/app/users/me", current),
    ]
    assert [answer.status_code for answer in answers] == [401, 403, 403, 403, 403]
    last = await ada.http.post("/api/v1/auth/token", data={"username": ada.email, "password": PASSWORD})
    assert (last.status_code, code_of(last)) == (429, "TOO_MANY_ATTEMPTS")
    page = {"email": ada.email, "password": PASSWORD}
    assert (await ada.http.post("/admin/login", data=page, headers=BROWSER)).status_code == 429


async def flood(strict: Api, path: str, email: str) -> None:
    """A stranger asks from 30 addresses for something that mails the owner of this one."""
    for number in range(30):
        async with client_of(strict, ip=f"198.51.100.{number}") as stranger:
            answer = await post(stranger, path, {"email": email, "password": "a password of a stranger"})
            assert answer.status_code == 202


@pytest.mark.parametrize("path", ["/password/forgot", "/magic-link"])
async def test_a_stranger_who_floods_an_account_with_links_blocks_neither_its_owner_nor_fills_the_mailbox(
    strict: Api, ada: Person, mailbox: Mailbox, path: str
) -> None:
    await mailbox.arrived()
    await flood(strict, path, ada.email)
    mails = await mailbox.arrived(ada.email)
    assert len(mails) == MAILS
    async with client_of(strict, ip=ELSEWHERE) as owner:
        asked = await post(owner, path, {"email": ada.email})
        assert asked.status_code == 202
        assert asked.content == (await post(owner, path, {"email": new_address()})).content
        assert await mailbox.arrived(ada.email) == []
        token = mails[-1].token
        if path == "/magic-link":
            assert (await post(owner, "/magic-link/verify", {"token": token})).status_code == 200
        else:
            assert (await post(owner, "/password/reset", {"token": token, "password": NEW})).status_code == 204
            assert (await sign_in(owner, ada.email, NEW)).status_code == 200


async def test_a_known_device_gets_a_link_although_a_stranger_used_up_those_of_the_address(
    strict: Api, ada: Person, mailbox: Mailbox
) -> None:
    await flood(strict, "/password/forgot", ada.email)
    await mailbox.arrived()
    async with client_of(strict, ip=ELSEWHERE) as owner:
        owner.cookies = ada.http.cookies
        assert (await post(owner, "/password/forgot", {"email": ada.email})).status_code == 202
    assert len(await mailbox.arrived(ada.email)) == 1


@pytest.mark.parametrize("resent", [False, True])
async def test_a_stranger_who_floods_an_address_with_registrations_does_not_keep_its_owner_out(
    strict: Api, mailbox: Mailbox, resent: bool
) -> None:
    email = new_address()
    await flood(strict, "/register", email)
    async with client_of(strict, ip=ELSEWHERE) as owner:
        assert (await register(owner, email)).status_code == 202
        if resent:
            assert (await post(owner, "/verify-email/resend", {"email": email})).status_code == 202
        mails = await mailbox.arrived(email)
        assert len(mails) == MAILS
        verified = await post(owner, "/verify-email", {"token": mails[-1].token})
        assert verified.json()["has_password"] is True
        assert (await sign_in(owner, email)).status_code == 200


async def test_requests_for_new_addresses_are_bounded_and_leave_the_last_link_valid(
    app: Api, ada: Person, mailbox: Mailbox
) -> None:
    http = load(HttpSettings)
    to = new_address()
    body = {"new_email": to, "current_password": PASSWORD}
    for _ in range(MAILS):
        assert (await ada.send("POST", "/auth/email/change", body)).status_code == 202
    use(http.model_copy(update={"rate_limit_scale": 1}))
    refused = await ada.send("POST", "/auth/email/change", body)
    use(http)
    assert (refused.status_code, code_of(refused)) == (429, "TOO_MANY_REQUESTS")
    mails = await mailbox.arrived(to)
    assert len(mails) == 1
    assert (await post(ada.http, "/email/confirm", {"token": mails[-1].token})).status_code == 204


UNLIMITED = {
    "/api/v1/auth/refresh": "a random token, and programs refresh often: the limit of its surface",
    "/api/v1/auth/logout": "it grants nothing",
    "/api/v1/auth/impersonation/end": "it grants nothing",
    "/api/v1/auth/social/{provider}/callback": "it only redirects a form to the GET",
    "/sign-out": "it grants nothing",
    "/join": "a session's own, with its CSRF token",
    "/invitation": "a random token and a session, with a rate of its own",
    "/invitation/register": "a random token, with a rate of its own",
    "/invitation/sign-out": "it grants nothing",
    "/dev/mailbox/messages": "development only",
}
"""Routes without a principal that need no attempt of a network, and why."""


def routes_without_principal(app: Api) -> list[APIRoute]:
    unsafe = [each for each in app.router.routes if isinstance(each, APIRoute) and each.methods != {"GET"}]
    prefixes = ("/api/v1/auth/",)
    return [
        each
        for each in unsafe
        if (each.path.startswith(prefixes) or not each.path.startswith("/api/"))
        and not any(asked.call is current_principal for asked in each.dependant.dependencies)
    ]


def test_every_route_that_anybody_can_send_secrets_to_shares_the_limits_of_signing_in(app: Api) -> None:
    found = routes_without_principal(app)
    assert len(found) > 15
    groups = {each.path: rule_for(each.path_format, each.endpoint) for each in found}
    unlimited = {path for path, rule in groups.items() if rule is None or rule.group not in BY_NETWORK - {"auth"}}
    assert unlimited <= set(UNLIMITED), unlimited - set(UNLIMITED)


PROVING = {
    "/api/v1/auth/step-up",
    "/api/v1/auth/password/change",
    "/api/v1/auth/email/change",
    "/api/v1/auth/mfa/totp/confirm",
    "/api/v1/app/users/me",
}


def test_every_route_at_which_a_user_shows_a_secret_again_shares_them_too(app: Api) -> None:
    rules = {
        route.path: rule_for(route.path_format, route.endpoint)
        for route in app.router.routes
        if isinstance(route, APIRoute) and route.path in PROVING and route.methods & {"POST", "DELETE"}
    }
    assert set(rules) == PROVING
    assert {rule.group for rule in rules.values() if rule} == {"sign_in"}
