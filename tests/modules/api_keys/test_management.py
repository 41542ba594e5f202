"""Create, read, update and delete API keys."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlmodel import col

from tests.modules.api_keys.requests import (
    KEYS,
    ME,
    PROJECTS,
    TEAMS,
    add_member,
    api_key_client,
    assert_error,
    make_key,
    make_team,
    team_header,
)
from tests.modules.audit.entries import entries, personal_rows
from tests.modules.auth.users import PASSWORD, RegisteredUser
from undercroft.app.api import create_app
from undercroft.core.db import Database, utc_now
from undercroft.core.http.application import Api
from undercroft.core.ids import new_id
from undercroft.core.settings import use
from undercroft.modules.api_keys.models import ApiKey
from undercroft.modules.api_keys.settings import ApiKeySettings
from undercroft.modules.teams.models import Membership, TeamRole
from undercroft.testing.lifespan import run_lifespan
from undercroft.testing.users import SignedInUser

CreateUser = Callable[..., Awaitable[SignedInUser]]


@pytest.mark.requires_module("projects")
async def test_key_is_returned_once_and_stored_as_a_hash(user: AsyncClient, database: Database) -> None:
    response = await user.post(KEYS, json={"name": " Nightly import ", "scopes": ["projects:write", "projects:read"]})
    created = response.json()
    assert response.headers["cache-control"] == "no-store"
    assert (created["name"], created["kind"], created["scopes"]) == (
        "Nightly import",
        "user",
        ["projects:read", "projects:write"],
    )
    assert created["key"].startswith(created["prefix"])
    assert len(created["prefix"]) == 15
    read = await user.get(response.headers["location"])
    listed = await user.get(KEYS)
    assert read.json() == listed.json()["items"][0] == {name: created[name] for name in created if name != "key"}
    async with database.read_session() as session:
        row = (await session.scalars(select(ApiKey).where(col(ApiKey.id) == created["id"]))).one()
    assert row.secret_hash == hashlib.sha256(created["key"].encode()).digest()
    for text in (read.text, listed.text):
        assert created["key"] not in text
        assert "hash" not in text


@pytest.mark.requires_module("projects")
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "VALIDATION_ERROR"),
        ({"name": ""}, 422, "VALIDATION_ERROR"),
        ({"name": "x" * 101}, 422, "VALIDATION_ERROR"),
        ({"name": "x\0"}, 422, "VALIDATION_ERROR"),
        ({"name": "x", "kind": "platform"}, 422, "VALIDATION_ERROR"),
        ({"name": "x", "scopes": ["everything:ever"]}, 422, "UNKNOWN_SCOPE"),
        ({"name": "x", "scopes": ["*"]}, 422, "VALIDATION_ERROR"),
        ({"name": "x", "scopes": ["a:b" * 100]}, 422, "VALIDATION_ERROR"),
        ({"name": "x", "scopes": ["projects:read"] * 201}, 422, "VALIDATION_ERROR"),
        ({"name": "x", "expires_at": "2020-01-01T00:00:00Z"}, 422, "EXPIRY_IN_PAST"),
        ({"name": "x", "expires_at": "2030-01-01T00:00:00"}, 422, "VALIDATION_ERROR"),
        ({"name": "x", "user_id": str(new_id())}, 422, "VALIDATION_ERROR"),
        ({"name": "x", "kind": "team"}, 409, "PERSONAL_TEAM"),
    ],
)
async def test_invalid_key_request_is_refused(user: AsyncClient, body: dict, status: int, code: str) -> None:
    assert_error(await user.post(KEYS, json=body), status, code)
    assert (await user.get(KEYS)).json()["total"] == 0


async def test_team_keys_require_permissions(create_user: CreateUser, database: Database) -> None:
    owner, member = await create_user(), await create_user()
    team = await make_team(owner.client)
    await add_member(database, team, member, TeamRole.MEMBER)
    created = await make_key(owner.client, team=team, kind="team")
    here = team_header(team)
    assert_error(
        await member.client.post(KEYS, json={"name": "x", "kind": "team"}, headers=here), 403, "PERMISSION_DENIED"
    )
    assert_error(await member.client.get(KEYS, params={"kind": "team"}, headers=here), 403, "PERMISSION_DENIED")
    assert (await member.client.get(KEYS, headers=here)).json()["total"] == 0
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/rotate")):
        response = await member.client.request(method, f"{KEYS}/{created['id']}{path}", json={}, headers=here)
        assert_error(response, 404, "API_KEY_NOT_FOUND")
    assert (await owner.client.get(KEYS, params={"kind": "team"}, headers=here)).json()["total"] == 1
    assert (await owner.client.get(KEYS, params={"kind": "user"}, headers=here)).json()["total"] == 0


@pytest.mark.requires_module("projects")
async def test_permission_to_view_team_keys_does_not_allow_changes(create_user: CreateUser, database: Database) -> None:
    owner, viewer = await create_user(), await create_user()
    team = await make_team(owner.client)
    role = {"name": "auditor", "permissions": ["api_keys:read", "projects:read"]}
    assert (await owner.client.post(f"{TEAMS}/{team}/roles", json=role)).status_code == 201
    async with database.session() as session:
        session.add(Membership(team_id=UUID(team), user_id=viewer.user_id, role=role["name"]))
    created = await make_key(owner.client, team=team, kind="team", scopes=["projects:read"])
    here, path = team_header(team), f"{KEYS}/{created['id']}"
    before = (await viewer.client.get(path, headers=here)).json()
    assert before["id"] == created["id"]
    for method, end, body in (("PATCH", "", {"name": "Mine"}), ("POST", "/rotate", {}), ("DELETE", "", None)):
        response = await viewer.client.request(method, f"{path}{end}", json=body, headers=here)
        assert_error(response, 403, "PERMISSION_DENIED")
    assert (await owner.client.get(path, headers=here)).json() == before


@pytest.mark.requires_module("projects")
async def test_key_of_a_team_keeps_scopes_that_the_role_of_its_editor_has_not(
    create_user: CreateUser, database: Database
) -> None:
    owner, editor = await create_user(), await create_user()
    team = await make_team(owner.client)
    role = {"name": "auditor", "permissions": ["api_keys:read", "api_keys:write", "projects:read"]}
    assert (await owner.client.post(f"{TEAMS}/{team}/roles", json=role)).status_code == 201
    async with database.session() as session:
        session.add(Membership(team_id=UUID(team), user_id=editor.user_id, role=role["name"]))
    created = await make_key(owner.client, team=team, kind="team", scopes=["projects:read", "projects:write"])
    here, path = team_header(team), f"{KEYS}/{created['id']}"
    kept = await editor.client.patch(path, json={"scopes": ["projects:write"]}, headers=here)
    assert (kept.status_code, kept.json()["scopes"]) == (200, ["projects:write"])
    more = {"scopes": ["projects:write", "members:write"]}
    assert_error(await editor.client.patch(path, json=more, headers=here), 403, "SCOPES_EXCEED_ROLE")


async def test_creating_a_key_does_not_wait_for_other_users_or_teams(
    create_user: CreateUser, database: Database
) -> None:
    owner, other = await create_user(), await create_user()
    team, other_team = await make_team(owner.client), await make_team(other.client)
    async with database.session() as session:
        raw = await session.raw()
        await raw.execute("SELECT FROM users WHERE id = $1 FOR UPDATE", other.user_id)
        await raw.execute("SELECT FROM teams WHERE id = $1 FOR UPDATE", UUID(other_team))
        await make_key(owner.client)
        await make_key(owner.client, team=team, kind="team")


async def test_keys_of_other_teams_and_users_are_not_found(user: AsyncClient, stranger: AsyncClient) -> None:
    team, other = await make_team(user), await make_team(stranger)
    for created in (await make_key(user), await make_key(user, team=team, kind="team")):
        for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/rotate")):
            for named in (None, other):
                response = await stranger.request(
                    method, f"{KEYS}/{created['id']}{path}", json={}, headers=team_header(named)
                )
                assert_error(response, 404, "API_KEY_NOT_FOUND")
    assert_error(await stranger.get(KEYS, headers=team_header(team)), 404, "TEAM_NOT_FOUND")
    assert (await stranger.get(KEYS)).json()["total"] == 0
    assert (await user.get(KEYS, headers=team_header(team))).json()["total"] == 2


@pytest.mark.requires_module("projects")
async def test_team_key_cannot_exceed_the_permissions_of_its_creator(
    create_user: CreateUser, app: Api, database: Database
) -> None:
    owner, manager = await create_user(), await create_user()
    team = await make_team(owner.client)
    await add_member(database, team, manager, TeamRole.ADMIN)
    beyond = {"name": "x", "kind": "team", "scopes": ["teams:delete", "projects:read"]}
    assert_error(await manager.client.post(KEYS, json=beyond, headers=team_header(team)), 403, "SCOPES_EXCEED_ROLE")
    plain = await make_key(manager.client, team=team, kind="team")
    assert "teams:delete" not in plain["scopes"]
    assert "api_keys:write" not in plain["scopes"]
    path = f"{KEYS}/{plain['id']}"
    raised = await manager.client.patch(path, json={"scopes": ["teams:delete"]}, headers=team_header(team))
    assert_error(raised, 403, "SCOPES_EXCEED_ROLE")
    strong = await make_key(owner.client, team=team, kind="team", scopes=["teams:delete"])
    taken = await manager.client.post(f"{KEYS}/{strong['id']}/rotate", headers=team_header(team))
    assert_error(taken, 403, "SCOPES_EXCEED_ROLE")
    lowered = {"scopes": ["projects:read"]}
    response = await manager.client.patch(f"{KEYS}/{strong['id']}", json=lowered, headers=team_header(team))
    assert response.json()["scopes"] == ["projects:read"]


@pytest.mark.requires_module("projects")
async def test_key_change_applies_to_the_next_request(app: Api, user: AsyncClient) -> None:
    created = await make_key(user)
    async with api_key_client(app, created["key"]) as http:
        assert (await http.post(PROJECTS, json={"name": "X"})).status_code == 201
        body = {"name": "Read only", "scopes": ["projects:read"]}
        changed = (await user.patch(f"{KEYS}/{created['id']}", json=body)).json()
        assert (changed["name"], changed["scopes"]) == ("Read only", ["projects:read"])
        assert_error(await http.post(PROJECTS, json={"name": "X"}), 403, "PERMISSION_DENIED")
        assert (await user.patch(f"{KEYS}/{created['id']}", json={"scopes": None})).json()["scopes"] is None
        assert (await http.post(PROJECTS, json={"name": "X"})).status_code == 201
    past = {"expires_at": (utc_now() - timedelta(seconds=1)).isoformat()}
    assert_error(await user.patch(f"{KEYS}/{created['id']}", json=past), 422, "EXPIRY_IN_PAST")


async def test_deleted_key_fails_with_its_next_request_on_every_process(
    app: Api, user: AsyncClient, database: Database
) -> None:
    created = await make_key(user)
    elsewhere = create_app(database=database)
    async with (
        run_lifespan(elsewhere),
        api_key_client(app, created["key"]) as http,
        api_key_client(elsewhere, created["key"]) as there,
    ):
        for client in (http, there, http, there):
            assert (await client.get(ME)).status_code == 200
        assert (await user.delete(f"{KEYS}/{created['id']}")).status_code == 204
        for client in (there, http):
            assert_error(await client.get(ME), 401, "INVALID_API_KEY")
    assert_error(await user.delete(f"{KEYS}/{created['id']}"), 404, "API_KEY_NOT_FOUND")


async def test_concurrent_creations_do_not_exceed_the_key_limit(user: AsyncClient) -> None:
    use(ApiKeySettings(api_keys_max=3))
    responses = await asyncio.gather(*(user.post(KEYS, json={"name": "x"}) for _ in range(10)))
    assert sorted(response.status_code for response in responses) == [201] * 3 + [409] * 7
    assert (await user.get(KEYS)).json()["total"] == 3


async def test_account_deletion_revokes_its_keys(app: Api, ada: RegisteredUser, database: Database) -> None:
    created = (await ada.send("POST", "/app/api-keys", {"name": "x"})).json()
    async with api_key_client(app, created["key"]) as http:
        assert (await http.get(ME)).status_code == 200
        assert (await ada.send("DELETE", "/app/users/me", {"current_password": PASSWORD})).status_code == 204
        assert_error(await http.get(ME), 401, "INVALID_API_KEY")
    async with database.read_session() as session:
        assert (await session.scalars(select(ApiKey))).all() == []


@pytest.mark.requires_module("projects")
async def test_every_change_of_a_key_is_audited_once_without_its_secret(user: AsyncClient, database: Database) -> None:
    team = await make_team(user)
    created = await make_key(user, team=team, kind="team", scopes=["projects:read"])
    path, here = f"{KEYS}/{created['id']}", team_header(team)
    for body in ({"name": "Other"}, {"name": "Other"}, {}):
        assert (await user.patch(path, json=body, headers=here)).status_code == 200
    again = (await user.post(f"{path}/rotate", headers=here)).json()
    assert_error(await user.post(f"{path}/rotate", headers=here), 409, "ROTATION_OVERLAPS")
    await user.delete(path, headers=here)
    written = [entry for entry in await entries(database) if entry["target_type"] == "api_key"]
    actions = [entry["action"] for entry in written]
    assert actions == ["api_key.created", "api_key.changed", "api_key.rotated", "api_key.revoked"]
    assert {str(entry["target_id"]) for entry in written} == {created["id"]}
    assert {str(entry["team_id"]) for entry in written} == {team}
    texts = (await personal_rows(database, written[1]))[0]["values"]
    assert texts == {"before": {"name": "Import"}, "after": {"name": "Other"}}
    for secret in (created["key"], again["key"]):
        assert secret[15:] not in repr(written)


async def test_list_statement_count_is_independent_of_its_length(user: AsyncClient, statements) -> None:
    costs = []
    for _ in range(2):
        await make_key(user)
        await statements.clear()
        assert (await user.get(KEYS, params={"sort": "-last_used_at", "q": "uc"})).status_code == 200
        costs.append(statements.count)
    assert costs == [2, 2]
