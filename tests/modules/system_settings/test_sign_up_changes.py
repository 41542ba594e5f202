"""Who can sign up changes while a user is signing up: an account is created only if the policy then in force allows it.

The policy is changed as by another process: this one has not been notified yet.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from httpx2 import AsyncClient
from sqlalchemy import text

from tests.modules.auth.users import PASSWORD, post, register
from tests.modules.identities.browsers import approve, module_social_app, social_app, start
from tests.modules.system_settings.conftest import change
from tests.modules.teams.requests import invite_and_get_token, make_team
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.core.settings import use
from undercroft.devstack.emulators.oidc import OidcIssuer
from undercroft.modules.auth.settings import DisposableMailSettings
from undercroft.modules.users import SignUp, SignUpMethod, User, UserRepository, UserService
from undercroft.testing import Mailbox, eventually
from undercroft.testing.users import make_client

__all__ = ["module_social_app", "social_app"]

EMAIL = "ada+shop@example.com"
FORM = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}

LOCK_WAITS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

Finish = Callable[[], Awaitable[str]]
"""Finishes a sign-up, and returns the code of the error, empty if the user is signed in."""

REFUSED = {
    "invite": ([("SIGN_UP_POLICY", "invite")], "SIGN_UP_BY_INVITATION"),
    "waitlist": ([("SIGN_UP_POLICY", "waitlist")], "SIGN_UP_WAITLISTED"),
    "domains": ([("SIGN_UP_DOMAINS", ["acme.example"]), ("SIGN_UP_POLICY", "domains")], "SIGN_UP_DOMAIN_NOT_ALLOWED"),
    "subaddresses": ([("SIGN_UP_SUBADDRESSES", "refuse")], "SUBADDRESS_NOT_ALLOWED"),
    "unchanged": ([], ""),
}


async def find_user(database: Database) -> User | None:
    async with database.read_session() as session:
        return await UserRepository(session).get_by_email(EMAIL)


@pytest_asyncio.fixture(loop_scope="session")
async def http(social_app: Api) -> AsyncIterator[AsyncClient]:
    async with make_client(social_app) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def begin(
    http: AsyncClient, mailbox: Mailbox, oidc_issuer: OidcIssuer, create_user: Any
) -> Callable[[str], Awaitable[Finish]]:
    """Begin a sign-up in this way."""

    async def begin_registration() -> Finish:
        assert (await register(http, EMAIL)).status_code == 202
        token = (await mailbox.latest(EMAIL)).token

        async def finish() -> str:
            response = await post(http, "/verify-email", {"token": token})
            return str(response.json().get("error", {}).get("code", ""))

        return finish

    async def begin_provider_sign_in() -> Finish:
        oidc_issuer.auto_approve = oidc_issuer.add_user(email=EMAIL)
        callback = await approve(await start(http))

        async def finish() -> str:
            response = await http.get(callback)
            return "" if response.status_code == 303 else str(response.json()["error"]["code"])

        return finish

    async def begin_invitation() -> Finish:
        owner = await create_user()
        token = await invite_and_get_token(owner.client, await make_team(owner.client), EMAIL, mailbox)

        async def finish() -> str:
            form = {"token": token, "password": PASSWORD}
            page = await http.post("/invitation/register", data=form, headers=FORM)
            return "" if page.status_code == 303 else _code_of(page.text)

        return finish

    ways = {"registration": begin_registration, "provider": begin_provider_sign_in, "invitation": begin_invitation}
    return lambda way: ways[way]()


def _code_of(page: str) -> str:
    from undercroft.modules.system_settings import errors

    found = [error for error in vars(errors).values() if getattr(error, "message", None) and error.message in page]
    assert found, page
    return str(found[0].code)


@pytest.mark.parametrize("way", ["registration", "provider", "invitation"])
@pytest.mark.parametrize(
    "policy",
    [
        pytest.param(each, marks=pytest.mark.requires_module("waitlist") if each == "waitlist" else ())
        for each in REFUSED
    ],
)
async def test_sign_up_begun_while_it_was_open_is_decided_again(
    begin: Callable[[str], Awaitable[Finish]], database: Database, policy: str, way: str
) -> None:
    values, expected = REFUSED[policy]
    if policy in {"invite", "waitlist"} and way == "invitation":
        expected = ""
    finish = await begin(way)
    await change(database, *values)
    assert await finish() == expected
    assert ((await find_user(database)) is None) == bool(expected)


async def test_refused_link_works_when_sign_up_is_open_again(
    begin: Callable[[str], Awaitable[Finish]], database: Database
) -> None:
    finish = await begin("registration")
    await change(database, ("SIGN_UP_POLICY", "invite"))
    assert await finish() == "SIGN_UP_BY_INVITATION"
    await change(database, ("SIGN_UP_POLICY", "open"))
    assert await finish() == ""
    user = await find_user(database)
    assert user is not None
    assert user.password_hash


async def test_disposable_address_is_refused_at_the_link_too(
    begin: Callable[[str], Awaitable[Finish]], database: Database
) -> None:
    finish = await begin("registration")
    use(DisposableMailSettings(disposable_mail="refuse", disposable_mail_domains=("example.com",)))
    assert await finish() == "DISPOSABLE_EMAIL"
    assert await find_user(database) is None


async def test_page_of_the_link_says_that_sign_up_is_by_invitation(
    http: AsyncClient, mailbox: Mailbox, database: Database
) -> None:
    await register(http, EMAIL)
    token = (await mailbox.latest(EMAIL)).token
    await change(database, ("SIGN_UP_POLICY", "invite"))
    page = await http.post("/verify-email", data={"token": token}, headers=FORM)
    assert page.status_code == 403
    assert "Your account was not created" in page.text
    assert "You need an invitation" in page.text


async def test_change_waits_for_accounts_that_the_earlier_policy_allowed(database: Database) -> None:
    """A sign-up in another process has been decided and has not committed yet."""
    await change(database, ("SIGN_UP_POLICY", "open"))
    sign_up = SignUp(email=EMAIL, full_name="Ada", method=SignUpMethod.REGISTRATION)
    async with database.session() as session:
        await UserService(session).sign_up(sign_up, None)
        closing = asyncio.create_task(change(database, ("SIGN_UP_POLICY", "invite")))
        await eventually(lambda: _is_waiting(database))
        assert not closing.done()
    await closing
    assert await find_user(database) is not None


async def _is_waiting(database: Database) -> bool:
    async with database.read_session() as session:
        return bool(await session.scalar(text(LOCK_WAITS)))
