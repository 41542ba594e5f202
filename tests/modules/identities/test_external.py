"""Requests with tokens of an external AUTH_PROVIDER."""

import asyncio
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx2 as httpx
import pytest
import pytest_asyncio

from tests.modules.identities import fixtures
from tests.modules.identities.requests import JWKS, ME, count, create_local_account, error_code, find_user, get_as
from undercroft.core.db import Database
from undercroft.core.health import Health
from undercroft.core.http.application import Api
from undercroft.devstack.emulators.oidc import Failure, OidcIssuer, dialects
from undercroft.modules.identities import Connections
from undercroft.modules.identities.models import ExternalIdentity
from undercroft.modules.identities.service import token_auth
from undercroft.modules.identities.service.token_auth import REJECTION_CACHE_SECONDS
from undercroft.modules.teams import Team
from undercroft.modules.users import User
from undercroft.testing.statements import StatementRecorder
from undercroft.testing.users import make_client


@pytest_asyncio.fixture(loop_scope="session")
async def oidc_app(worker_app: Api, database: Database, oidc_issuer: OidcIssuer) -> AsyncIterator[Api]:
    async with fixtures.application(database, fixtures.oidc(oidc_issuer)) as app:
        yield app


@pytest_asyncio.fixture(loop_scope="session")
async def http(oidc_app: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with make_client(oidc_app) as client:
        yield client


async def test_first_request_creates_the_user_with_a_personal_team(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    provider_user = oidc_issuer.add_user(name="Ada Lovelace")

    response = await get_as(http, oidc_issuer.token(provider_user))

    assert response.status_code == 200
    assert response.json()["email"] == provider_user.email
    assert response.json()["full_name"] == "Ada Lovelace"
    assert (await get_as(http, oidc_issuer.token(provider_user), "/api/v1/app/teams")).json()["total"] == 1
    assert await count(database, User) == 1


async def test_token_of_each_algorithm_is_accepted(http: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    provider_user = oidc_issuer.add_user()
    for oidc_issuer.alg in ("RS256", "PS256", "ES256", "ES384", "EdDSA"):
        assert (await get_as(http, oidc_issuer.token(provider_user))).status_code == 200, oidc_issuer.alg


async def test_fifty_concurrent_first_requests_create_one_user_with_one_team(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    provider_user = oidc_issuer.add_user()
    tokens = [oidc_issuer.token(provider_user) for _ in range(50)]

    responses = await asyncio.gather(*(get_as(http, token) for token in tokens))

    assert {response.status_code for response in responses} == {200}
    assert len({response.json()["id"] for response in responses}) == 1
    assert (await count(database, User), await count(database, Team)) == (1, 1)
    assert oidc_issuer.traffic.hits[JWKS] == 1


async def test_concurrent_first_requests_to_two_processes_create_one_user(
    oidc_app: Api, http: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    provider_user = oidc_issuer.add_user()
    async with fixtures.application(database, fixtures.oidc(oidc_issuer)) as another, make_client(another) as other:
        responses = await asyncio.gather(
            *(get_as(each, oidc_issuer.token(provider_user)) for each in [http, other] * 10),
        )
    assert {response.status_code for response in responses} == {200}
    assert (await count(database, User), await count(database, ExternalIdentity)) == (1, 1)


async def test_request_of_a_known_user_needs_one_statement(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer, statements: StatementRecorder
) -> None:
    token = oidc_issuer.token(oidc_issuer.add_user())
    await get_as(http, token)
    await statements.clear()

    assert (await get_as(http, token)).status_code == 200

    await statements.get_all()
    assert statements.count == 1, str(statements)


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


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES384", "EdDSA"])
@pytest.mark.parametrize("error", WRONG)
async def test_invalid_token_is_refused(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database, error: Failure, alg: str
) -> None:
    oidc_issuer.alg = alg
    response = await get_as(http, oidc_issuer.token(oidc_issuer.add_user(), error))

    assert response.status_code == 401
    assert error_code(response) == ("TOKEN_EXPIRED" if error is Failure.EXPIRED else "INVALID_TOKEN")
    assert "invalid_token" in response.headers["WWW-Authenticate"]
    assert await count(database, User) == 0


MALFORMED = [
    {"sub": ""},
    {"sub": "a\x00b"},
    {"sub": "x" * 300},
    {"sub": 7},
    {"sub": None},
    {"exp": None},
    {"exp": "tomorrow"},
    {"iss": None},
    {"aud": None},
    {"aud": []},
    {"aud": ["others"]},
    {"iat": 9_999_999_999},
]


@pytest.mark.parametrize("claims", MALFORMED, ids=str)
async def test_token_with_malformed_claims_is_refused(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer, claims: dict[str, Any]
) -> None:
    oidc_issuer.alg = "ES256"
    all_claims = oidc_issuer.claims(oidc_issuer.add_user()) | claims
    token = oidc_issuer.sign({name: value for name, value in all_claims.items() if value is not None})
    refused = await get_as(http, token)
    assert (refused.status_code, error_code(refused)) == (401, "INVALID_TOKEN")


@pytest.mark.parametrize("moment", [1e300, -1e300, -1e18, -1e11])
async def test_out_of_range_time_claim_is_handled(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer, moment: float
) -> None:
    assert (await get_as(http, oidc_issuer.token(oidc_issuer.add_user(), auth_time=moment))).status_code == 200
    assert (await get_as(http, oidc_issuer.token(oidc_issuer.add_user(), iat=moment))).status_code == 401


@pytest.mark.requires_module("mfa")
async def test_sensitive_endpoint_requires_a_token_with_recent_authentication(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    provider_user = oidc_issuer.add_user()
    headers = {"Authorization": f"Bearer {oidc_issuer.token(provider_user)}"}
    refused = await http.post("/api/v1/auth/passkeys/options", headers=headers)
    assert (refused.status_code, error_code(refused)) == (403, "STEP_UP_REQUIRED")
    assert refused.json()["error"]["details"] == {"methods": ["sign_in"]}
    for proof in ({"password": "three otters in a boat"}, {"recovery_code": "k7fp-2mxq-9trw-hd4v"}):
        nowhere = await http.post("/api/v1/auth/step-up", headers=headers, json=proof)
        assert (nowhere.status_code, error_code(nowhere)) == (403, "INTERACTIVE_SESSION_REQUIRED")

    for seconds, status in ((-3600, 403), (0, 200), (3600, 403)):
        token = oidc_issuer.token(provider_user, auth_time=oidc_issuer.now() + seconds)
        response = await http.post("/api/v1/auth/passkeys/options", headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == status, seconds


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "..", "é.é.é", "x" * 20_000, "eyJhbGciOiJSUzI1NiJ9.e30."])
async def test_malformed_token_is_refused(http: httpx.AsyncClient, token: str) -> None:
    headers = {b"authorization": f"Bearer {token}".encode()}
    assert (await http.get(ME, headers=list(headers.items()))).status_code == 401


async def test_tampered_token_is_refused(http: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    head, _, signature = oidc_issuer.token(oidc_issuer.add_user()).split(".")
    _, body, _ = oidc_issuer.token(oidc_issuer.add_user()).split(".")
    refused = await get_as(http, f"{head}.{body}.{signature}")
    assert (refused.status_code, error_code(refused)) == (401, "INVALID_TOKEN")


async def test_local_access_token_is_refused(
    http: httpx.AsyncClient, oidc_app: Api, app: Api, create_user: Any
) -> None:
    with fixtures.local_accounts():
        provider_user = await create_user()
    refused = await get_as(http, provider_user.token)
    assert (refused.status_code, error_code(refused)) == (401, "INVALID_TOKEN")


async def test_key_rotation_during_traffic_causes_no_refusals(http: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    provider_user = oidc_issuer.add_user()
    before = [oidc_issuer.token(provider_user) for _ in range(20)]
    responses = list(await asyncio.gather(*(get_as(http, token) for token in before)))
    oidc_issuer.rotate()
    after = [oidc_issuer.token(provider_user) for _ in range(40)]

    responses += await asyncio.gather(
        *(get_as(http, token) for pair in zip(before, after[:20], strict=True) for token in pair)
    )
    responses += await asyncio.gather(*(get_as(http, token) for token in after))

    assert {response.status_code for response in responses} == {200}
    assert oidc_issuer.traffic.hits[JWKS] == 2
    assert oidc_issuer.traffic.max_concurrent[JWKS] == 1


async def test_token_of_a_revoked_key_is_refused_after_the_keys_were_refetched(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    provider_user = oidc_issuer.add_user()
    old = oidc_issuer.token(provider_user)
    assert (await get_as(http, old)).status_code == 200
    oidc_issuer.keys.rotate(withdraw=True)
    assert (await get_as(http, oidc_issuer.token(provider_user))).status_code == 200

    assert (await get_as(http, old)).status_code == 401


async def test_cached_token_is_refused_after_its_key_was_revoked_even_without_other_tokens(
    oidc_app: Api, http: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    """A request with a cached token triggers the refetch of old keys."""
    token = oidc_issuer.token(oidc_issuer.add_user())
    assert (await get_as(http, token)).status_code == 200
    oidc_issuer.keys.rotate(withdraw=True)
    document = oidc_app.context.get(Connections).external.token_verifier.jwks.document
    document._max_age = document._min_interval = 0
    async with asyncio.timeout(10):
        while (response := await get_as(http, token)).status_code == 200:
            await asyncio.sleep(0.01)
    assert error_code(response) == "INVALID_TOKEN"


@pytest.mark.parametrize(("life", "status"), [(86_400, 200), (86_401, 401)])
async def test_token_lifetime_is_limited_to_one_day(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer, life: int, status: int
) -> None:
    now = int(time.time())
    token = oidc_issuer.token(oidc_issuer.add_user(), iat=now, exp=now + life)
    assert (await get_as(http, token)).status_code == status


async def test_two_hundred_concurrent_unknown_key_ids_cause_one_request_to_the_issuer(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    provider_user = oidc_issuer.add_user()
    oidc_issuer.alg = "ES256"
    tokens = [oidc_issuer.token(provider_user, kid=f"made-up-{number}") for number in range(200)]

    responses = await asyncio.gather(*(get_as(http, token) for token in tokens))

    assert {response.status_code for response in responses} == {401}
    assert oidc_issuer.traffic.hits[JWKS] == 1
    assert oidc_issuer.traffic.max_concurrent[JWKS] == 1
    await asyncio.gather(*(get_as(http, token) for token in tokens))
    assert oidc_issuer.traffic.hits[JWKS] == 2
    await asyncio.gather(*(get_as(http, token) for token in tokens))
    assert oidc_issuer.traffic.hits[JWKS] == 2


@pytest.mark.parametrize("alg", ["RS256", "EdDSA"])
@pytest.mark.parametrize("errors", [[Failure.NO_KEY_ID], [Failure.NO_KEY_ID, Failure.JWKS_NO_KEY_ID]], ids=str)
async def test_token_without_key_id_is_verified_by_the_only_key_for_its_algorithm(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer, alg: str, errors: list[Failure]
) -> None:
    oidc_issuer.keys.rotate(withdraw=True)
    oidc_issuer.set_failures(*errors)
    oidc_issuer.alg = alg
    provider_user = oidc_issuer.add_user()

    response = await get_as(http, oidc_issuer.token(provider_user))

    assert (response.status_code, response.json().get("email")) == (200, provider_user.email)


@pytest.mark.parametrize("errors", [[Failure.NO_KEY_ID], [Failure.NO_KEY_ID, Failure.JWKS_NO_KEY_ID]], ids=str)
async def test_token_without_key_id_is_refused_when_two_keys_match_its_algorithm(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer, errors: list[Failure]
) -> None:
    oidc_issuer.rotate()
    oidc_issuer.set_failures(*errors)
    oidc_issuer.alg = "ES256"

    response = await get_as(http, oidc_issuer.token(oidc_issuer.add_user()))

    assert (response.status_code, error_code(response)) == (401, "INVALID_TOKEN")


async def test_token_without_key_id_is_verified_by_the_new_key_when_it_is_the_only_one(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    oidc_issuer.keys.rotate(withdraw=True)
    oidc_issuer.set_failures(Failure.NO_KEY_ID)
    oidc_issuer.alg = "ES256"
    provider_user = oidc_issuer.add_user()
    old = oidc_issuer.token(provider_user)
    assert (await get_as(http, old)).status_code == 200
    oidc_issuer.keys.rotate(withdraw=True)

    responses = await asyncio.gather(*(get_as(http, oidc_issuer.token(provider_user)) for _ in range(10)))

    assert {response.status_code for response in responses} == {200}
    assert oidc_issuer.traffic.hits[JWKS] == 2
    assert (await get_as(http, old)).status_code == 401


async def test_forged_tokens_without_key_id_cause_one_request_to_the_issuer(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    oidc_issuer.keys.rotate(withdraw=True)
    oidc_issuer.set_failures(Failure.NO_KEY_ID)
    oidc_issuer.alg = "ES256"
    provider_user = oidc_issuer.add_user()
    assert (await get_as(http, oidc_issuer.token(provider_user))).status_code == 200
    head, body, _ = oidc_issuer.token(provider_user).split(".")
    forged = [f"{head}.{body}.{oidc_issuer.token(provider_user).rpartition('.')[2]}" for _ in range(20)]

    responses = await asyncio.gather(*(get_as(http, token) for token in forged))

    assert {response.status_code for response in responses} == {401}
    assert oidc_issuer.traffic.hits[JWKS] == 2


DOWN = [Failure.JWKS_DOWN, Failure.JWKS_HUGE, Failure.JWKS_WRONG, Failure.JWKS_REDIRECT]


@pytest.mark.parametrize("error", DOWN)
async def test_missing_keys_return_503_and_cause_one_request_to_the_issuer(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer, error: Failure
) -> None:
    oidc_issuer.set_failures(error)
    provider_user = oidc_issuer.add_user()
    tokens = [oidc_issuer.token(provider_user) for _ in range(30)]

    responses = await asyncio.gather(*(get_as(http, token) for token in tokens))
    responses += await asyncio.gather(*(get_as(http, token) for token in tokens))

    assert {(response.status_code, error_code(response)) for response in responses} == {
        (503, "IDENTITY_PROVIDER_UNAVAILABLE")
    }
    assert all(1 <= int(response.headers["Retry-After"]) <= 10 for response in responses)
    assert oidc_issuer.traffic.hits[JWKS] == 1
    assert oidc_issuer.traffic.hits[f"/elsewhere{JWKS}"] == 0


@pytest.mark.parametrize("error", DOWN)
async def test_cached_keys_stay_valid_while_the_jwks_endpoint_is_down(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer, error: Failure
) -> None:
    provider_user = oidc_issuer.add_user()
    await get_as(http, oidc_issuer.token(provider_user))
    oidc_issuer.set_failures(error)

    known = await asyncio.gather(*(get_as(http, oidc_issuer.token(provider_user)) for _ in range(20)))
    unknown = await asyncio.gather(*(get_as(http, oidc_issuer.token(provider_user, kid=f"no-{n}")) for n in range(20)))
    again = await asyncio.gather(*(get_as(http, oidc_issuer.token(provider_user)) for _ in range(20)))

    assert {response.status_code for response in [*known, *again]} == {200}
    assert {response.status_code for response in unknown} == {503}
    assert oidc_issuer.traffic.hits[JWKS] == 2


async def test_slow_jwks_endpoint_times_out_and_gets_one_request_at_a_time(
    oidc_app: Api, http: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    provider_user = oidc_issuer.add_user()
    assert (await get_as(http, oidc_issuer.token(provider_user))).status_code == 200
    oidc_app.context.get(Connections).http_client._timeout = 0.3
    oidc_issuer.set_failures(Failure.JWKS_SLOW)

    responses = await asyncio.gather(
        *(get_as(http, oidc_issuer.token(provider_user, kid=f"no-{n}")) for n in range(30))
    )

    assert {response.status_code for response in responses} == {503}
    assert (oidc_issuer.traffic.hits[JWKS], oidc_issuer.traffic.max_concurrent[JWKS]) == (2, 1)


async def test_slow_jwks_endpoint_does_not_block_tokens_of_cached_keys(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    provider_user = oidc_issuer.add_user()
    await get_as(http, oidc_issuer.token(provider_user))
    oidc_issuer.set_failures(Failure.JWKS_SLOW)
    waiting = asyncio.create_task(get_as(http, oidc_issuer.token(provider_user, kid="made-up")))

    assert (await get_as(http, oidc_issuer.token(provider_user))).status_code == 200

    assert not waiting.done()
    waiting.cancel()


async def test_health_reports_an_unreachable_issuer(
    oidc_app: Api, http: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    oidc_issuer.set_failures(Failure.JWKS_DOWN)
    assert (await http.get("/api/v1/public/health/ready")).status_code == 200
    readings = {each.component.name: each.up for each in await oidc_app.context.get(Health).check_all()}
    assert readings["identity_provider"] is False


@pytest.mark.parametrize("error", [Failure.EMAIL_UNVERIFIED, Failure.EMAIL_MISSING])
async def test_no_account_is_created_for_an_unverified_address(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database, error: Failure
) -> None:
    oidc_issuer.set_failures(error)
    provider_user = oidc_issuer.add_user()

    responses = await asyncio.gather(*(get_as(http, oidc_issuer.token(provider_user)) for _ in range(5)))

    assert {(response.status_code, error_code(response)) for response in responses} == {(409, "EMAIL_UNVERIFIED")}
    assert await count(database, User) == 0


async def test_rejection_is_cached_for_its_user_for_a_few_seconds(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    rejected = oidc_issuer.add_user(email_verified=False)
    assert error_code(await get_as(http, oidc_issuer.token(rejected))) == "EMAIL_UNVERIFIED"
    hits = dict(oidc_issuer.traffic.hits)
    verified = oidc_issuer.add_user(rejected.subject, email=rejected.email)

    again = await get_as(http, oidc_issuer.token(verified))
    assert (again.status_code, error_code(again)) == (409, "EMAIL_UNVERIFIED")
    assert oidc_issuer.traffic.hits == hits
    assert (await get_as(http, oidc_issuer.token(oidc_issuer.add_user()))).status_code == 200
    passed = time.monotonic() + REJECTION_CACHE_SECONDS
    monkeypatch.setattr(token_auth, "time", SimpleNamespace(monotonic=lambda: passed))
    assert (await get_as(http, oidc_issuer.token(verified))).status_code == 200


async def test_account_with_the_same_address_is_linked_when_both_are_verified(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    provider_user = oidc_issuer.add_user()
    local = await create_local_account(database, provider_user.email, verified=True)

    response = await get_as(http, oidc_issuer.token(provider_user))

    assert response.json()["id"] == str(local.id)


async def test_unverified_address_neither_links_nor_reveals_an_account(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    victim = await create_local_account(database, "victim@example.com", verified=True)
    thief = oidc_issuer.add_user(email="Victim@Example.com", email_verified=False)
    unknown = oidc_issuer.add_user(email="unknown@example.com", email_verified=False)

    taken = await get_as(http, oidc_issuer.token(thief))
    free = await get_as(http, oidc_issuer.token(unknown))

    assert taken.status_code == free.status_code == 409
    assert error_code(taken) == "EMAIL_UNVERIFIED"
    assert taken.json()["error"] == free.json()["error"]
    assert await count(database, ExternalIdentity) == 0
    assert await count(database, User) == 1, victim


async def test_unverified_local_account_is_not_linked(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    provider_user = oidc_issuer.add_user()
    await create_local_account(database, provider_user.email, verified=False)

    response = await get_as(http, oidc_issuer.token(provider_user))

    assert (response.status_code, error_code(response)) == (409, "IDENTITY_CONFLICT")
    assert await count(database, ExternalIdentity) == 0


async def test_deactivated_user_is_refused_at_the_next_request(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    provider_user = oidc_issuer.add_user()
    token = oidc_issuer.token(provider_user)
    await get_as(http, token)
    async with database.session() as session:
        user = await find_user(database, provider_user)
        assert user is not None
        from undercroft.modules.users import UserRepository

        await UserRepository(session).update(await UserRepository(session).lock(user.id), {"is_active": False})

    response = await get_as(http, token)

    assert (response.status_code, error_code(response)) == (401, "ACCOUNT_INACTIVE")
    assert await count(database, User) == 1


async def test_team_header_selects_an_own_team_and_other_teams_are_not_found(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    own, other = (oidc_issuer.token(oidc_issuer.add_user()) for _ in range(2))
    teams = [(await get_as(http, token, "/api/v1/app/teams")).json()["items"][0]["id"] for token in (own, other)]

    assert (await get_as(http, own, **{"X-Team-ID": teams[0]})).status_code == 200
    foreign = await get_as(http, own, "/api/v1/app/permissions", **{"X-Team-ID": teams[1]})
    assert (foreign.status_code, error_code(foreign)) == (404, "TEAM_NOT_FOUND")


LOCAL = [
    ("/api/v1/auth/register", {"email": "a@example.com", "password": "three otters in a boat"}),
    ("/api/v1/auth/login", {"email": "a@example.com", "password": "three otters in a boat"}),
    ("/api/v1/auth/password/forgot", {"email": "a@example.com"}),
    ("/api/v1/auth/password/reset", {"token": "x", "password": "three otters in a boat"}),
    ("/api/v1/auth/refresh", {"refresh_token": "x"}),
    ("/api/v1/auth/verify-email", {"token": "x"}),
]


@pytest.mark.parametrize(("path", "body"), LOCAL)
async def test_local_accounts_are_off(http: httpx.AsyncClient, path: str, body: dict[str, str]) -> None:
    response = await http.post(path, json=body)
    assert (response.status_code, error_code(response)) == (403, "LOCAL_ACCOUNTS_OFF")


@pytest.mark.requires_module("web")
async def test_pages_of_local_accounts_are_off(http: httpx.AsyncClient) -> None:
    assert (await http.get("/reset-password")).status_code == 403


async def test_earlier_cookie_session_is_refused(
    http: httpx.AsyncClient, database: Database, oidc_issuer: OidcIssuer
) -> None:
    from undercroft.modules.sessions import SessionService
    from undercroft.modules.sessions.models import SessionKind
    from undercroft.modules.sessions.service.client import Client

    local = await create_local_account(database, "before@example.com", verified=True)
    async with database.session() as session:
        here = Client("192.0.2.1", "before")
        with fixtures.local_accounts():
            started = await SessionService(session).start(local, here, SessionKind.COOKIE)

    response = await http.get(ME, headers={"Cookie": f"uc_session={started.secret}"})

    assert response.status_code == 401


async def test_local_sessions_are_empty_and_logout_is_off(http: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    token = oidc_issuer.token(oidc_issuer.add_user())
    listed = await get_as(http, token, "/api/v1/auth/sessions")
    ended = await http.post("/api/v1/auth/logout", headers={"Authorization": f"Bearer {token}"})

    assert listed.json()["items"] == []
    assert (ended.status_code, error_code(ended)) == (403, "LOCAL_ACCOUNTS_OFF")


async def test_address_changed_at_the_issuer_keeps_the_account(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    provider_user = oidc_issuer.add_user()
    before = await get_as(http, oidc_issuer.token(provider_user))
    moved = oidc_issuer.add_user(provider_user.subject, email="moved@example.com")

    after = await get_as(http, oidc_issuer.token(moved))

    assert after.json()["id"] == before.json()["id"]


async def test_another_user_of_the_issuer_with_the_same_address_does_not_get_the_account(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    provider_user = oidc_issuer.add_user()
    first = await get_as(http, oidc_issuer.token(provider_user))
    second = await get_as(http, oidc_issuer.token(provider_user, Failure.CHANGED_SUBJECT))

    assert first.status_code == 200
    assert (second.status_code, error_code(second)) == (409, "IDENTITY_CONFLICT")
    assert (await count(database, ExternalIdentity), await count(database, User)) == (1, 1)


async def test_issuer_with_a_trailing_slash_is_compared_exactly(
    worker_app: Api, database: Database, oidc_issuer: OidcIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = fixtures.oidc(oidc_issuer).model_copy(update={"oidc_issuer": f"{oidc_issuer.url}/"})
    monkeypatch.setattr(dialects, "discovery_issuer", lambda issuer, _prefix: f"{issuer.url}/")
    async with fixtures.application(database, settings) as app, make_client(app) as client:
        provider_user = oidc_issuer.add_user()
        assert (await get_as(client, oidc_issuer.token(provider_user, iss=f"{oidc_issuer.url}/"))).status_code == 200
        refused = await get_as(client, oidc_issuer.token(provider_user))
        assert (refused.status_code, error_code(refused)) == (401, "INVALID_TOKEN")
