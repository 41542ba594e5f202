"""Users who are blocked, deleted, signed out or impersonated at Clerk or Supabase."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx2 as httpx
import pytest
import pytest_asyncio
from sqlalchemy import func, update
from sqlmodel import col, select

from tests.modules.audit.entries import entries
from tests.modules.identities import fixtures
from tests.modules.identities.provider_messages import clerk_session_event, clerk_token, supabase_event
from tests.modules.identities.providers import ExternalProvider, send_event, send_webhook, update_user
from tests.modules.identities.requests import count, error_code, find_user, get_as
from undercroft.core.db import Database, utc_now
from undercroft.core.http.application import Api
from undercroft.devstack.emulators.oidc import OidcIssuer
from undercroft.modules.api_keys import ApiKey
from undercroft.modules.identities.models import ExternalIdentity, UsedMark
from undercroft.modules.sessions.models import AuthSession, SessionKind
from undercroft.modules.teams.models import Membership
from undercroft.modules.users import User
from undercroft.testing.users import make_client

KEYS = "/api/v1/app/api-keys"
PERMISSIONS = "/api/v1/app/permissions"


@pytest.fixture(params=["clerk", "supabase"])
def service(request: pytest.FixtureRequest, oidc_issuer: OidcIssuer) -> ExternalProvider:
    return ExternalProvider(request.param, oidc_issuer)


@pytest.fixture
def clerk_service(oidc_issuer: OidcIssuer) -> ExternalProvider:
    return ExternalProvider("clerk", oidc_issuer)


@pytest_asyncio.fixture(loop_scope="session")
async def http(worker_app: Api, service: ExternalProvider, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with fixtures.application(database, service.settings) as app, make_client(app) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def clerk(
    worker_app: Api, clerk_service: ExternalProvider, database: Database
) -> AsyncIterator[httpx.AsyncClient]:
    async with fixtures.application(database, clerk_service.settings) as app, make_client(app) as client:
        yield client


async def make_key(http: httpx.AsyncClient, token: str) -> str:
    made = await http.post(KEYS, json={"name": "Import"}, headers={"Authorization": f"Bearer {token}"})
    assert made.status_code == 201, made.text
    return str(made.json()["key"])


async def statuses(http: httpx.AsyncClient, *credentials: str) -> list[int]:
    return [(await get_as(http, each)).status_code for each in credentials]


async def test_ban_stops_tokens_and_keys_at_the_next_request_and_its_end_restores_them(
    http: httpx.AsyncClient, service: ExternalProvider
) -> None:
    provider_user, other = service.issuer.add_user(), service.issuer.add_user()
    tokens = [service.fresh_token(each) for each in (provider_user, other)]
    keys = [await make_key(http, token) for token in tokens]
    now = service.issuer.now()

    banned = update_user(service.issuer, provider_user, banned=True)
    assert (await send_event(http, service, "updated", banned, at=now + 60)).status_code == 204

    assert await statuses(http, tokens[0], service.token(provider_user), keys[0]) == [401, 401, 401]
    assert error_code(await get_as(http, tokens[0])) == "ACCOUNT_INACTIVE"
    assert await statuses(http, tokens[1], keys[1]) == [200, 200]

    free = update_user(service.issuer, provider_user, banned=False)
    assert (await send_event(http, service, "updated", free, at=now + 120)).status_code == 204

    assert await statuses(http, tokens[0], service.token(provider_user), keys[0]) == [200, 200, 200]


async def test_ban_and_its_end_are_audited_once(
    http: httpx.AsyncClient, service: ExternalProvider, database: Database
) -> None:
    provider_user, now = service.issuer.add_user(), service.issuer.now()
    await get_as(http, service.token(provider_user))
    before = len(await entries(database))
    for minute, banned in enumerate([True, True, False, False], start=1):
        await send_event(
            http, service, "updated", update_user(service.issuer, provider_user, banned=banned), at=now + 60 * minute
        )
    written = (await entries(database))[before:]
    assert [entry["action"] for entry in written] == ["identity.blocked", "identity.unblocked"]


async def test_outdated_events_neither_lift_nor_repeat_a_ban(
    http: httpx.AsyncClient, service: ExternalProvider
) -> None:
    provider_user, now = service.issuer.add_user(), service.issuer.now()
    token = service.token(provider_user)
    await get_as(http, token)
    banned = update_user(service.issuer, provider_user, banned=True)
    assert (await send_event(http, service, "updated", banned, at=now + 120)).status_code == 204
    assert (
        await send_event(http, service, "updated", replace(provider_user, banned=False), at=now + 60)
    ).status_code == 204
    assert (await get_as(http, token)).status_code == 401
    assert (
        await send_event(http, service, "updated", replace(provider_user, banned=False), at=now + 240)
    ).status_code == 204
    assert (await send_event(http, service, "updated", banned, at=now + 180)).status_code == 204
    assert (await get_as(http, token)).status_code == 200


async def test_new_user_who_is_banned_gets_no_account(
    http: httpx.AsyncClient, service: ExternalProvider, database: Database
) -> None:
    provider_user = service.issuer.add_user(banned=True)
    assert (await send_event(http, service, "created", provider_user)).status_code == 204
    assert await count(database, User) == 0


async def test_clerk_lockout_ends_automatically_when_it_has_an_end(
    clerk: httpx.AsyncClient, clerk_service: ExternalProvider, database: Database
) -> None:
    provider_user, other = (clerk_service.issuer.add_user() for _ in range(2))
    tokens = [clerk_service.token(each) for each in (provider_user, other)]
    assert await statuses(clerk, *tokens) == [200, 200]
    now = clerk_service.issuer.now()
    for seconds in (3600, 0):
        now += 1
        locked = update_user(clerk_service.issuer, provider_user, locked_for=seconds)
        assert (await send_event(clerk, clerk_service, "updated", locked, at=now)).status_code == 204
        assert await statuses(clerk, *tokens) == [401, 200], seconds
        async with database.session() as session:
            row = (
                await session.scalars(
                    select(ExternalIdentity).where(col(ExternalIdentity.subject) == provider_user.subject)
                )
            ).one()
            left = row.blocked_until - utc_now()
            assert (left < timedelta(hours=1, seconds=5)) is (seconds > 0)
            await session.execute(
                update(ExternalIdentity)
                .where(col(ExternalIdentity.subject) == provider_user.subject)
                .values(blocked_until=func.now())
            )
        assert await statuses(clerk, *tokens) == [200, 200]


async def test_soft_deleted_supabase_user_is_deleted(
    database: Database, worker_app: Api, oidc_issuer: OidcIssuer
) -> None:
    service = ExternalProvider("supabase", oidc_issuer)
    async with fixtures.application(database, service.settings) as app, make_client(app) as http:
        provider_user, other = oidc_issuer.add_user(), oidc_issuer.add_user()
        tokens = [service.token(each) for each in (provider_user, other)]
        assert await statuses(http, *tokens) == [200, 200]
        event = supabase_event(oidc_issuer, "UPDATE", provider_user)
        event["record"]["deleted_at"] = "2026-11-29T08:00:00Z"

        assert (await send_webhook(http, service, event)).status_code == 204

        assert await statuses(http, *tokens) == [401, 200]
    assert await find_user(database, provider_user) is None


async def test_deletion_revokes_api_keys_even_when_a_team_needs_its_owner(
    http: httpx.AsyncClient, service: ExternalProvider, database: Database
) -> None:
    """The account stays because a team needs its owner, but the user cannot sign in and the API keys stop working."""
    owner, member = service.issuer.add_user(), service.issuer.add_user()
    token = service.fresh_token(owner)
    bearer = {"Authorization": f"Bearer {token}"}
    key = await make_key(http, token)
    team = (await http.post("/api/v1/app/teams", json={"name": "Acme"}, headers=bearer)).json()["id"]
    await get_as(http, service.token(member))
    joined = await find_user(database, member)
    assert joined is not None
    async with database.session() as session:
        session.add(Membership(team_id=team, user_id=joined.id, role="member"))

    assert (await send_event(http, service, "deleted", owner)).status_code == 204

    assert await statuses(http, token, service.token(owner), key) == [401, 401, 401]
    assert (await get_as(http, service.token(member), PERMISSIONS, **{"X-Team-ID": team})).status_code == 200


async def test_deletion_removes_only_the_api_keys_of_that_user(
    http: httpx.AsyncClient, service: ExternalProvider, database: Database
) -> None:
    provider_user, other = service.issuer.add_user(), service.issuer.add_user()
    keys = [await make_key(http, service.fresh_token(each)) for each in (provider_user, other)]

    assert (await send_event(http, service, "deleted", provider_user)).status_code == 204

    assert await statuses(http, *keys) == [401, 200]
    assert await count(database, ApiKey) == 1


async def test_deletion_of_one_of_two_identities_ends_the_sessions_of_that_user(
    http: httpx.AsyncClient, service: ExternalProvider, database: Database
) -> None:
    provider_user, other = service.issuer.add_user(), service.issuer.add_user()
    for each in (provider_user, other):
        await get_as(http, service.token(each))
    users = [await find_user(database, each) for each in (provider_user, other)]
    owners = [user.id for user in users if user]
    ends = utc_now() + timedelta(days=1)
    async with database.session() as session:
        session.add(ExternalIdentity(provider="google", issuer="https://g.example", subject="1", user_id=owners[0]))
        session.add_all(
            [AuthSession(user_id=owner, kind=SessionKind.BEARER, expires_at=ends, ends_at=ends) for owner in owners]
        )

    assert (await send_event(http, service, "deleted", provider_user)).status_code == 204

    async with database.read_session() as session:
        query = select(AuthSession.user_id).where(col(AuthSession.revoked_at).is_(None))
        assert list(await session.scalars(query)) == [owners[1]]
    assert await count(database, User) == 2


@pytest.mark.parametrize("kind", ["session.ended", "session.removed", "session.revoked"])
async def test_ended_clerk_session_invalidates_only_its_own_tokens(
    clerk: httpx.AsyncClient, clerk_service: ExternalProvider, oidc_issuer: OidcIssuer, kind: str
) -> None:
    provider_user, other = oidc_issuer.add_user(), oidc_issuer.add_user()
    ended, more = (clerk_token(oidc_issuer, provider_user, sid="sess_ended") for _ in range(2))
    active, others = clerk_token(oidc_issuer, provider_user), clerk_token(oidc_issuer, other)
    assert await statuses(clerk, ended, active, others) == [200, 200, 200]

    event = clerk_session_event(oidc_issuer, kind, provider_user, "sess_ended")
    assert (await send_webhook(clerk, clerk_service, event)).status_code == 204

    oidc_issuer.traffic.hits.clear()
    assert await statuses(clerk, ended, more, active, others) == [401, 401, 200, 200]
    assert error_code(await get_as(clerk, ended)) == "SESSION_ENDED"
    assert oidc_issuer.traffic.hits == {}


async def test_other_events_about_sessions_change_nothing(
    clerk: httpx.AsyncClient, clerk_service: ExternalProvider, oidc_issuer: OidcIssuer, database: Database
) -> None:
    provider_user = oidc_issuer.add_user()
    token = clerk_token(oidc_issuer, provider_user, sid="sess_1")
    assert (await get_as(clerk, token)).status_code == 200
    created = clerk_session_event(oidc_issuer, "session.created", provider_user, "sess_1")
    strange = clerk_session_event(oidc_issuer, "session.ended", provider_user, "sess_1")
    strange["data"]["user_id"] = None
    for event in (created, strange):
        assert (await send_webhook(clerk, clerk_service, event)).status_code == 204
    assert (await get_as(clerk, token)).status_code == 200
    assert await count(database, UsedMark) == 0


@pytest.mark.parametrize(("state", "status"), [("pending", 401), ("active", 200), (None, 200), (7, 401)])
async def test_pending_session_of_clerk_does_not_sign_in(
    clerk: httpx.AsyncClient, oidc_issuer: OidcIssuer, state: object, status: int
) -> None:
    response = await get_as(clerk, clerk_token(oidc_issuer, oidc_issuer.add_user(), sts=state))
    assert response.status_code == status
    if status == 401:
        assert error_code(response) == "INVALID_TOKEN"


ACTOR = {"iss": "https://dashboard.clerk.com", "sub": "user_of_staff"}


@pytest.mark.requires_module("api_keys", "mfa")
async def test_clerk_impersonation_is_read_only(clerk: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    provider_user = oidc_issuer.add_user()
    own = {"Authorization": f"Bearer {clerk_token(oidc_issuer, provider_user, fva=[0, 0])}"}
    acting = {"Authorization": f"Bearer {clerk_token(oidc_issuer, provider_user, act=ACTOR, fva=[0, 0])}"}

    seen = await clerk.get("/api/v1/app/users/me", headers=acting)
    assert (seen.status_code, seen.json()["email"]) == (200, provider_user.email)
    assert seen.json()["impersonated_by"] is not None
    assert (await clerk.get("/api/v1/app/users/me", headers=own)).json()["impersonated_by"] is None
    for path in (KEYS, "/api/v1/auth/passkeys/options"):
        refused = await clerk.post(path, json={"name": "Import"}, headers=acting)
        assert (refused.status_code, error_code(refused)) == (403, "IMPERSONATION_FORBIDDEN"), path
        assert (await clerk.post(path, json={"name": "Import"}, headers=own)).status_code in (200, 201), path


async def test_impersonation_is_audited_once_per_session_with_its_actor(
    clerk: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    provider_user = oidc_issuer.add_user()
    await get_as(clerk, clerk_token(oidc_issuer, provider_user))
    before = len(await entries(database))

    tokens = [clerk_token(oidc_issuer, provider_user, act=ACTOR, sid=sid) for sid in ("sess_1", "sess_1", "sess_2")]
    assert await statuses(clerk, *tokens) == [200, 200, 200]

    user = await find_user(database, provider_user)
    assert user is not None
    written = (await entries(database))[before:]
    assert [(entry["action"], entry["target_id"]) for entry in written] == [("impersonation.started", user.id)] * 2
    for entry, session in zip(written, ("sess_1", "sess_2"), strict=True):
        assert entry["details"] == {"actor_issuer": ACTOR["iss"], "actor": ACTOR["sub"], "session": session}
        assert entry["impersonator_id"] is not None


@pytest.mark.parametrize("act", [7, "staff", {}, {"sub": ""}, {"sub": 7}, {"iss": 7, "sub": "x"}], ids=str)
async def test_token_with_an_invalid_actor_is_refused(
    clerk: httpx.AsyncClient, oidc_issuer: OidcIssuer, act: object
) -> None:
    response = await get_as(clerk, clerk_token(oidc_issuer, oidc_issuer.add_user(), act=act))
    assert (response.status_code, error_code(response)) == (401, "INVALID_TOKEN")
