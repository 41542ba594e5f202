"""With an external AUTH_PROVIDER, no local sign-in method works."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2 as httpx
import pytest
import pytest_asyncio
from sqlalchemy import update

from tests.modules.identities import fixtures
from tests.modules.identities.browsers import sign_in
from tests.modules.identities.requests import ME, count, error_code, get_as
from tests.modules.mfa.conftest import AuthenticatorApp, Clock, clock
from undercroft.core import settings
from undercroft.core.db import Database, utc_now
from undercroft.core.http.application import Api
from undercroft.devstack.emulators.oidc import OidcIssuer
from undercroft.devstack.emulators.oidc.issuer import AUDIENCE
from undercroft.modules.auth.settings import AuthSettings
from undercroft.modules.sessions import SessionService
from undercroft.modules.sessions.errors import MfaRequired
from undercroft.modules.sessions.models import AuthSession, SessionKind
from undercroft.modules.sessions.service.client import Client
from undercroft.modules.users import User, UserRepository
from undercroft.providers.identity import IdentitySettings
from undercroft.testing.authenticator import Authenticator
from undercroft.testing.configuration import PUBLIC_URL
from undercroft.testing.users import SignedInUser, make_client

__all__ = ["clock"]

CreateUser = Callable[..., Awaitable[SignedInUser]]


@pytest_asyncio.fixture(loop_scope="session")
async def http(worker_app: Api, database: Database, oidc_issuer: OidcIssuer) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application with an external issuer, with which browsers sign in as well."""
    _, social = fixtures.social(oidc_issuer)
    identity = IdentitySettings(auth_provider="oidc", oidc_issuer=oidc_issuer.url, oidc_audience=(AUDIENCE,))
    magic = settings.load(AuthSettings).model_copy(update={"magic_links": True})
    async with fixtures.application(database, identity, social, magic) as app, make_client(app) as client:
        yield client


EMAIL, TOKEN, PASSWORD = "a@example.com", "x" * 43, "three otters in a boat"
RESPONSE = {"clientDataJSON": "AAAA", "authenticatorData": "AAAA", "signature": "AAAA"}
ASSERTION = {"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": RESPONSE}
LOCAL_ENDPOINTS: list[tuple[str, dict[str, Any]]] = [
    ("/auth/register", {"email": EMAIL, "password": PASSWORD}),
    ("/auth/verify-email", {"token": TOKEN}),
    ("/auth/verify-email/resend", {"email": EMAIL}),
    ("/auth/login", {"email": EMAIL, "password": PASSWORD}),
    ("/auth/refresh", {"refresh_token": TOKEN}),
    ("/auth/password/forgot", {"email": EMAIL}),
    ("/auth/password/reset", {"token": TOKEN, "password": PASSWORD}),
    ("/auth/password/change", {"current_password": PASSWORD, "new_password": PASSWORD}),
    ("/auth/email/change", {"current_password": PASSWORD, "new_email": EMAIL}),
    ("/auth/email/confirm", {"token": TOKEN}),
    ("/auth/magic-link", {"email": EMAIL}),
    ("/auth/magic-link/verify", {"token": TOKEN}),
    ("/auth/social/exchange", {"code": TOKEN, "code_verifier": TOKEN}),
    ("/auth/passkeys/sign-in/options", {}),
    ("/auth/passkeys/sign-in", {"passkey": ASSERTION}),
]


@pytest.mark.parametrize(("path", "body"), LOCAL_ENDPOINTS, ids=[path for path, _ in LOCAL_ENDPOINTS])
async def test_local_sign_in_endpoint_is_off(http: httpx.AsyncClient, path: str, body: dict[str, Any]) -> None:
    response = await http.post(f"/api/v1{path}", json=body)
    assert (response.status_code, error_code(response)) == (403, "LOCAL_ACCOUNTS_OFF")


