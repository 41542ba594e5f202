"""Acting as somebody: short, with a reason, in full view, and never for what is sensitive."""

import io
import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi.routing import APIRoute
from httpx import AsyncClient, Response
from sqlmodel import SQLModel

from tests.modules.audit.entries import entries, personal
from tests.modules.auth.test_reauthorization import parking
from undercroft.core.auth import PlatformRole
from undercroft.core.auth.guards import current_principal
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.core.http.same_site import SAFE_METHODS
from undercroft.core.http.schema import depends_on
from undercroft.core.ids import new_id
from undercroft.core.telemetry import logs
from undercroft.testing.people import Person, client_of
from undercroft.testing.statements import Statements

ADMIN, SUPERADMIN, USER = PlatformRole.ADMIN, PlatformRole.SUPERADMIN, PlatformRole.USER
REASON = {"reason": "Ticket 4711"}
ME = "/api/v1/app/users/me"
END = "/api/v1/auth/impersonation/end"


def refused(response: Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == code


async def begin(admin: Person, target: Person) -> Response:
    return await admin.client.post(f"/api/v1/admin/users/{target.user_id}/impersonate", json=REASON)


async def acting(app: Api, admin: Person, target: Person) -> AsyncClient:
    answer = await begin(admin, target)
    assert answer.status_code == 200, answer.text
    return client_of(app, Authorization=f"Bearer {answer.json()['access_token']}")


async def execute(database: Database, sql: str, *values: Any) -> None:
    async with database.session() as session:
        await (await session.raw()).execute(sql, *values)


async def test_an_administrator_sees_what_the_person_sees(app: Api, somebody: Any) -> None:
    admin, person = await somebody(role=ADMIN), await somebody()
    made = (await person.client.post("/api/v1/app/projects", json={"name": "Theirs"})).json()
    async with await acting(app, admin, person) as client:
        me = (await client.get(ME)).json()
        assert (me["id"], me["impersonated_by"]) == (str(person.user_id), str(admin.user_id))
        (seen,) = (await client.get("/api/v1/app/projects")).json()["items"]
        assert seen["id"] == made["id"]
    assert (await person.client.get(ME)).json()["impersonated_by"] is None


async def test_the_token_is_short_marked_and_alone(app: Api, somebody: Any) -> None:
    admin, person = await somebody(role=ADMIN), await somebody()
    answer = (await begin(admin, person)).json()
    assert set(answer) == {"access_token", "token_type", "expires_in", "user_id", "session_id"}
    assert 0 < answer["expires_in"] <= 15 * 60
    payload = answer["access_token"].split(".")[1]
    claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert (claims["sub"], claims["act"]) == (str(person.user_id), {"sub": str(admin.user_id)})
    assert claims["exp"] - claims["iat"] <= 15 * 60


async def test_everything_that_is_done_says_who_did_it(app: Api, somebody: Any, database: Database) -> None:
    admin, person = await somebody(role=ADMIN), await somebody()
    async with await acting(app, admin, person) as client:
        await client.post(END)
    started, ended = [
        (await entries(database, action=action))[-1] for action in ("impersonation.started", "impersonation.ended")
    ]
    assert (started["user_id"], started["impersonator_id"]) == (admin.user_id, None)
    assert (started["target_id"], started["details"]["reason"]) == (person.user_id, "[personal]")
    texts = (await personal(database, started))[0]
    assert (texts["person_id"], texts["values"]) == (person.user_id, {"details": {"reason": "Ticket 4711"}})
    assert (ended["user_id"], ended["impersonator_id"]) == (person.user_id, admin.user_id)


async def test_every_line_of_the_log_says_who_did_it(
    app: Api, somebody: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    admin, person = await somebody(role=ADMIN), await somebody()
    told: list[dict[str, Any]] = []
    write = logs.write_access
    monkeypatch.setattr(logs, "write_access", lambda facts: (told.append(facts), write(facts))[1])
    async with await acting(app, admin, person) as client:
        told.clear()
        await client.get(ME)
        await client.get("/api/v1/app/nothing")
        await client.post("/api/v1/auth/password/change", json={})
    assert told[0]["impersonator_id"] == admin.user_id
    assert told[2]["impersonator_id"] == admin.user_id
    await admin.client.get(ME)
    assert "impersonator_id" not in told[-1]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logs.configure(stream=stream)
    yield stream
    logs.configure()


async def test_lines_for_people_say_who_did_it_too(app: Api, somebody: Any, log: io.StringIO) -> None:
    admin, person = await somebody(role=ADMIN), await somebody()
    async with await acting(app, admin, person) as client:
        logs.flush()
        log.seek(0)
        log.truncate()
        await client.post(END)
    logs.flush()
    lines = log.getvalue().splitlines()
    assert len(lines) == 2
    assert all(line.endswith(f" impersonator={admin.user_id}") for line in lines), lines


SIGN_OUT = "/api/v1/auth/sessions"


async def own_session(admin: Person) -> str:
    """The id of the session that the administrator's token belongs to."""
    (session,) = (await admin.client.get(SIGN_OUT)).json()["items"]
    return str(session["id"])


async def test_impersonation_ends_when_the_administrator_signs_out(app: Api, somebody: Any) -> None:
    admin, person, other = await somebody(role=ADMIN), await somebody(), await somebody(role=ADMIN)
    async with await acting(app, admin, person) as client, await acting(app, other, person) as bystander:
        assert (await admin.client.delete(f"{SIGN_OUT}/{await own_session(admin)}")).status_code == 204
        refused(await client.get(ME), 401, "SESSION_ENDED")
        refused(await client.post(END), 401, "SESSION_ENDED")
        assert (await bystander.get(ME)).status_code == 200


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE auth_sessions SET revoked_at = now() WHERE user_id = $1",
        "UPDATE auth_sessions SET expires_at = now() WHERE user_id = $1",
        "DELETE FROM auth_sessions WHERE user_id = $1",
    ],
)
async def test_impersonation_ends_with_the_session_it_was_started_from(
    app: Api, somebody: Any, database: Database, sql: str
) -> None:
    admin, person = await somebody(role=ADMIN), await somebody()
    async with await acting(app, admin, person) as client:
        await execute(database, sql, admin.user_id)
        refused(await client.get(ME), 401, "SESSION_ENDED")
    assert (await person.client.get(ME)).status_code == 200


