"""Tokens and webhooks of Supabase and Clerk."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx2 as httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from tests.modules.audit.entries import entries
from tests.modules.identities import fixtures
from tests.modules.identities.provider_messages import (
    clerk_event,
    clerk_token,
    sign_webhook,
    supabase_token,
)
from tests.modules.identities.providers import Body, ExternalProvider, send_event
from tests.modules.identities.requests import JWKS, count, error_code, find_user, get_as
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.devstack.emulators.oidc import Failure, OidcIssuer, ProviderUser
from undercroft.modules.identities.models import ExternalIdentity
from undercroft.modules.teams import Team
from undercroft.modules.users import User
from undercroft.testing.users import make_client

ME = "/api/v1/app/users/me"


@pytest_asyncio.fixture(loop_scope="session")
async def clerk(worker_app: Api, database: Database, oidc_issuer: OidcIssuer) -> AsyncIterator[httpx.AsyncClient]:
    async with fixtures.application(database, fixtures.clerk(oidc_issuer)) as app, make_client(app) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def supabase(worker_app: Api, database: Database, oidc_issuer: OidcIssuer) -> AsyncIterator[httpx.AsyncClient]:
    async with fixtures.application(database, fixtures.supabase(oidc_issuer)) as app, make_client(app) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def legacy(worker_app: Api, database: Database, oidc_issuer: OidcIssuer) -> AsyncIterator[httpx.AsyncClient]:
    async with fixtures.application(database, fixtures.supabase_legacy(oidc_issuer)) as app, make_client(app) as client:
        yield client


async def test_supabase_token_with_an_asymmetric_key_is_accepted(
    supabase: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    provider_user = oidc_issuer.add_user(name="Ada Lovelace")
    oidc_issuer.alg = "ES256"
    response = await get_as(supabase, supabase_token(oidc_issuer, provider_user))
    assert (response.status_code, response.json()["email"]) == (200, provider_user.email)
    assert response.json()["full_name"] == "Ada Lovelace"


async def test_supabase_legacy_token_is_accepted_when_the_secret_is_set(
    legacy: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    provider_user = oidc_issuer.add_user()
    assert (await get_as(legacy, supabase_token(oidc_issuer, provider_user, legacy=True))).status_code == 200
    assert (await get_as(legacy, supabase_token(oidc_issuer, provider_user))).status_code == 200


async def test_supabase_legacy_token_is_refused_when_no_secret_is_set(
    supabase: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    token = supabase_token(oidc_issuer, oidc_issuer.add_user(), legacy=True)
    assert (await get_as(supabase, token)).status_code == 401
    assert oidc_issuer.traffic.hits[f"/supabase/auth/v1{JWKS}"] == 0


WRONG = [
    Failure.ALG_NONE,
    Failure.ALG_HS256,
    Failure.WRONG_AUDIENCE,
    Failure.WRONG_ISSUER,
    Failure.EXPIRED,
    Failure.NOT_YET_VALID,
    Failure.UNKNOWN_KEY,
    Failure.WRONG_KEY_TYPE,
]


@pytest.mark.parametrize("error", WRONG)
async def test_invalid_supabase_token_is_refused_when_a_legacy_secret_is_set(
    legacy: httpx.AsyncClient, oidc_issuer: OidcIssuer, error: Failure
) -> None:
    assert (await get_as(legacy, supabase_token(oidc_issuer, oidc_issuer.add_user(), error))).status_code == 401


async def test_supabase_user_metadata_does_not_verify_an_address(
    supabase: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    """Users can change `user_metadata.email_verified` themselves."""
    provider_user = oidc_issuer.add_user(email_verified=False)
    response = await get_as(supabase, supabase_token(oidc_issuer, provider_user))
    assert (response.status_code, error_code(response)) == (409, "EMAIL_UNVERIFIED")


async def test_supabase_user_is_fetched_once(supabase: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    provider_user = oidc_issuer.add_user()
    await asyncio.gather(*(get_as(supabase, supabase_token(oidc_issuer, provider_user)) for _ in range(20)))
    await asyncio.gather(*(get_as(supabase, supabase_token(oidc_issuer, provider_user)) for _ in range(20)))
    assert oidc_issuer.traffic.hits["/supabase/auth/v1/user"] == 1


async def test_clerk_session_token_is_accepted(clerk: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    provider_user = oidc_issuer.add_user(name="Ada Lovelace")
    responses = [await get_as(clerk, clerk_token(oidc_issuer, provider_user)) for _ in range(3)]
    assert {response.status_code for response in responses} == {200}
    assert responses[0].json()["email"] == provider_user.email
    assert oidc_issuer.traffic.hits[f"/clerk/v1/users/{provider_user.subject}"] == 1


async def test_clerk_token_of_another_origin_is_refused(clerk: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    provider_user = oidc_issuer.add_user()
    assert (await get_as(clerk, clerk_token(oidc_issuer, provider_user))).status_code == 200
    refused = await get_as(clerk, clerk_token(oidc_issuer, provider_user, azp="https://evil.example.com"))
    assert (refused.status_code, error_code(refused)) == (401, "INVALID_TOKEN")


@pytest.mark.parametrize("error", [failure for failure in WRONG if failure is not Failure.WRONG_AUDIENCE])
async def test_invalid_clerk_token_is_refused(
    clerk: httpx.AsyncClient, oidc_issuer: OidcIssuer, error: Failure
) -> None:
    assert (await get_as(clerk, clerk_token(oidc_issuer, oidc_issuer.add_user(), error))).status_code == 401


async def test_no_account_is_created_when_clerk_does_not_know_the_user(
    clerk: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    stranger = ProviderUser("user_unknown", "x@example.com")
    response = await get_as(clerk, clerk_token(oidc_issuer, stranger))
    assert (response.status_code, error_code(response)) == (409, "EMAIL_UNVERIFIED")
    assert await count(database, User) == 0


async def test_authentication_time_is_read_from_the_clerk_token(
    clerk: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    provider_user = oidc_issuer.add_user()
    fresh = clerk_token(oidc_issuer, provider_user, fva=[0, -1])
    stale = clerk_token(oidc_issuer, provider_user, fva=[600, 600])
    path = "/api/v1/auth/identities/00000000-0000-0000-0000-000000000000"
    responses = [await clerk.delete(path, headers={"Authorization": f"Bearer {token}"}) for token in (fresh, stale)]
    assert [(response.status_code, error_code(response)) for response in responses] == [
        (404, "IDENTITY_NOT_FOUND"),
        (403, "STEP_UP_REQUIRED"),
    ]


async def test_second_factor_at_clerk_opens_a_team_that_requires_one(
    clerk: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    provider_user = oidc_issuer.add_user()
    with_factor, without = (
        {"Authorization": f"Bearer {clerk_token(oidc_issuer, provider_user, fva=ages)}"} for ages in ([0, 0], [0, -1])
    )
    created = await clerk.post("/api/v1/app/teams", json={"name": "Acme"}, headers=with_factor)
    path = f"/api/v1/app/teams/{created.json()['id']}"
    changed = await clerk.patch(path, json={"require_mfa": True}, headers=with_factor)
    assert changed.status_code == 200, changed.text
    assert (await clerk.get(path, headers=with_factor)).status_code == 200
    refused = await clerk.get(path, headers=without)
    assert (refused.status_code, error_code(refused)) == (403, "MFA_ENROLLMENT_REQUIRED")


@pytest.fixture(params=["clerk", "supabase"])
def service(request: pytest.FixtureRequest, oidc_issuer: OidcIssuer) -> ExternalProvider:
    return ExternalProvider(request.param, oidc_issuer)


@pytest_asyncio.fixture(loop_scope="session")
async def http(worker_app: Api, service: ExternalProvider, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with fixtures.application(database, service.settings) as app, make_client(app) as client:
        yield client


async def test_created_event_creates_the_account(
    http: httpx.AsyncClient, service: ExternalProvider, database: Database
) -> None:
    provider_user = service.issuer.add_user(name="Ada Lovelace")

    assert (await send_event(http, service, "created", provider_user)).status_code == 204

    user = await find_user(database, provider_user)
    assert user is not None
    assert (user.email, user.full_name) == (provider_user.email, "Ada Lovelace")
    assert (await get_as(http, service.token(provider_user))).json()["id"] == str(user.id)


async def test_concurrent_event_and_first_requests_create_one_user(
    http: httpx.AsyncClient, service: ExternalProvider, database: Database
) -> None:
    provider_user = service.issuer.add_user()
    await asyncio.gather(
        *(send_event(http, service, "created", provider_user) for _ in range(5)),
        *(get_as(http, service.token(provider_user)) for _ in range(10)),
    )
    assert [await count(database, model) for model in (User, Team, ExternalIdentity)] == [1, 1, 1]


async def test_updated_event_is_applied_and_an_outdated_one_is_ignored(
    http: httpx.AsyncClient, service: ExternalProvider, database: Database
) -> None:
    now, provider_user = time.time(), service.issuer.add_user()
    await send_event(http, service, "created", provider_user, at=now - 100)
    moved = service.issuer.add_user(provider_user.subject, email="moved@example.com", name="Moved")
    await send_event(http, service, "updated", moved, at=now - 10)
    late = service.issuer.add_user(provider_user.subject, email="late@example.com", name="Late")

    assert (await send_event(http, service, "updated", late, at=now - 50)).status_code == 204

    user = await find_user(database, provider_user)
    assert user is not None
    assert (user.email, user.full_name) == ("moved@example.com", "Moved")


async def test_unverified_or_taken_address_is_not_applied(
    http: httpx.AsyncClient, service: ExternalProvider, database: Database
) -> None:
    now, provider_user, other = (
        time.time(),
        service.issuer.add_user(),
        service.issuer.add_user(email="other@example.com"),
    )
    await send_event(http, service, "created", provider_user, at=now - 100)
    await send_event(http, service, "created", other, at=now - 100)
    unproven = service.issuer.add_user(provider_user.subject, email="unproven@example.com", email_verified=False)
    taken = service.issuer.add_user(provider_user.subject, email="other@example.com")

    assert (await send_event(http, service, "updated", unproven, at=now - 20)).status_code == 204
    assert (await send_event(http, service, "updated", taken, at=now - 10)).status_code == 204

    user = await find_user(database, provider_user)
    assert user is not None
    assert user.email == provider_user.email


async def test_deleted_event_deletes_the_account_permanently(
    http: httpx.AsyncClient, service: ExternalProvider, database: Database
) -> None:
    provider_user = service.issuer.add_user()
    token = service.token(provider_user)
    assert (await get_as(http, token)).status_code == 200

    assert (await send_event(http, service, "deleted", provider_user)).status_code == 204

    assert (await get_as(http, token)).status_code == 401
    assert (await get_as(http, service.token(provider_user))).status_code == 401
    await send_event(http, service, "created", provider_user)
    assert (await get_as(http, token)).status_code == 401
    async with database.read_session() as session:
        from undercroft.modules.users import UserRepository

        assert await UserRepository(session).get_by_email(provider_user.email) is None


async def test_second_deleted_event_changes_nothing(
    http: httpx.AsyncClient, service: ExternalProvider, database: Database
) -> None:
    provider_user, now = service.issuer.add_user(), time.time()
    await get_as(http, service.token(provider_user))
    for moment in (now, now + 1):
        assert (await send_event(http, service, "deleted", provider_user, at=moment)).status_code == 204
    actions = [entry["action"] for entry in await entries(database)]
    assert actions.count("identity.deleted") == actions.count("user.deleted") == 1


async def test_deleted_event_before_the_created_event_prevents_the_account(
    http: httpx.AsyncClient, service: ExternalProvider, database: Database
) -> None:
    now, provider_user = time.time(), service.issuer.add_user()
    assert (await send_event(http, service, "deleted", provider_user, at=now)).status_code == 204
    assert (await send_event(http, service, "created", provider_user, at=now - 10)).status_code == 204
    assert (await get_as(http, service.token(provider_user))).status_code == 401
    assert await count(database, User) == 0


async def test_an_event_works_once(http: httpx.AsyncClient, service: ExternalProvider, database: Database) -> None:
    provider_user = service.issuer.add_user()
    responses = await asyncio.gather(
        *(send_event(http, service, "created", provider_user, event_id="msg_the_same") for _ in range(5))
    )
    changed = service.issuer.add_user(provider_user.subject, email="changed@example.com")
    responses.append(await send_event(http, service, "updated", changed, event_id="msg_the_same", at=time.time() + 60))

    assert {response.status_code for response in responses} == {204}
    user = await find_user(database, provider_user)
    assert user is not None
    assert user.email == provider_user.email


async def test_webhook_with_an_invalid_signature_is_refused(
    http: httpx.AsyncClient, service: ExternalProvider, database: Database
) -> None:
    body, headers = service.sign_webhook(service.body("created", service.issuer.add_user()))
    _, other = service.sign_webhook({"another": "body"})
    old, old_headers = service.sign_webhook(service.body("created", service.issuer.add_user()), at=time.time() - 600)
    early, early_headers = service.sign_webhook(
        service.body("created", service.issuer.add_user()), at=time.time() + 600
    )
    prefix = "svix" if service.name == "clerk" else "webhook"
    cases: list[tuple[bytes, dict[str, str]]] = [
        (body, {}),
        (body, other),
        (body + b" ", headers),
        (old, old_headers),
        (early, early_headers),
        (body, headers | {f"{prefix}-id": "msg_another"}),
        (body, headers | {f"{prefix}-timestamp": "x"}),
        (body, headers | {f"{prefix}-timestamp": "9" * 30}),
        (body, headers | {f"{prefix}-signature": ""}),
        (body, headers | {f"{prefix}-signature": "v1,"}),
        (body, headers | {f"{prefix}-signature": headers[f"{prefix}-signature"].replace("v1,", "v2,")}),
    ]
    responses = [await http.post(service.path, content=content, headers=sent) for content, sent in cases]

    assert {(response.status_code, error_code(response)) for response in responses} == {(401, "INVALID_SIGNATURE")}
    assert await count(database, User) == 0


@pytest.mark.parametrize(
    "payload", [{}, {"type": "user.created"}, {"type": "user.created", "data": {"id": 7}}, {"type": 1}]
)
async def test_signed_webhook_with_an_unknown_payload_changes_nothing(
    http: httpx.AsyncClient, service: ExternalProvider, database: Database, payload: Body
) -> None:
    body, headers = service.sign_webhook(payload)
    assert (await http.post(service.path, content=body, headers=headers)).status_code == 204
    assert await count(database, User) == 0


@pytest.mark.parametrize("moment", [1e300, -1e300, 10**400, -62135596800001, "9999-12-31T23:59:59-23:59", "soon", None])
async def test_event_with_an_out_of_range_time_is_applied(
    http: httpx.AsyncClient, service: ExternalProvider, database: Database, moment: object
) -> None:
    provider_user = service.issuer.add_user()
    payload = service.body("created", provider_user)
    payload["data" if service.name == "clerk" else "record"]["updated_at"] = moment
    body, headers = service.sign_webhook(payload)
    assert (await http.post(service.path, content=body, headers=headers)).status_code == 204
    assert await find_user(database, provider_user) is not None


async def test_webhook_of_another_provider_returns_not_found(
    http: httpx.AsyncClient, service: ExternalProvider
) -> None:
    other = "supabase" if service.name == "clerk" else "clerk"
    response = await http.post(f"/api/v1/public/identity/webhooks/{other}", content=b"{}")
    assert (response.status_code, error_code(response)) == (404, "UNKNOWN_PROVIDER")


async def test_webhook_is_refused_when_no_secret_is_set(
    worker_app: Api, database: Database, oidc_issuer: OidcIssuer
) -> None:
    settings = fixtures.clerk(oidc_issuer).model_copy(update={"clerk_webhook_secret": SecretStr("")})
    async with fixtures.application(database, settings) as app, make_client(app) as client:
        body, headers = sign_webhook(clerk_event(oidc_issuer, "user.created", oidc_issuer.add_user()), "whsec_")
        response = await client.post("/api/v1/public/identity/webhooks/clerk", content=body, headers=headers)
    assert (response.status_code, error_code(response)) == (401, "INVALID_SIGNATURE")
