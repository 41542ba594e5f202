"""Users whom Clerk or Supabase blocks, deletes or signs out, and staff who acts as them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import func, update
from sqlmodel import col, select

from tests.modules.audit.entries import entries
from tests.modules.identities import worlds
from tests.modules.identities.acts import asked, code, count, user_of
from tests.modules.identities.services import Service, known_as, send, tell
from undercroft.core.db import Database, utc_now
from undercroft.core.http.application import Api
from undercroft.devstack.standins.oidc import OidcIssuer
from undercroft.devstack.standins.oidc.dresses import clerk_session_event, clerk_token, supabase_event
from undercroft.modules.api_keys import ApiKey
from undercroft.modules.identities.models import ExternalIdentity, UsedMark
from undercroft.modules.teams.models import Membership
from undercroft.modules.users import User
from undercroft.testing.people import client_of

KEYS = "/api/v1/app/api-keys"
PROJECTS = "/api/v1/app/projects"


@pytest.fixture(params=["clerk", "supabase"])
def service(request: pytest.FixtureRequest, oidc_issuer: OidcIssuer) -> Service:
    return Service(request.param, oidc_issuer)


@pytest.fixture
def clerk_service(oidc_issuer: OidcIssuer) -> Service:
    return Service("clerk", oidc_issuer)


@pytest_asyncio.fixture(loop_scope="session")
async def http(worker_app: Api, service: Service, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with worlds.application(database, service.settings) as app, client_of(app) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def clerk(worker_app: Api, clerk_service: Service, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with worlds.application(database, clerk_service.settings) as app, client_of(app) as client:
        yield client


async def make_key(http: httpx.AsyncClient, token: str) -> str:
    made = await http.post(KEYS, json={"name": "Import"}, headers={"Authorization": f"Bearer {token}"})
    assert made.status_code == 201, made.text
    return str(made.json()["key"])


async def statuses(http: httpx.AsyncClient, *credentials: str) -> list[int]:
    return [(await asked(http, each)).status_code for each in credentials]


async def test_ban_stops_tokens_and_keys_at_the_next_request_and_its_end_restores_them(
    http: httpx.AsyncClient, service: Service
) -> None:
    person, other = service.issuer.person(), service.issuer.person()
    tokens = [service.fresh_token(each) for each in (person, other)]
    keys = [await make_key(http, token) for token in tokens]
    now = service.issuer.now()

    banned = known_as(service.issuer, person, banned=True)
    assert (await tell(http, service, "updated", banned, at=now + 1)).status_code == 204

    assert await statuses(http, tokens[0], service.token(person), keys[0]) == [401, 401, 401]
    assert code(await asked(http, tokens[0])) == "ACCOUNT_INACTIVE"
    assert await statuses(http, tokens[1], keys[1]) == [200, 200]

    free = known_as(service.issuer, person, banned=False)
    assert (await tell(http, service, "updated", free, at=now + 2)).status_code == 204

    assert await statuses(http, tokens[0], service.token(person), keys[0]) == [200, 200, 200]


async def test_ban_and_its_end_are_audited_once(http: httpx.AsyncClient, service: Service, database: Database) -> None:
    person, now = service.issuer.person(), service.issuer.now()
    await asked(http, service.token(person))
    before = len(await entries(database))
    for second, banned in enumerate([True, True, False, False], start=1):
        await tell(http, service, "updated", known_as(service.issuer, person, banned=banned), at=now + second)
    written = (await entries(database))[before:]
    assert [entry["action"] for entry in written] == ["identity.blocked", "identity.unblocked"]


async def test_older_news_neither_lift_a_ban_nor_repeat_it(http: httpx.AsyncClient, service: Service) -> None:
    person, now = service.issuer.person(), service.issuer.now()
    token = service.token(person)
    await asked(http, token)
    banned = known_as(service.issuer, person, banned=True)
    assert (await tell(http, service, "updated", banned, at=now + 20)).status_code == 204
    assert (await tell(http, service, "updated", replace(person, banned=False), at=now + 10)).status_code == 204
    assert (await asked(http, token)).status_code == 401
    assert (await tell(http, service, "updated", replace(person, banned=False), at=now + 40)).status_code == 204
    assert (await tell(http, service, "updated", banned, at=now + 30)).status_code == 204
    assert (await asked(http, token)).status_code == 200


async def test_banned_user_who_comes_for_the_first_time_gets_no_account(
    http: httpx.AsyncClient, service: Service, database: Database
) -> None:
    person = service.issuer.person(banned=True)
    assert (await tell(http, service, "created", person)).status_code == 204
    assert await count(database, User) == 0


async def test_lock_at_clerk_ends_by_itself_when_it_says_when(
    clerk: httpx.AsyncClient, clerk_service: Service, database: Database
) -> None:
    person, other, now = *(clerk_service.issuer.person() for _ in range(2)), clerk_service.issuer.now()
    tokens = [clerk_service.token(each) for each in (person, other)]
    assert await statuses(clerk, *tokens) == [200, 200]
    for seconds in (3600, 0):
        now += 1
        locked = known_as(clerk_service.issuer, person, locked_for=seconds)
        assert (await tell(clerk, clerk_service, "updated", locked, at=now)).status_code == 204
        assert await statuses(clerk, *tokens) == [401, 200], seconds
        async with database.session() as session:
            row = (
                await session.scalars(select(ExternalIdentity).where(col(ExternalIdentity.subject) == person.subject))
            ).one()
            left = row.blocked_until - utc_now()
            assert (left < timedelta(hours=1, seconds=5)) is (seconds > 0)
            await session.execute(
                update(ExternalIdentity)
                .where(col(ExternalIdentity.subject) == person.subject)
                .values(blocked_until=func.now())
            )
        assert await statuses(clerk, *tokens) == [200, 200]


async def test_deleted_user_of_supabase_may_be_marked_only(
    database: Database, worker_app: Api, oidc_issuer: OidcIssuer
) -> None:
    service = Service("supabase", oidc_issuer)
    async with worlds.application(database, service.settings) as app, client_of(app) as http:
        person, other = oidc_issuer.person(), oidc_issuer.person()
        tokens = [service.token(each) for each in (person, other)]
        assert await statuses(http, *tokens) == [200, 200]
        event = supabase_event(oidc_issuer, "UPDATE", person)
        event["record"]["deleted_at"] = "2026-11-29T08:00:00Z"

        assert (await send(http, service, event)).status_code == 204

        assert await statuses(http, *tokens) == [401, 200]
    assert await user_of(database, person) is None


async def test_deletion_revokes_keys_also_when_a_team_needs_its_owner(
    http: httpx.AsyncClient, service: Service, database: Database
) -> None:
    """The account stays for the team's sake; its user does not sign in any more, and no key of theirs works."""
    owner, member = service.issuer.person(), service.issuer.person()
    token = service.fresh_token(owner)
    bearer = {"Authorization": f"Bearer {token}"}
    key = await make_key(http, token)
    team = (await http.post("/api/v1/app/teams", json={"name": "Acme"}, headers=bearer)).json()["id"]
    await asked(http, service.token(member))
    joined = await user_of(database, member)
    assert joined is not None
    async with database.session() as session:
        session.add(Membership(team_id=team, user_id=joined.id, role="member"))

    assert (await tell(http, service, "deleted", owner)).status_code == 204

    assert await statuses(http, token, service.token(owner), key) == [401, 401, 401]
    assert (await asked(http, service.token(member), PROJECTS, **{"X-Team-ID": team})).status_code == 200