async def test_impersonation_ends_when_the_administrators_password_is_reset(app: Api, somebody: Any) -> None:
    root, admin, person = await somebody(role=SUPERADMIN), await somebody(role=ADMIN), await somebody()
    async with await acting(app, admin, person) as client:
        reset = await root.client.post(f"/api/v1/admin/users/{admin.user_id}/reset-password")
        assert reset.status_code in (200, 202, 204), reset.text
        refused(await client.get(ME), 401, "SESSION_ENDED")


async def test_impersonation_that_is_about_to_change_something_is_refused_when_the_administrator_signs_out(
    app: Api, somebody: Any, database: Database
) -> None:
    admin, person = await somebody(role=ADMIN), await somebody()
    async with await acting(app, admin, person) as client:
        async with parking(
            database, "SELECT id FROM auth_sessions WHERE user_id = $1 FOR UPDATE", person.user_id
        ) as at:
            await at.send(client.post(END))
            await at.execute("UPDATE auth_sessions SET revoked_at = now() WHERE user_id = $1", admin.user_id)
        answer = await at.requests[0]
    assert answer.status_code in (204, 401), answer.text


async def test_it_ends_when_the_administrator_ends_all_sessions(app: Api, somebody: Any) -> None:
    admin, person = await somebody(role=ADMIN), await somebody()
    async with await acting(app, admin, person) as client:
        assert (await admin.client.delete("/api/v1/auth/sessions")).status_code == 204
        refused(await client.get(ME), 401, "SESSION_ENDED")
    assert (await admin.client.get(ME)).status_code == 200
    assert (await person.client.get(ME)).status_code == 200


