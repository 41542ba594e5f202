"""Impersonation is time-limited, needs a reason, is audited, and is read-only."""

import io
import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi.routing import APIRoute
from httpx2 import AsyncClient, Response

from tests.core.db.row_counts import count_rows
from tests.core.db.row_locks import holding_locks
from tests.modules.audit.entries import entries, personal_rows
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database
from undercroft.core.http import depends_on, get_info
from undercroft.core.http.application import Api
from undercroft.core.http.guards import current_principal
from undercroft.core.http.same_site import SAFE_METHODS
from undercroft.core.ids import new_id
from undercroft.core.telemetry import logs
from undercroft.modules.sessions import SessionServices
from undercroft.testing.statements import StatementRecorder
from undercroft.testing.users import SignedInUser, make_client

ADMIN, SUPERADMIN, USER = PlatformRole.ADMIN, PlatformRole.SUPERADMIN, PlatformRole.USER
REASON = {"reason": "Ticket 4711"}
ME = "/api/v1/app/users/me"
END = "/api/v1/auth/impersonation/end"


def assert_refused(response: Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == code


async def impersonate(admin: SignedInUser, target: SignedInUser) -> Response:
    return await admin.client.post(f"/api/v1/admin/users/{target.user_id}/impersonate", json=REASON)


async def impersonating_client(app: Api, admin: SignedInUser, target: SignedInUser) -> AsyncClient:
    response = await impersonate(admin, target)
    assert response.status_code == 200, response.text
    return make_client(app, Authorization=f"Bearer {response.json()['access_token']}")


async def execute(database: Database, sql: str, *values: Any) -> None:
    async with database.session() as session:
        await (await session.raw()).execute(sql, *values)


@pytest.mark.requires_module("projects")
async def test_impersonation_reads_the_data_of_the_user(app: Api, create_user: Any) -> None:
    admin, target = await create_user(role=ADMIN), await create_user()
    made = (await target.client.post("/api/v1/app/projects", json={"name": "Website"})).json()
    async with await impersonating_client(app, admin, target) as client:
        me = (await client.get(ME)).json()
        assert (me["id"], me["impersonated_by"]) == (str(target.user_id), str(admin.user_id))
        (seen,) = (await client.get("/api/v1/app/projects")).json()["items"]
        assert seen["id"] == made["id"]
    assert (await target.client.get(ME)).json()["impersonated_by"] is None


async def test_impersonation_token_is_short_lived_with_an_actor_claim_and_no_refresh_token(
    app: Api, create_user: Any
) -> None:
    admin, target = await create_user(role=ADMIN), await create_user()
    response = (await impersonate(admin, target)).json()
    assert set(response) == {"session", "access_token", "token_type", "expires_in", "user_id", "session_id"}
    assert response["session"] == "bearer"
    assert 0 < response["expires_in"] <= 15 * 60
    payload = response["access_token"].split(".")[1]
    claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert (claims["sub"], claims["act"]) == (str(target.user_id), {"sub": str(admin.user_id)})
    assert claims["exp"] - claims["iat"] <= 15 * 60


async def test_audit_entries_name_the_impersonator(app: Api, create_user: Any, database: Database) -> None:
    admin, target = await create_user(role=ADMIN), await create_user()
    async with await impersonating_client(app, admin, target) as client:
        await client.post(END)
    started, ended = [
        (await entries(database, action=action))[-1] for action in ("impersonation.started", "impersonation.ended")
    ]
    assert (started["user_id"], started["impersonator_id"]) == (admin.user_id, None)
    assert (started["target_id"], started["details"]["reason"]) == (target.user_id, "[personal]")
    texts = (await personal_rows(database, started))[0]
    assert (texts["person_id"], texts["values"]) == (target.user_id, {"details": {"reason": "Ticket 4711"}})
    assert (ended["user_id"], ended["impersonator_id"]) == (target.user_id, admin.user_id)


async def test_access_log_names_the_impersonator(
    app: Api, create_user: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    admin, target = await create_user(role=ADMIN), await create_user()
    reported: list[dict[str, Any]] = []
    write = logs.write_access
    monkeypatch.setattr(logs, "write_access", lambda facts: (reported.append(facts), write(facts))[1])
    async with await impersonating_client(app, admin, target) as client:
        reported.clear()
        await client.get(ME)
        await client.get("/api/v1/app/nothing")
        await client.post("/api/v1/auth/password/change", json={})
    assert reported[0]["impersonator_id"] == admin.user_id
    assert reported[2]["impersonator_id"] == admin.user_id
    await admin.client.get(ME)
    assert "impersonator_id" not in reported[-1]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logs.configure(stream=stream)
    yield stream
    logs.configure()


async def test_console_log_names_the_impersonator(app: Api, create_user: Any, log: io.StringIO) -> None:
    admin, target = await create_user(role=ADMIN), await create_user()
    async with await impersonating_client(app, admin, target) as client:
        logs.flush()
        log.seek(0)
        log.truncate()
        await client.post(END)
    logs.flush()
    lines = log.getvalue().splitlines()
    assert len(lines) == 2
    assert all(line.endswith(f" impersonator={admin.user_id}") for line in lines), lines


SIGN_OUT = "/api/v1/auth/sessions"


async def get_own_session(admin: SignedInUser) -> str:
    """Return the ID of the administrator's session."""
    (session,) = (await admin.client.get(SIGN_OUT)).json()["items"]
    return str(session["id"])


async def test_impersonation_ends_when_the_administrator_signs_out(app: Api, create_user: Any) -> None:
    admin, target, other = await create_user(role=ADMIN), await create_user(), await create_user(role=ADMIN)
    async with (
        await impersonating_client(app, admin, target) as client,
        await impersonating_client(app, other, target) as bystander,
    ):
        assert (await admin.client.delete(f"{SIGN_OUT}/{await get_own_session(admin)}")).status_code == 204
        assert_refused(await client.get(ME), 401, "SESSION_ENDED")
        assert_refused(await client.post(END), 401, "SESSION_ENDED")
        assert (await bystander.get(ME)).status_code == 200


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE auth_sessions SET revoked_at = now() WHERE user_id = $1",
        "UPDATE auth_sessions SET expires_at = now() WHERE user_id = $1",
        "DELETE FROM auth_sessions WHERE user_id = $1",
    ],
)
async def test_impersonation_ends_with_the_session_that_started_it(
    app: Api, create_user: Any, database: Database, sql: str
) -> None:
    admin, target = await create_user(role=ADMIN), await create_user()
    async with await impersonating_client(app, admin, target) as client:
        await execute(database, sql, admin.user_id)
        assert_refused(await client.get(ME), 401, "SESSION_ENDED")
    assert (await target.client.get(ME)).status_code == 200