async def test_deletion_removes_the_keys_of_that_user_alone(
    http: httpx.AsyncClient, service: Service, database: Database
) -> None:
    person, other = service.issuer.person(), service.issuer.person()
    keys = [await make_key(http, service.fresh_token(each)) for each in (person, other)]

    assert (await tell(http, service, "deleted", person)).status_code == 204

    assert await statuses(http, *keys) == [401, 200]
    assert await count(database, ApiKey) == 1


@pytest.mark.parametrize("kind", ["session.ended", "session.removed", "session.revoked"])
async def test_session_that_ended_at_clerk_stops_its_tokens_and_no_others(
    clerk: httpx.AsyncClient, clerk_service: Service, oidc_issuer: OidcIssuer, kind: str
) -> None:
    person, other = oidc_issuer.person(), oidc_issuer.person()
    ended, more = (clerk_token(oidc_issuer, person, sid="sess_ended") for _ in range(2))
    going_on, others = clerk_token(oidc_issuer, person), clerk_token(oidc_issuer, other)
    assert await statuses(clerk, ended, going_on, others) == [200, 200, 200]

    event = clerk_session_event(oidc_issuer, kind, person, "sess_ended")
    assert (await send(clerk, clerk_service, event)).status_code == 204

    oidc_issuer.traffic.hits.clear()
    assert await statuses(clerk, ended, more, going_on, others) == [401, 401, 200, 200]
    assert code(await asked(clerk, ended)) == "SESSION_ENDED"
    assert oidc_issuer.traffic.hits == {}