async def test_it_ends_on_demand(app: Api, somebody: Any, database: Database) -> None:
    admin, person = await somebody(role=ADMIN), await somebody()
    async with await acting(app, admin, person) as client:
        assert (await client.post(END)).status_code == 204
        refused(await client.get(ME), 401, "SESSION_ENDED")
    refused(await admin.client.post(END), 409, "NOT_IMPERSONATING")
    assert len(await entries(database, action="impersonation.ended")) == 1
    assert (await person.client.get(ME)).status_code == 200


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE users SET is_active = false WHERE id = $1",
        "UPDATE users SET role = 'user' WHERE id = $1",
        "UPDATE users SET deleted_at = now() WHERE id = $1",
    ],
)
async def test_it_ends_with_the_administrators_rights(app: Api, somebody: Any, database: Database, sql: str) -> None:
    admin, person = await somebody(role=ADMIN), await somebody()
    async with await acting(app, admin, person) as client:
        assert (await client.get(ME)).status_code == 200
        await execute(database, sql, admin.user_id)
        refused(await client.get(ME), 401, "SESSION_ENDED")


async def test_it_ends_when_the_person_becomes_an_administrator(app: Api, somebody: Any, database: Database) -> None:
    admin, person = await somebody(role=ADMIN), await somebody()
    async with await acting(app, admin, person) as client:
        await execute(database, "UPDATE users SET role = 'admin' WHERE id = $1", person.user_id)
        refused(await client.get(ME), 401, "SESSION_ENDED")


async def test_it_ends_by_itself_however_much_it_is_used(app: Api, somebody: Any, database: Database) -> None:
    admin, person = await somebody(role=ADMIN), await somebody()
    async with await acting(app, admin, person) as client:
        assert (await client.get(ME)).status_code == 200
        await app.state.identity.last_seen.flush(database)
        rows = await _sessions(database)
        assert rows[0]["expires_at"] - rows[0]["created_at"] <= timedelta(minutes=15, seconds=1)
        assert rows[0]["ip"] == ""
        await execute(database, "UPDATE auth_sessions SET expires_at = now() WHERE impersonator_id IS NOT NULL")
        refused(await client.get(ME), 401, "SESSION_ENDED")


async def _sessions(database: Database) -> list[Any]:
    async with database.session() as session:
        return await (await session.raw()).fetch("SELECT * FROM auth_sessions WHERE impersonator_id IS NOT NULL")


@pytest.mark.parametrize(
    ("who", "whom", "allowed"),
    [
        (ADMIN, USER, True),
        (SUPERADMIN, USER, True),
        (SUPERADMIN, ADMIN, True),
        (ADMIN, ADMIN, False),
        (ADMIN, SUPERADMIN, False),
        (SUPERADMIN, SUPERADMIN, False),
    ],
)
async def test_who_may_act_as_whom(
    app: Api, somebody: Any, database: Database, who: PlatformRole, whom: PlatformRole, allowed: bool
) -> None:
    admin, person = await somebody(role=who), await somebody(role=whom)
    answer = await begin(admin, person)
    if allowed:
        assert answer.status_code == 200
        return
    refused(answer, 403, "IMPERSONATION_NOT_ALLOWED")
    assert await entries(database, action="impersonation.started") == []


async def test_nobody_acts_as_themselves_nor_through_somebody(app: Api, somebody: Any) -> None:
    superadmin, admin, person = await somebody(role=SUPERADMIN), await somebody(role=ADMIN), await somebody()
    refused(await begin(admin, admin), 403, "IMPERSONATION_NOT_ALLOWED")
    async with await acting(app, superadmin, admin) as client:
        answer = await client.post(f"/api/v1/admin/users/{person.user_id}/impersonate", json=REASON)
        refused(answer, 403, "IMPERSONATION_FORBIDDEN")
    refused(await begin(person, admin), 403, "PERMISSION_DENIED")


async def test_who_may_not_come_in_cannot_be_acted_as(somebody: Any, database: Database) -> None:
    admin, person = await somebody(role=ADMIN), await somebody()
    await execute(database, "UPDATE users SET is_active = false WHERE id = $1", person.user_id)
    refused(await begin(admin, person), 409, "PERSON_INACTIVE")
    answer = await admin.client.post(f"/api/v1/admin/users/{new_id()}/impersonate", json=REASON)
    refused(answer, 404, "USER_NOT_FOUND")