async def test_impersonation_ends_when_the_administrators_password_is_reset(app: Api, create_user: Any) -> None:
    root, admin, target = await create_user(role=SUPERADMIN), await create_user(role=ADMIN), await create_user()
    async with await impersonating_client(app, admin, target) as client:
        reset = await root.client.post(f"/api/v1/admin/users/{admin.user_id}/reset-password")
        assert reset.status_code in (200, 202, 204), reset.text
        assert_refused(await client.get(ME), 401, "SESSION_ENDED")


async def test_blocked_impersonated_request_completes_or_is_rejected_when_the_administrator_signs_out(
    app: Api, create_user: Any, database: Database
) -> None:
    admin, target = await create_user(role=ADMIN), await create_user()
    async with await impersonating_client(app, admin, target) as client:
        async with holding_locks(
            database, "SELECT id FROM auth_sessions WHERE user_id = $1 FOR UPDATE", target.user_id
        ) as blocked:
            await blocked.send(client.post(END))
            await blocked.execute("UPDATE auth_sessions SET revoked_at = now() WHERE user_id = $1", admin.user_id)
        response = await blocked.requests[0]
    assert response.status_code in (204, 401), response.text


async def test_impersonation_ends_when_the_administrator_revokes_other_sessions(app: Api, create_user: Any) -> None:
    admin, target = await create_user(role=ADMIN), await create_user()
    async with await impersonating_client(app, admin, target) as client:
        assert (await admin.client.delete("/api/v1/auth/sessions")).status_code == 204
        assert_refused(await client.get(ME), 401, "SESSION_ENDED")
    assert (await admin.client.get(ME)).status_code == 200
    assert (await target.client.get(ME)).status_code == 200