async def test_other_events_about_sessions_change_nothing(
    clerk: httpx.AsyncClient, clerk_service: Service, oidc_issuer: OidcIssuer, database: Database
) -> None:
    person = oidc_issuer.person()
    token = clerk_token(oidc_issuer, person, sid="sess_1")
    assert (await asked(clerk, token)).status_code == 200
    created = clerk_session_event(oidc_issuer, "session.created", person, "sess_1")
    strange = clerk_session_event(oidc_issuer, "session.ended", person, "sess_1")
    strange["data"]["user_id"] = None
    for event in (created, strange):
        assert (await send(clerk, clerk_service, event)).status_code == 204
    assert (await asked(clerk, token)).status_code == 200
    assert await count(database, UsedMark) == 0


@pytest.mark.parametrize(("state", "status"), [("pending", 401), ("active", 200), (None, 200), (7, 401)])
async def test_pending_session_of_clerk_does_not_sign_in(
    clerk: httpx.AsyncClient, oidc_issuer: OidcIssuer, state: object, status: int
) -> None:
    response = await asked(clerk, clerk_token(oidc_issuer, oidc_issuer.person(), sts=state))
    assert response.status_code == status
    if status == 401:
        assert code(response) == "INVALID_TOKEN"


ACTOR = {"iss": "https://dashboard.clerk.com", "sub": "user_of_staff"}


async def test_staff_that_acts_as_a_user_only_reads(clerk: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    person = oidc_issuer.person()
    own = {"Authorization": f"Bearer {clerk_token(oidc_issuer, person, fva=[0, 0])}"}
    acting = {"Authorization": f"Bearer {clerk_token(oidc_issuer, person, act=ACTOR, fva=[0, 0])}"}

    seen = await clerk.get("/api/v1/app/users/me", headers=acting)
    assert (seen.status_code, seen.json()["email"]) == (200, person.email)
    assert seen.json()["impersonated_by"] is not None
    assert (await clerk.get("/api/v1/app/users/me", headers=own)).json()["impersonated_by"] is None
    for path in (KEYS, "/api/v1/auth/passkeys/options"):
        refused = await clerk.post(path, json={"name": "Import"}, headers=acting)
        assert (refused.status_code, code(refused)) == (403, "IMPERSONATION_FORBIDDEN"), path
        assert (await clerk.post(path, json={"name": "Import"}, headers=own)).status_code in (200, 201), path


async def test_acting_as_a_user_is_audited_once_for_a_session_with_who_acts(
    clerk: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    person = oidc_issuer.person()
    await asked(clerk, clerk_token(oidc_issuer, person))
    before = len(await entries(database))

    tokens = [clerk_token(oidc_issuer, person, act=ACTOR, sid=sid) for sid in ("sess_1", "sess_1", "sess_2")]
    assert await statuses(clerk, *tokens) == [200, 200, 200]

    user = await user_of(database, person)
    assert user is not None
    written = (await entries(database))[before:]
    assert [(entry["action"], entry["target_id"]) for entry in written] == [("impersonation.started", user.id)] * 2
    for entry, session in zip(written, ("sess_1", "sess_2"), strict=True):
        assert entry["details"] == {"actor_issuer": ACTOR["iss"], "actor": ACTOR["sub"], "session": session}
        assert entry["impersonator_id"] is not None


@pytest.mark.parametrize("act", [7, "staff", {}, {"sub": ""}, {"sub": 7}, {"iss": 7, "sub": "x"}], ids=str)
async def test_token_with_an_actor_that_cannot_be_named_is_refused(
    clerk: httpx.AsyncClient, oidc_issuer: OidcIssuer, act: object
) -> None:
    response = await asked(clerk, clerk_token(oidc_issuer, oidc_issuer.person(), act=act))
    assert (response.status_code, code(response)) == (401, "INVALID_TOKEN")
