"""A request that waited is authorized again before it commits."""

import asyncio
import json
from base64 import urlsafe_b64decode
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from httpx2 import AsyncClient, Response

from tests.core.auth.principals import make_principal
from tests.core.db.row_locks import count, holding_locks
from tests.jobs.processes import wait_until
from tests.modules.teams.requests import (
    PROJECTS,
    TEAMS,
    add_member,
    assert_error,
    assert_success,
    make_role,
    make_team,
    team_header,
)
from undercroft.core.auth import PlatformRole, authorization
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.core.ids import new_id
from undercroft.modules.sessions import SessionServices
from undercroft.modules.sessions.repository.principals import lock_principal
from undercroft.testing.users import SignedInUser, make_client

KEYS = "/api/v1/app/api-keys"


@dataclass
class Member:
    """A member of a team, and a project that the member is allowed to delete."""

    user: SignedInUser
    team: dict[str, Any]
    project_id: UUID

    async def delete(self, client: AsyncClient | None = None) -> Response:
        return await (client or self.user.client).delete(
            f"{PROJECTS}/{self.project_id}", headers=team_header(self.team)
        )


@pytest.fixture
async def member(app: Api, create_user: Any) -> Member:
    owner, user = await create_user(), await create_user()
    team = await make_team(owner.client)
    await make_role(owner.client, team, "editor", "projects:read", "projects:write")
    await add_member(app, team, user, "editor")
    project = assert_success(await owner.client.post(PROJECTS, json={"name": "Website"}, headers=team_header(team)))
    return Member(user, team, UUID(project["id"]))


async def is_deleted(database: Database, member: Member) -> bool:
    sql = "SELECT count(*) FROM projects WHERE id = $1 AND deleted_at IS NOT NULL"
    return await count(database, sql, member.project_id) == 1


SESSION_ENDED = (401, "SESSION_ENDED")
MEMBER_REVOCATIONS = {
    "session": ("UPDATE auth_sessions SET revoked_at = now() WHERE user_id = $1", *SESSION_ENDED),
    "expired session": ("UPDATE auth_sessions SET expires_at = now() WHERE user_id = $1", *SESSION_ENDED),
    "deactivation": ("UPDATE users SET is_active = false WHERE id = $1", *SESSION_ENDED),
    "deletion": ("UPDATE users SET deleted_at = now() WHERE id = $1", *SESSION_ENDED),
    "removal": ("DELETE FROM memberships WHERE user_id = $1 AND role = 'editor'", 404, "TEAM_NOT_FOUND"),
    "weaker role": ("UPDATE memberships SET role = 'viewer' WHERE user_id = $1", 403, "PERMISSION_DENIED"),
    "smaller role": (
        "UPDATE team_roles SET permissions = '{projects:read}' WHERE $1::uuid IS NOT NULL",
        403,
        "PERMISSION_DENIED",
    ),
    "team deleted": ("UPDATE teams SET deleted_at = now() WHERE $1::uuid IS NOT NULL", 404, "TEAM_NOT_FOUND"),
    "second factor": (
        "UPDATE teams SET require_mfa = true WHERE $1::uuid IS NOT NULL",
        403,
        "MFA_ENROLLMENT_REQUIRED",
    ),
}
LOCK_PROJECT = "SELECT id FROM projects WHERE id = $1 FOR UPDATE"


@pytest.mark.requires_module("projects")
@pytest.mark.parametrize("revoked", MEMBER_REVOCATIONS)
async def test_blocked_request_is_rejected_when_its_caller_is_revoked(
    database: Database, member: Member, revoked: str
) -> None:
    sql, status, code = MEMBER_REVOCATIONS[revoked]
    async with holding_locks(database, LOCK_PROJECT, member.project_id) as blocked:
        await blocked.send(member.delete())
        await blocked.execute(sql, member.user.user_id)
    assert_error(await blocked.requests[0], status, code)
    assert not await is_deleted(database, member)