@pytest.mark.parametrize("path", ["/verify-email", "/reset-password", "/confirm-email", "/magic-link", "/register"])
async def test_local_sign_in_page_is_off(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code == 403


async def test_earlier_passkey_is_refused(http: httpx.AsyncClient, create_user: CreateUser, database: Database) -> None:
    key = Authenticator(PUBLIC_URL)
    with fixtures.local_accounts():
        user_id = await create_owner(http, create_user, database, key)
        options = (await http.post("/api/v1/auth/passkeys/sign-in/options")).json()["options"]
    sessions = await count(database, AuthSession)

    response = await http.post("/api/v1/auth/passkeys/sign-in", json={"passkey": key.sign(options)})

    assert (response.status_code, error_code(response)) == (403, "LOCAL_ACCOUNTS_OFF"), user_id
    assert await count(database, AuthSession) == sessions


async def create_owner(http: httpx.AsyncClient, create_user: CreateUser, database: Database, key: Authenticator) -> str:
    """Create a user with a passkey, before AUTH_PROVIDER was set."""
    provider_user = await create_user()
    started = await provider_user.client.post("/api/v1/auth/passkeys/options")
    body = {"name": "Key", "credential": key.create(started.json()["options"])}
    assert (await provider_user.client.post("/api/v1/auth/passkeys", json=body)).status_code == 201
    return str(provider_user.user_id)


async def test_earlier_pending_sign_in_starts_no_session(
    http: httpx.AsyncClient, create_user: CreateUser, clock: Clock, database: Database
) -> None:
    with fixtures.local_accounts():
        provider_user = await create_user()
        secret = (await provider_user.client.post("/api/v1/auth/mfa/totp")).json()["secret"]
        body = {"code": AuthenticatorApp(secret, clock).code()}
        assert (await provider_user.client.post("/api/v1/auth/mfa/totp/confirm", json=body)).status_code == 200
        clock.next_step()
        with pytest.raises(MfaRequired) as pending:
            async with database.session() as session:
                user = await UserRepository(session).get(provider_user.user_id)
                await SessionService(session).start(user, Client("192.0.2.1", "before"), SessionKind.BEARER)
    assert pending.value.details is not None
    proof = {"mfa_token": pending.value.details["mfa_token"], "code": AuthenticatorApp(secret, clock).code()}

    response = await http.post("/api/v1/auth/mfa/verify", json=proof)

    assert (response.status_code, error_code(response)) == (403, "LOCAL_ACCOUNTS_OFF")


@pytest.mark.requires_module("api_keys")
async def test_earlier_api_key_is_refused_until_its_user_signs_in_with_the_issuer(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer, create_user: CreateUser, database: Database
) -> None:
    with fixtures.local_accounts():
        provider_user = await create_user()
        made = await provider_user.client.post("/api/v1/app/api-keys", json={"name": "Import"})
        email = (await provider_user.client.get(ME)).json()["email"]
    async with database.session() as session:
        await session.execute(update(User).values(email_verified_at=utc_now()))
    key = made.json()["key"]

    refused = await get_as(http, key)

    assert (refused.status_code, error_code(refused)) == (401, "INVALID_API_KEY")
    known = oidc_issuer.add_user(email=email)
    assert (await get_as(http, oidc_issuer.token(known))).json()["id"] == str(provider_user.user_id)
    assert (await get_as(http, key)).status_code == 200


async def test_cookie_of_a_session_from_another_issuer_is_refused(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    await sign_in(http)
    assert (await http.get(ME)).status_code == 200

    async with database.session() as session:
        await session.execute(update(AuthSession).values(issuer="https://another.example.com"))

    refused = await http.get(ME)
    assert (refused.status_code, error_code(refused)) == (401, "SESSION_ENDED")


async def test_only_the_issuer_that_manages_the_accounts_is_a_sign_in_provider(http: httpx.AsyncClient) -> None:
    listed = (await http.get("/api/v1/auth/social")).json()["items"]
    assert [each["name"] for each in listed] == ["oidc"]
    response = await http.get("/api/v1/auth/social/google")
    assert (response.status_code, error_code(response)) == (404, "UNKNOWN_PROVIDER")