async def test_impersonation_ends_on_request(app: Api, create_user: Any, database: Database) -> None:
    admin, target = await create_user(role=ADMIN), await create_user()
    async with await impersonating_client(app, admin, target) as client:
        assert (await client.post(END)).status_code == 204
        assert_refused(await client.get(ME), 401, "SESSION_ENDED")
    assert_refused(await admin.client.post(END), 409, "NOT_IMPERSONATING")
    assert len(await entries(database, action="impersonation.ended")) == 1
    assert (await target.client.get(ME)).status_code == 200


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE users SET is_active = false WHERE id = $1",
        "UPDATE users SET role = 'user' WHERE id = $1",
        "UPDATE users SET deleted_at = now() WHERE id = $1",
    ],
)
async def test_impersonation_ends_when_the_administrator_loses_the_role_or_account(
    app: Api, create_user: Any, database: Database, sql: str
) -> None:
    admin, target = await create_user(role=ADMIN), await create_user()
    async with await impersonating_client(app, admin, target) as client:
        assert (await client.get(ME)).status_code == 200
        await execute(database, sql, admin.user_id)
        assert_refused(await client.get(ME), 401, "SESSION_ENDED")


async def test_impersonation_ends_when_the_user_becomes_an_administrator(
    app: Api, create_user: Any, database: Database
) -> None:
    admin, target = await create_user(role=ADMIN), await create_user()
    async with await impersonating_client(app, admin, target) as client:
        await execute(database, "UPDATE users SET role = 'admin' WHERE id = $1", target.user_id)
        assert_refused(await client.get(ME), 401, "SESSION_ENDED")


async def test_impersonation_expires_and_use_does_not_extend_it(app: Api, create_user: Any, database: Database) -> None:
    admin, target = await create_user(role=ADMIN), await create_user()
    async with await impersonating_client(app, admin, target) as client:
        assert (await client.get(ME)).status_code == 200
        await app.context.get(SessionServices).last_seen.flush(database)
        rows = await _sessions(database)
        assert rows[0]["expires_at"] - rows[0]["created_at"] <= timedelta(minutes=15, seconds=1)
        assert rows[0]["ip"] == ""
        await execute(database, "UPDATE auth_sessions SET expires_at = now() WHERE impersonator_id IS NOT NULL")
        assert_refused(await client.get(ME), 401, "SESSION_ENDED")


async def _sessions(database: Database) -> list[Any]:
    async with database.session() as session:
        return await (await session.raw()).fetch("SELECT * FROM auth_sessions WHERE impersonator_id IS NOT NULL")


@pytest.mark.parametrize(
    ("admin_role", "target_role", "allowed"),
    [
        (ADMIN, USER, True),
        (SUPERADMIN, USER, True),
        (SUPERADMIN, ADMIN, True),
        (ADMIN, ADMIN, False),
        (ADMIN, SUPERADMIN, False),
        (SUPERADMIN, SUPERADMIN, False),
    ],
)
async def test_impersonation_is_allowed_by_role(
    app: Api, create_user: Any, database: Database, admin_role: PlatformRole, target_role: PlatformRole, allowed: bool
) -> None:
    admin, target = await create_user(role=admin_role), await create_user(role=target_role)
    response = await impersonate(admin, target)
    if allowed:
        assert response.status_code == 200
        return
    assert_refused(response, 403, "IMPERSONATION_NOT_ALLOWED")
    assert await entries(database, action="impersonation.started") == []


async def test_impersonation_of_oneself_and_nested_impersonation_are_rejected(app: Api, create_user: Any) -> None:
    superadmin, admin, target = await create_user(role=SUPERADMIN), await create_user(role=ADMIN), await create_user()
    assert_refused(await impersonate(admin, admin), 403, "IMPERSONATION_NOT_ALLOWED")
    async with await impersonating_client(app, superadmin, admin) as client:
        response = await client.post(f"/api/v1/admin/users/{target.user_id}/impersonate", json=REASON)
        assert_refused(response, 403, "IMPERSONATION_FORBIDDEN")
    assert_refused(await impersonate(target, admin), 403, "PERMISSION_DENIED")


async def test_impersonation_of_an_inactive_or_unknown_user_is_rejected(create_user: Any, database: Database) -> None:
    admin, target = await create_user(role=ADMIN), await create_user()
    await execute(database, "UPDATE users SET is_active = false WHERE id = $1", target.user_id)
    assert_refused(await impersonate(admin, target), 409, "USER_INACTIVE")
    response = await admin.client.post(f"/api/v1/admin/users/{new_id()}/impersonate", json=REASON)
    assert_refused(response, 404, "USER_NOT_FOUND")