@pytest.mark.requires_module("projects")
async def test_blocked_request_succeeds_when_another_user_is_revoked(
    app: Api, database: Database, member: Member, create_user: Any
) -> None:
    bystander = await create_user()
    await add_member(app, member.team, bystander, "editor")
    async with holding_locks(database, LOCK_PROJECT, member.project_id) as blocked:
        await blocked.send(member.delete())
        for sql in ("UPDATE auth_sessions SET revoked_at = now() WHERE user_id = $1", MEMBER_REVOCATIONS["removal"][0]):
            await blocked.execute(sql, bystander.user_id)
    assert (await blocked.requests[0]).status_code == 204
    assert await is_deleted(database, member)


@pytest.mark.requires_module("projects")
async def test_blocked_request_is_rejected_when_its_permissions_are_reduced(database: Database, member: Member) -> None:
    """Services also check the principal, so a reduction is rejected even if the guard of the route would pass."""
    async with holding_locks(database, LOCK_PROJECT, member.project_id) as blocked:
        await blocked.send(member.delete())
        await blocked.execute("UPDATE team_roles SET permissions = '{projects:write}'")
    assert_error(await blocked.requests[0], 409, "AUTHORIZATION_CHANGED")
    assert not await is_deleted(database, member)


KEY_REVOCATIONS = {
    "key": ("DELETE FROM api_keys WHERE created_by = $1", 401, "INVALID_API_KEY"),
    "expiry": ("UPDATE api_keys SET expires_at = now() WHERE created_by = $1", 401, "API_KEY_EXPIRED"),
    "secret": ("UPDATE api_keys SET secret_hash = '\\x00' WHERE created_by = $1", 401, "INVALID_API_KEY"),
    "scopes": (
        "UPDATE api_keys SET scopes = '{projects:read}' WHERE created_by = $1",
        403,
        "PERMISSION_DENIED",
    ),
    "deactivation": ("UPDATE users SET is_active = false WHERE id = $1", 401, "INVALID_API_KEY"),
    "removal": MEMBER_REVOCATIONS["removal"],
}


@pytest.mark.requires_module("projects", "api_keys")
@pytest.mark.parametrize("revoked", KEY_REVOCATIONS)
async def test_blocked_api_key_request_is_rejected_when_the_key_is_revoked(
    app: Api, database: Database, member: Member, revoked: str
) -> None:
    sql, status, code = KEY_REVOCATIONS[revoked]
    made = assert_success(await member.user.client.post(KEYS, json={"name": "k", "scopes": ["projects:write"]}))
    async with make_client(app, Authorization=f"Bearer {made['key']}") as program:
        async with holding_locks(database, LOCK_PROJECT, member.project_id) as blocked:
            await blocked.send(member.delete(program))
            await blocked.execute(sql, member.user.user_id)
        assert_error(await blocked.requests[0], status, code)
    assert not await is_deleted(database, member)


@pytest.mark.requires_module("projects", "api_keys")
async def test_blocked_team_key_request_is_rejected_when_the_key_is_revoked(
    app: Api, database: Database, create_user: Any
) -> None:
    owner = await create_user()
    team = await make_team(owner.client)
    project = assert_success(await owner.client.post(PROJECTS, json={"name": "Website"}, headers=team_header(team)))
    made = assert_success(await owner.client.post(KEYS, json={"name": "k", "kind": "team"}, headers=team_header(team)))
    async with make_client(app, Authorization=f"Bearer {made['key']}") as program:
        async with holding_locks(database, LOCK_PROJECT, UUID(project["id"])) as blocked:
            await blocked.send(program.delete(f"{PROJECTS}/{project['id']}"))
            await blocked.execute("DELETE FROM api_keys WHERE id = $1", UUID(made["id"]))
        assert_error(await blocked.requests[0], 401, "INVALID_API_KEY")


@pytest.mark.requires_module("api_keys")
async def test_blocked_request_creates_no_key_when_its_session_is_revoked(database: Database, create_user: Any) -> None:
    user, bystander = await create_user(), await create_user()
    lock = "SELECT id FROM users WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE"
    async with holding_locks(database, lock, [user.user_id, bystander.user_id]) as blocked:
        for each in (user, bystander):
            await blocked.send(each.client.post(KEYS, json={"name": "k"}))
        await blocked.execute("UPDATE auth_sessions SET revoked_at = now() WHERE user_id = $1", user.user_id)
    assert_error(await blocked.requests[0], *SESSION_ENDED)
    assert (await blocked.requests[1]).status_code == 201
    assert await count(database, "SELECT count(*) FROM api_keys WHERE user_id = $1", user.user_id) == 0


