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

from tests.modules.audit.entries import entries
from tests.modules.teams.acts import join, make_team
from undercroft.core.auth import PlatformRole
from undercroft.core.auth.guards import current_principal
from undercroft.core.db import Database
from undercroft.core.http.application import Api
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
        assert (await client.post("/api/v1/app/projects", json={"name": "For them"})).status_code == 201
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
        await client.post("/api/v1/app/projects", json={"name": "For them"})
        await client.post(END)
    started, done, ended = [
        (await entries(database, action=action))[-1]
        for action in ("impersonation.started", "project.created", "impersonation.ended")
    ]
    assert (started["user_id"], started["impersonator_id"]) == (admin.user_id, None)
    assert (started["target_id"], started["details"]["reason"]) == (person.user_id, "Ticket 4711")
    for entry in (done, ended):
        assert (entry["user_id"], entry["impersonator_id"]) == (person.user_id, admin.user_id)


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
        await client.post("/api/v1/app/projects", json={"name": "For them"})
    logs.flush()
    lines = log.getvalue().splitlines()
    assert len(lines) == 2
    assert all(line.endswith(f" impersonator={admin.user_id}") for line in lines), lines


async def test_ownership_is_not_handed_on_by_somebody_else(app: Api, somebody: Any) -> None:
    admin, owner, other, member = await somebody(role=ADMIN), await somebody(), await somebody(), await somebody()
    team = await make_team(owner.client)
    await join(app, team, member, "member")
    await join(app, team, other, "owner")
    path = f"/api/v1/app/teams/{team['id']}"
    async with await acting(app, admin, owner) as client:
        for method, at, body in (
            ("POST", "/invitations", {"email": "eve@example.com", "role": "owner"}),
            ("PATCH", f"/members/{member.user_id}", {"role": "owner"}),
            ("DELETE", f"/members/{other.user_id}", None),
            ("PATCH", "", {"auto_join_domains": ["example.com"]}),
            ("POST", "/transfer", {"user_id": str(member.user_id)}),
        ):
            refused(await client.request(method, path + at, json=body), 403, "IMPERSONATION_FORBIDDEN")
        invited = await client.post(f"{path}/invitations", json={"email": "ada@example.com", "role": "member"})
        assert invited.status_code == 201, invited.text


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


SENSITIVE = re.compile(r"/api/v1/(auth|admin)/|/app/api-keys|/transfer$|/teams/\{deleted_team_id\}/restore$")


def is_sensitive(route: APIRoute, method: str) -> bool:
    deletes = method == "DELETE" and route.path in ("/api/v1/app/users/me", "/api/v1/app/teams/{team_id}")
    return deletes or bool(SENSITIVE.search(route.path))


async def test_nothing_that_is_sensitive_is_in_reach(app: Api, somebody: Any) -> None:
    admin, person = await somebody(role=SUPERADMIN), await somebody(role=ADMIN)
    team = (await person.client.post("/api/v1/app/teams", json={"name": "Theirs"})).json()["id"]
    tried = 0
    async with await acting(app, admin, person) as client:
        for route in app.routes:
            if not isinstance(route, APIRoute) or route.path == END:
                continue
            if not depends_on(current_principal, route.dependant):
                continue
            path = re.sub(
                r"\{[^}]*\}", lambda name: team if name[0] == "{team_id}" else str(person.user_id), route.path
            )
            for method in route.methods or ():
                answer = await client.request(method, path, json={} if method != "GET" else None)
                if is_sensitive(route, method):
                    refused(answer, 403, "IMPERSONATION_FORBIDDEN")
                    tried += 1
                else:
                    assert "IMPERSONATION_FORBIDDEN" not in answer.text, path
    assert tried > 40
    assert (await person.client.get(ME)).status_code == 200


async def test_nobody_is_made_an_owner_by_who_acts_as_one(app: Api, somebody: Any) -> None:
    admin, person = await somebody(role=ADMIN), await somebody()
    team = (await person.client.post("/api/v1/app/teams", json={"name": "Theirs"})).json()["id"]
    path = f"/api/v1/app/teams/{team}"
    async with await acting(app, admin, person) as client:
        for method, end, body in (
            ("POST", "/invitations", {"email": admin.email, "role": "owner"}),
            ("PATCH", f"/members/{person.user_id}", {"role": "admin"}),
            ("PATCH", "", {"auto_join_domains": ["example.com"]}),
        ):
            refused(await client.request(method, path + end, json=body), 403, "IMPERSONATION_FORBIDDEN")
        assert (await client.post(f"{path}/invitations", json={"email": admin.email})).status_code == 201