@pytest.mark.parametrize("reason", [None, "", "  ", "x", "x" * 501])
async def test_impersonation_requires_a_reason(create_user: Any, reason: str | None) -> None:
    admin, target = await create_user(role=ADMIN), await create_user()
    response = await admin.client.post(f"/api/v1/admin/users/{target.user_id}/impersonate", json={"reason": reason})
    assert_refused(response, 422, "VALIDATION_ERROR")


async def test_impersonation_session_is_hidden_from_the_user_who_can_still_revoke_it(
    app: Api, create_user: Any
) -> None:
    admin, target = await create_user(role=ADMIN), await create_user()
    async with await impersonating_client(app, admin, target) as client:
        assert (await target.client.get("/api/v1/auth/sessions")).json()["total"] == 1
        assert (await target.client.delete("/api/v1/auth/sessions")).status_code == 204
        assert_refused(await client.get(ME), 401, "SESSION_ENDED")


async def test_impersonation_session_is_rejected_without_the_actor_claim(app: Api, create_user: Any) -> None:
    admin, target = await create_user(role=ADMIN), await create_user()
    response = (await impersonate(admin, target)).json()
    without_actor = await app.context.get(SessionServices).tokens.issue(target.user_id, response["session_id"])
    async with make_client(app, Authorization=f"Bearer {without_actor.token}") as client:
        assert_refused(await client.get(ME), 401, "SESSION_ENDED")


async def test_impersonated_principal_takes_one_statement(
    app: Api, create_user: Any, statements: StatementRecorder
) -> None:
    admin, target = await create_user(role=ADMIN), await create_user()
    async with await impersonating_client(app, admin, target) as client:
        await client.get(ME)
        await statements.clear()
        await client.get(ME)
        await statements.get_all()
        assert statements.count == 1, str(statements)


ALLOWED = {f"POST {END}", "POST /api/v1/auth/logout"}
"""Routes that write during impersonation. A new one needs a reason: its changes must not grant access."""

FORBIDDEN_READS = re.compile(r"/api/v1/(auth(?!/csrf$)|admin)/|/app/api-keys")


def is_forbidden(route: APIRoute, method: str) -> bool:
    return method not in SAFE_METHODS or bool(FORBIDDEN_READS.search(route.path))


async def count_unaudited_rows(database: Database) -> dict[str, int]:
    """Count the rows of each table, except the audit tables."""
    counts = await count_rows(database)
    return {table: count for table, count in counts.items() if not table.startswith("audit_")}


async def test_impersonation_is_read_only_on_every_route(app: Api, create_user: Any, database: Database) -> None:
    admin, target = await create_user(role=SUPERADMIN), await create_user(role=ADMIN)
    team = (await target.client.post("/api/v1/app/teams", json={"name": "Acme"})).json()["id"]
    attempted = set()
    async with await impersonating_client(app, admin, target) as client:
        before = await count_unaudited_rows(database)
        for route in app.routes:
            if not isinstance(route, APIRoute) or not depends_on(route, current_principal):
                continue
            path = re.sub(
                r"\{[^}]*\}", lambda name: team if name[0] == "{team_id}" else str(target.user_id), route.path
            )
            for method in route.methods or ():
                if f"{method} {route.path}" in ALLOWED:
                    continue
                response = await client.request(method, path, json={} if method != "GET" else None)
                if is_forbidden(route, method):
                    assert_refused(response, 403, "IMPERSONATION_FORBIDDEN")
                    attempted.add(f"{method} {route.path}")
                else:
                    assert "IMPERSONATION_FORBIDDEN" not in response.text, path
        assert await count_unaudited_rows(database) == before
    assert len(attempted) > 60
    assert (await target.client.get(ME)).status_code == 200


def test_only_allowed_routes_accept_writes_during_impersonation(app: Api) -> None:
    declared = {
        f"{method} {route.path}"
        for route in app.routes
        if isinstance(route, APIRoute) and get_info(route).changes_data and get_info(route).impersonation
        for method in route.methods
    }
    assert declared == ALLOWED