@pytest.mark.parametrize("reason", [None, "", "  ", "x", "x" * 501])
async def test_there_is_a_reason(somebody: Any, reason: str | None) -> None:
    admin, person = await somebody(role=ADMIN), await somebody()
    answer = await admin.client.post(f"/api/v1/admin/users/{person.user_id}/impersonate", json={"reason": reason})
    refused(answer, 422, "VALIDATION_ERROR")


async def test_the_person_sees_no_session_but_can_end_it(app: Api, somebody: Any) -> None:
    admin, person = await somebody(role=ADMIN), await somebody()
    async with await acting(app, admin, person) as client:
        assert (await person.client.get("/api/v1/auth/sessions")).json()["total"] == 1
        assert (await person.client.delete("/api/v1/auth/sessions")).status_code == 204
        refused(await client.get(ME), 401, "SESSION_ENDED")


async def test_without_its_mark_the_session_opens_nothing(app: Api, somebody: Any) -> None:
    admin, person = await somebody(role=ADMIN), await somebody()
    answer = (await begin(admin, person)).json()
    unmarked = await app.state.identity.tokens.issue(person.user_id, answer["session_id"])
    async with client_of(app, Authorization=f"Bearer {unmarked.token}") as client:
        refused(await client.get(ME), 401, "SESSION_ENDED")


async def test_the_principal_costs_one_statement(app: Api, somebody: Any, statements: Statements) -> None:
    admin, person = await somebody(role=ADMIN), await somebody()
    async with await acting(app, admin, person) as client:
        await client.get(ME)
        await statements.clear()
        await client.get(ME)
        await statements.recorded()
        assert statements.count == 1, str(statements)


ALLOWED = {f"POST {END}"}
"""What impersonation may change. A new line here needs a reason: what is written stays, and must give nobody access."""

CLOSED_READS = re.compile(r"/api/v1/(auth|admin)/|/app/api-keys")


def is_closed(route: APIRoute, method: str) -> bool:
    return method not in SAFE_METHODS or bool(CLOSED_READS.search(route.path))


async def row_counts(database: Database) -> dict[str, int]:
    """How many rows each table has, but for those that note requests."""
    async with database.session() as session:
        raw = await session.raw()
        names = [str(table.name) for table in SQLModel.metadata.sorted_tables if not table.name.startswith("audit_")]
        return {name: await raw.fetchval(f'SELECT count(*) FROM "{name}"') for name in names}


async def test_impersonation_changes_nothing_at_any_route(app: Api, somebody: Any, database: Database) -> None:
    admin, person = await somebody(role=SUPERADMIN), await somebody(role=ADMIN)
    team = (await person.client.post("/api/v1/app/teams", json={"name": "Theirs"})).json()["id"]
    tried = set()
    async with await acting(app, admin, person) as client:
        before = await row_counts(database)
        for route in app.routes:
            if not isinstance(route, APIRoute) or not depends_on(current_principal, route.dependant):
                continue
            path = re.sub(
                r"\{[^}]*\}", lambda name: team if name[0] == "{team_id}" else str(person.user_id), route.path
            )
            for method in route.methods or ():
                if f"{method} {route.path}" in ALLOWED:
                    continue
                answer = await client.request(method, path, json={} if method != "GET" else None)
                if is_closed(route, method):
                    refused(answer, 403, "IMPERSONATION_FORBIDDEN")
                    tried.add(f"{method} {route.path}")
                else:
                    assert "IMPERSONATION_FORBIDDEN" not in answer.text, path
        assert await row_counts(database) == before
    assert len(tried) > 60
    assert (await person.client.get(ME)).status_code == 200


def test_routes_open_to_impersonation_are_the_allowed_ones(app: Api) -> None:
    declared = {
        f"{method} {route.path}"
        for route in app.routes
        if isinstance(route, APIRoute) and getattr(route.endpoint, "__open_to_impersonation__", False)
        for method in route.methods
    }
    assert declared == ALLOWED
