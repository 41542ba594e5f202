"""Requests with API keys: access, limits, audit entries and last use."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest
from httpx2 import AsyncClient
from sqlalchemy import update
from sqlmodel import col
from starlette.requests import Request

from tests.modules.api_keys.requests import (
    KEYS,
    ME,
    PROJECTS,
    TEAMS,
    add_member,
    api_key_client,
    assert_error,
    change_row,
    make_key,
    make_team,
)
from tests.modules.audit.entries import entries
from undercroft.core.auth import Authenticator, PlatformRole
from undercroft.core.db import Database, utc_now
from undercroft.core.http.application import Api
from undercroft.core.lru_cache import LruCache
from undercroft.modules.api_keys.repository import ApiKeyLastUsed
from undercroft.modules.api_keys.service.authentication import ApiKeyAuthenticator
from undercroft.modules.api_keys.service.key_format import generate_key, generate_prefix
from undercroft.modules.teams.models import Team, TeamRole
from undercroft.modules.users.models import User
from undercroft.testing.statements import StatementRecorder
from undercroft.testing.users import SignedInUser

CreateUser = Callable[..., Awaitable[SignedInUser]]


@pytest.mark.requires_module("projects")
async def test_user_key_acts_as_the_user_in_the_given_team(app: Api, user: AsyncClient) -> None:
    team, key = await make_team(user), (await make_key(user))["key"]
    async with api_key_client(app, key) as here, api_key_client(app, key, team=team) as there:
        assert (await here.get(ME)).json() == (await user.get(ME)).json()
        assert (await here.post(PROJECTS, json={"name": "Mine"})).status_code == 201
        created = (await there.post(PROJECTS, json={"name": "Ours"})).json()
        assert created["team_id"] == team
        assert created["created_by"] == (await user.get(ME)).json()["id"]
        assert [each["name"] for each in (await here.get(PROJECTS)).json()["items"]] == ["Mine"]


async def test_key_restores_a_deleted_team_only_with_that_scope(app: Api, user: AsyncClient) -> None:
    team = await make_team(user)
    narrow, wide = [(await make_key(user, scopes=scopes))["key"] for scopes in (["teams:read"], ["teams:delete"])]
    assert (await user.delete(f"{TEAMS}/{team}")).status_code == 204
    async with api_key_client(app, narrow) as http:
        assert_error(await http.post(f"{TEAMS}/{team}/restore"), 403, "PERMISSION_DENIED")
    async with api_key_client(app, wide) as http:
        assert (await http.post(f"{TEAMS}/{team}/restore")).status_code == 200


@pytest.mark.requires_module("projects")
async def test_key_authentication_runs_one_statement(
    app: Api, user: AsyncClient, statements: StatementRecorder, rls_enabled: bool
) -> None:
    team = await make_team(user)
    for key, named in (
        ((await make_key(user))["key"], None),
        ((await make_key(user))["key"], team),
        ((await make_key(user, team=team, kind="team"))["key"], None),
    ):
        async with api_key_client(app, key, team=named) as http:
            await http.get(PROJECTS)
            await statements.clear()
            assert (await http.get(PROJECTS)).status_code == 200
            assert len(await statements.get_all()) == 2 + 2 * rls_enabled, str(statements)


@pytest.mark.requires_module("projects")
async def test_key_permissions_are_limited_by_scopes_and_role(
    app: Api, create_user: CreateUser, database: Database
) -> None:
    owner, viewer = await create_user(), await create_user()
    team = await make_team(owner.client)
    await add_member(database, team, viewer, TeamRole.VIEWER)
    reading = (await make_key(owner.client, scopes=["projects:read"]))["key"]
    writing = (await make_key(viewer.client, scopes=["projects:read", "projects:write", "teams:delete"]))["key"]
    async with api_key_client(app, reading, team=team) as http:
        assert (await http.get(PROJECTS)).status_code == 200
        assert_error(await http.post(PROJECTS, json={"name": "X"}), 403, "PERMISSION_DENIED")
    async with api_key_client(app, writing, team=team) as http:
        assert (await http.get(PROJECTS)).status_code == 200
        assert_error(await http.post(PROJECTS, json={"name": "X"}), 403, "PERMISSION_DENIED")
        assert (await http.delete(f"{TEAMS}/{team}")).status_code == 403
    async with api_key_client(app, writing) as http:
        assert (await http.post(PROJECTS, json={"name": "In the viewer's own team"})).status_code == 201


@pytest.mark.requires_module("projects")
async def test_scoped_key_cannot_use_routes_without_a_permission(app: Api, user: AsyncClient) -> None:
    key = (await make_key(user, scopes=["projects:read", "projects:write"]))["key"]
    async with api_key_client(app, key) as http:
        for method, path in (("GET", ME), ("PATCH", ME), ("GET", TEAMS), ("POST", TEAMS)):
            response = await http.request(method, path, json={} if method != "GET" else None)
            assert_error(response, 403, "SCOPE_MISSING")
    async with api_key_client(app, (await make_key(user, scopes=[]))["key"]) as http:
        assert_error(await http.get(PROJECTS), 403, "PERMISSION_DENIED")


@pytest.mark.requires_module("projects")
async def test_user_key_loses_permissions_when_the_user_is_demoted(
    app: Api, create_user: CreateUser, database: Database
) -> None:
    owner, member = await create_user(), await create_user()
    team = await make_team(owner.client)
    await add_member(database, team, member, TeamRole.MEMBER)
    async with api_key_client(app, (await make_key(member.client))["key"], team=team) as http:
        assert (await http.post(PROJECTS, json={"name": "X"})).status_code == 201
        path = f"{TEAMS}/{team}/members/{member.user_id}"
        assert (await owner.client.patch(path, json={"role": "viewer"})).is_success
        assert_error(await http.post(PROJECTS, json={"name": "Y"}), 403, "PERMISSION_DENIED")
        assert (await owner.client.delete(path)).is_success
        assert_error(await http.get(PROJECTS), 404, "TEAM_NOT_FOUND")


@pytest.mark.requires_module("projects")
async def test_team_key_works_without_its_creator_and_has_no_user(
    app: Api, create_user: CreateUser, database: Database
) -> None:
    owner, maker = await create_user(), await create_user()
    team = await make_team(owner.client)
    await add_member(database, team, maker, TeamRole.ADMIN)
    key = (await make_key(maker.client, team=team, kind="team"))["key"]
    assert (await owner.client.delete(f"{TEAMS}/{team}/members/{maker.user_id}")).is_success
    async with api_key_client(app, key) as http, api_key_client(app, key, team=team) as named:
        created = (await http.post(PROJECTS, json={"name": "X"})).json()
        assert (created["team_id"], created["created_by"]) == (team, None)
        assert (await named.get(PROJECTS)).json()["total"] == 1
        assert (await http.get(f"{TEAMS}/{team}")).status_code == 200
        for path in (ME, TEAMS):
            assert_error(await http.get(path), 403, "SCOPE_MISSING")


@pytest.mark.requires_module("projects")
async def test_team_key_is_refused_in_another_team(app: Api, user: AsyncClient, stranger: AsyncClient) -> None:
    team, other, foreign = await make_team(user), await make_team(user), await make_team(stranger)
    key = (await make_key(user, team=team, kind="team"))["key"]
    for elsewhere in (other, foreign, "nonsense", generate_prefix()):
        async with api_key_client(app, key, team=elsewhere) as http:
            assert_error(await http.get(PROJECTS), 404, "TEAM_NOT_FOUND")


@pytest.mark.requires_module("projects")
async def test_team_key_fails_when_the_team_is_deleted(app: Api, user: AsyncClient) -> None:
    team = await make_team(user)
    key = (await make_key(user, team=team, kind="team"))["key"]
    async with (
        api_key_client(app, key) as http,
        api_key_client(app, (await make_key(user))["key"], team=team) as personal,
    ):
        assert (await http.get(PROJECTS)).status_code == 200
        assert (await user.delete(f"{TEAMS}/{team}")).status_code == 204
        assert_error(await http.get(PROJECTS), 401, "INVALID_API_KEY")
        assert_error(await personal.get(PROJECTS), 404, "TEAM_NOT_FOUND")


async def test_key_of_a_deactivated_user_is_refused(app: Api, create_user: CreateUser, admin: AsyncClient) -> None:
    user = await create_user()
    async with api_key_client(app, (await make_key(user.client))["key"]) as http:
        assert (await http.get(ME)).status_code == 200
        await admin.post(f"/api/v1/admin/users/{user.user_id}/deactivate")
        assert_error(await http.get(ME), 401, "INVALID_API_KEY")
        await admin.post(f"/api/v1/admin/users/{user.user_id}/activate")
        assert (await http.get(ME)).status_code == 200


async def test_key_fails_after_its_expiry(app: Api, user: AsyncClient, database: Database) -> None:
    created = await make_key(user, expires_at=(utc_now() + timedelta(hours=1)).isoformat())
    async with api_key_client(app, created["key"]) as http:
        assert (await http.get(ME)).status_code == 200
        await change_row(database, created["id"], expires_at=utc_now())
        assert_error(await http.get(ME), 401, "API_KEY_EXPIRED")
        await change_row(database, created["id"], expires_at=utc_now() + timedelta(seconds=60))
        assert (await http.get(ME)).status_code == 200


@pytest.mark.parametrize("role", [PlatformRole.ADMIN, PlatformRole.SUPERADMIN])
async def test_key_of_an_administrator_has_no_admin_access(
    app: Api, create_user: CreateUser, role: PlatformRole
) -> None:
    user = await create_user(role=role)
    async with api_key_client(app, (await make_key(user.client))["key"]) as http:
        for path in ("/api/v1/admin/users", "/api/v1/admin/teams"):
            assert_error(await http.get(path), 403, "PERMISSION_DENIED")
        assert (await http.get(ME)).status_code == 200


GARBAGE = [
    "uc_", "uc_ ", "uc_\x7f", "uc_" + "x" * 50, "uc_'; DROP TABLE api_keys; --", "uc_" + "\xff" * 50,
    "uc_" + "x" * 10_000, "uc_\0" + "a" * 49, "uc_" + "../" * 20,
    generate_key(generate_prefix()), generate_key(generate_prefix())[:-1],
]  # fmt: skip


@pytest.mark.requires_module("projects")
@pytest.mark.parametrize("number", range(len(GARBAGE)))
async def test_malformed_key_is_refused(app: Api, client: AsyncClient, number: int) -> None:
    text = GARBAGE[number]
    response = await client.get(PROJECTS, headers={"Authorization": f"Bearer {text}".encode("latin-1")})
    assert_error(response, 401, "INVALID_API_KEY")
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_wrong_secret_with_a_known_prefix_is_refused(app: Api, user: AsyncClient) -> None:
    key = (await make_key(user))["key"]
    async with api_key_client(app, generate_key(key[3:15])) as http:
        assert_error(await http.get(ME), 401, "INVALID_API_KEY")


async def test_known_and_unknown_prefixes_run_the_same_statement(
    app: Api, user: AsyncClient, client: AsyncClient, statements: StatementRecorder
) -> None:
    known, unknown = (await make_key(user))["key"][3:15], generate_prefix()
    sent = []
    for prefix in (known, unknown):
        await statements.clear()
        await client.get(ME, headers={"Authorization": f"Bearer {generate_key(prefix)}"})
        sent.append(list(await statements.get_all()))
    assert sent[0] == sent[1]
    assert len(sent[0]) == 1


async def test_invalid_key_does_not_fall_back_to_the_cookie(app: Api, client: AsyncClient) -> None:
    headers = {"Authorization": f"Bearer {generate_key(generate_prefix())}", "Cookie": "uc_session=anything"}
    assert_error(await client.get(ME, headers=headers), 401, "INVALID_API_KEY")


async def test_audit_entries_name_the_api_key_as_actor(app: Api, user: AsyncClient, database: Database) -> None:
    created = await make_key(user)
    async with api_key_client(app, created["key"]) as http:
        assert (await http.post(TEAMS, json={"name": "Acme"})).status_code == 201
    (entry,) = await entries(database, action="team.created")
    assert (entry["actor_kind"], str(entry["api_key_id"]), entry["session_id"]) == ("api_key", created["id"], None)
    assert str(entry["user_id"]) == (await user.get(ME)).json()["id"]


@pytest.mark.requires_module("projects")
async def test_last_use_is_recorded_with_a_delay(app: Api, user: AsyncClient, database: Database) -> None:
    created = await make_key(user)
    assert created["last_used_at"] is None
    async with api_key_client(app, created["key"]) as http:
        await http.get(PROJECTS)
    await app.context.get(ApiKeyAuthenticator).last_used.flush(database)
    read = (await user.get(f"{KEYS}/{created['id']}")).json()
    assert read["last_used_ip"] == "192.0.2.1"
    assert read["last_used_at"] >= created["created_at"]


async def test_last_uses_are_written_in_one_statement_and_retried_after_a_failure(
    user: AsyncClient, database: Database, statements: StatementRecorder
) -> None:
    used = ApiKeyLastUsed()
    for created in [await make_key(user) for _ in range(3)]:
        used.record_use(UUID(created["id"]), "192.0.2.1")
        used.record_use(UUID(created["id"]), "192.0.2.2")

    class Down:
        def session(self) -> None:
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await used.flush(Down())
    await statements.clear()
    assert await used.flush(database) == 3
    assert await used.flush(database) == 0
    await statements.get_all()
    assert statements.count == 1, statements
    assert {each["last_used_ip"] for each in (await user.get(KEYS)).json()["items"]} == {"192.0.2.2"}


@pytest.mark.requires_module("projects")
async def test_rate_limits_count_by_key_prefix_only_for_valid_keys(app: Api, user: AsyncClient) -> None:
    created = await make_key(user)

    def subject(key: str) -> str | None:
        headers = {b"authorization": f"Bearer {key}".encode()}
        request = Request({"type": "http", "headers": [], "state": {"request_headers": headers}})
        return app.context.get(Authenticator).verified_subject(request)

    assert subject(created["key"]) is None
    async with api_key_client(app, created["key"]) as http:
        await http.get(PROJECTS)
        assert subject(created["key"]) == created["prefix"].removeprefix("uc_")
        assert subject(generate_key(created["prefix"].removeprefix("uc_"))) is None
        await user.delete(f"{KEYS}/{created['id']}")
        await http.get(PROJECTS)
    assert subject(created["key"]) is None


@pytest.mark.requires_module("projects")
async def test_rate_limits_forget_the_least_recently_used_key(
    app: Api, user: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    authenticator = app.context.get(ApiKeyAuthenticator)
    monkeypatch.setattr(authenticator, "_verified_prefixes", LruCache(2))
    keys = [(await make_key(user))["key"] for _ in range(3)]
    for position in (0, 1, 0, 2):
        async with api_key_client(app, keys[position]) as http:
            assert (await http.get(PROJECTS)).status_code == 200

    assert [authenticator.verified_subject(key) is not None for key in keys] == [True, False, True]


@pytest.mark.requires_module("projects")
async def test_team_requiring_mfa_accepts_its_own_keys_and_keys_of_users_with_mfa(
    app: Api, create_user: CreateUser, database: Database
) -> None:
    user = await create_user()
    team = await make_team(user.client)
    own, teams = await make_key(user.client), await make_key(user.client, team=team, kind="team")
    async with database.session() as session:
        await session.execute(update(Team).where(col(Team.id) == team).values(require_mfa=True))
    for named in (None, team):
        async with api_key_client(app, teams["key"], team=named) as http:
            assert (await http.get(PROJECTS)).status_code == 200
    async with api_key_client(app, own["key"], team=team) as http:
        assert_error(await http.get(PROJECTS), 403, "MFA_ENROLLMENT_REQUIRED")
        async with database.session() as session:
            await session.execute(update(User).where(col(User.id) == user.user_id).values(second_factors=["totp"]))
        assert (await http.get(PROJECTS)).status_code == 200