@pytest.mark.requires_module("projects")
@pytest.mark.parametrize("wait", ["user", "pool"])
async def test_blocked_request_creates_no_project_when_its_session_is_revoked(
    database: Database, create_user: Any, wait: str
) -> None:
    """The write is a single statement without a transaction, unless it waits for a row or a connection."""
    user, bystander = await create_user(), await create_user()
    lock = "SELECT id FROM users WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE"
    async with holding_locks(database, lock, [user.user_id, bystander.user_id]) as blocked:
        connections = AsyncExitStack()
        while wait == "pool" and database.write.in_use < database.settings.db_pool_size:
            await (await connections.enter_async_context(database.session())).raw()
        for each in (user, bystander):
            await blocked.send(each.client.post(PROJECTS, json={"name": "Website"}), waiting=wait == "user")
        if wait == "pool":
            await wait_until(lambda: are_queued(database, 2))
        await asyncio.wait(blocked.requests, timeout=2 * authorization.FRESH_SECONDS)
        await connections.aclose()
        await blocked.execute("UPDATE auth_sessions SET revoked_at = now() WHERE user_id = $1", user.user_id)
    assert_error(await blocked.requests[0], *SESSION_ENDED)
    assert (await blocked.requests[1]).status_code == 201
    assert await count(database, "SELECT count(*) FROM projects WHERE created_by = $1", user.user_id) == 0


async def are_queued(database: Database, number: int) -> bool:
    """Whether this number of requests waits for a connection."""
    return len(database.write._waiters) == number


async def test_blocked_admin_request_is_rejected_when_the_role_is_lowered(database: Database, create_user: Any) -> None:
    root, target = await create_user(role=PlatformRole.SUPERADMIN), await create_user()
    path = f"/api/v1/admin/users/{target.user_id}/activate"
    async with holding_locks(database, "UPDATE users SET is_active = false WHERE id = $1", target.user_id) as blocked:
        await blocked.send(root.client.post(path))
        await blocked.execute("UPDATE users SET role = 'user' WHERE id = $1", root.user_id)
    assert_error(await blocked.requests[0], 403, "PERMISSION_DENIED")
    assert await count(database, "SELECT count(*) FROM users WHERE id = $1 AND is_active", target.user_id) == 0


async def test_request_that_took_long_is_authorized_again_without_a_lock_wait(
    database: Database, create_user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait for a unique name is not a lock wait of the request: only the elapsed time shows it."""
    monkeypatch.setattr(authorization, "FRESH_SECONDS", 0.0)
    user = await create_user()
    columns = "id, name, slug, auto_join_domains, require_mfa, created_at, updated_at"
    insert = f"INSERT INTO teams ({columns}) VALUES (gen_random_uuid(), 'A', 'acme', '{{}}', false, now(), now())"
    with pytest.raises(RuntimeError, match="not committed"):
        async with holding_locks(database, insert) as blocked:
            await blocked.send(user.client.post(TEAMS, json={"name": "Acme", "slug": "acme"}))
            async with database.session() as session:
                sql = "UPDATE auth_sessions SET revoked_at = now() WHERE user_id = $1"
                await (await session.raw()).execute(sql, user.user_id)
            raise RuntimeError("not committed")
    assert_error(await blocked.requests[0], *SESSION_ENDED)
    assert await count(database, "SELECT count(*) FROM teams WHERE slug = 'acme'") == 0


def get_session_id(user: SignedInUser) -> str:
    payload = user.token.split(".")[1]
    return str(json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sid"])


@pytest.mark.requires_module("projects")
async def test_request_can_revoke_its_own_authorization(
    app: Api, database: Database, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A revocation by the transaction itself does not reject it, however long it took."""
    monkeypatch.setattr(authorization, "FRESH_SECONDS", 0.0)
    user = member.user
    assert_success(await user.client.delete(f"{TEAMS}/{member.team['id']}/members/{user.user_id}"))
    assert await count(database, "SELECT count(*) FROM memberships WHERE role = 'editor'") == 0
    assert_success(await user.client.delete(f"/api/v1/auth/sessions/{get_session_id(user)}"))
    assert_error(await user.client.get("/api/v1/app/users/me"), *SESSION_ENDED)


@pytest.mark.requires_module("api_keys")
async def test_revocation_commits_before_or_after_a_concurrent_request(database: Database, create_user: Any) -> None:
    """After a session is revoked, its concurrent requests commit no more rows."""
    for _ in range(5):
        user = await create_user()
        rows = "SELECT count(*) FROM api_keys WHERE user_id = $1"
        requests = [asyncio.create_task(user.client.post(KEYS, json={"name": f"{n}"})) for n in range(8)]
        await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
        async with database.session() as session:
            sql = "UPDATE auth_sessions SET revoked_at = now() WHERE user_id = $1"
            await (await session.raw()).execute(sql, user.user_id)
        present = await count(database, rows, user.user_id)
        responses = await asyncio.gather(*requests)
        assert await count(database, rows, user.user_id) == present, [response.status_code for response in responses]
        assert sum(response.status_code == 201 for response in responses) == present


async def test_failure_counters_are_not_locked_while_the_request_waits_to_be_authorized_again(
    database: Database, user: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password reset locks sessions and then counters: the other order would be a deadlock."""
    monkeypatch.setattr(authorization, "FRESH_SECONDS", -1.0)
    unlocked = "SELECT count(*) FROM (SELECT key FROM auth_throttles FOR UPDATE SKIP LOCKED) unlocked"
    async with holding_locks(database, "SELECT id FROM auth_sessions FOR UPDATE") as blocked:
        body = {"current_password": "not the password at all", "new_password": "four otters in a boat"}
        await blocked.send(user.post("/api/v1/auth/password/change", json=body), waiting=False)
        await wait_until(lambda: is_counted(database))
        assert await count(database, unlocked) == await count(database, "SELECT count(*) FROM auth_throttles") > 0
    assert_error(await blocked.requests[0], 403, "WRONG_PASSWORD")


async def is_counted(database: Database) -> bool:
    return await count(database, "SELECT count(*) FROM auth_throttles") > 0


PRINCIPAL_ROWS = {
    "session": ({"role": PlatformRole.USER}, False),
    "session of an administrator": ({}, True),
    "API key": ({"role": PlatformRole.USER, "session_id_or_none": None, "api_key_id": new_id()}, True),
}


@pytest.mark.parametrize("kind", PRINCIPAL_ROWS)
async def test_user_row_is_locked_when_the_role_or_the_user_alone_authorizes(
    database: Database, create_user: Any, kind: str
) -> None:
    """Every other principal is revoked by its session, so that two requests of one user need not wait."""
    changes, is_locked = PRINCIPAL_ROWS[kind]
    user, bystander = await create_user(), await create_user()
    session_id = get_session_id(user)
    values = {"user_id_or_none": user.user_id, "session_id_or_none": session_id, "team_id": None}
    async with database.session() as holder:
        await lock_principal(holder, make_principal(**values | changes))
        assert await is_row_locked(database, user) is is_locked
        assert not await is_row_locked(database, bystander)


@pytest.mark.requires_module("api_keys")
async def test_api_key_is_locked_until_the_commit_of_its_request(
    app: Api, database: Database, create_user: Any
) -> None:
    """Otherwise its revocation could commit between the verification and the commit."""
    user = await create_user()
    used, other = [assert_success(await user.client.post(KEYS, json={"name": name})) for name in ("used", "other")]
    values = {"user_id_or_none": user.user_id, "session_id_or_none": None, "team_id": None}
    principal = make_principal(**values, api_key_id=UUID(used["id"]))
    async with database.session() as holder:
        await app.context.get(SessionServices).authenticator._lock(holder, principal)
        unlocked = "SELECT name FROM api_keys FOR UPDATE SKIP LOCKED"
        async with database.session() as session:
            assert [row[0] for row in await (await session.raw()).fetch(unlocked)] == [other["name"]]


async def is_row_locked(database: Database, user: SignedInUser) -> bool:
    async with database.session() as session:
        sql = "SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED"
        return await (await session.raw()).fetchval(sql, user.user_id) is None
