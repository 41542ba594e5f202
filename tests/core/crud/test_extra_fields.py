"""Fields that an extension adds to users, teams and projects: in the routes, the audit log and its own code."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx2 import AsyncClient, Response
from pydantic import ValidationError

from tests.core.crud.conftest import Guesthouse, SignUp
from undercroft.core.auth import PlatformRole
from undercroft.core.context import use_context
from undercroft.core.db import tenant
from undercroft.core.db.connect import open_connection
from undercroft.core.db.tenancy import TenantContextMissing
from undercroft.core.errors import NotFound
from undercroft.core.http import Surface
from undercroft.core.http.extended_schemas import extended
from undercroft.modules.projects import Project, ProjectResource
from undercroft.modules.users import UserService
from undercroft.modules.users.service import erase_deleted
from undercroft.testing.statements import StatementRecorder
from undercroft.testing.users import SignedInUser

APP, ADMIN = Surface.APP.prefix, Surface.ADMIN.prefix
ME, TEAMS, PROJECTS, USERS = f"{APP}/users/me", f"{APP}/teams", f"{APP}/projects", f"{ADMIN}/users"
NO_STAY = {
    "budget": "10.50",
    "due_on": None,
    "contact": "reception",
    "labels": {},
    "arrival": None,
    "rating": 0.5,
    "guests": 1,
    "breakfast": False,
}
STAY = {
    "budget": "99.90",
    "due_on": "2031-05-06",
    "contact": None,
    "labels": {"floor": 2, "view": ["sea"]},
    "arrival": "2031-05-04T20:00:00Z",
    "rating": 0.25,
    "guests": -2_147_483_648,
    "breakfast": True,
}
NO_GUEST = {"loyalty_level": "none", "nickname": None, "room_type": None, "nights": 0}
NO_HOUSE = {"vat_id": None, "tags": []}


def pick(body: dict[str, Any], names: Any) -> dict[str, Any]:
    return {name: body[name] for name in names}


def error_of(response: Response) -> tuple[int, str, Any]:
    error = response.json()["error"]
    return response.status_code, error["code"], error["details"]


async def ok(response: Awaitable[Response]) -> Any:
    received = await response
    assert received.is_success, received.text
    return received.json()


async def fetch(guesthouse: Guesthouse, query: str, *arguments: Any) -> list[Any]:
    """The rows of a query as the owner of the tables."""
    async with open_connection(guesthouse.owner_url) as connection:
        return [tuple(row.values()) for row in await connection.fetch(query, *arguments)]


async def every_read_of_user(person: SignedInUser, admin: SignedInUser) -> list[dict[str, Any]]:
    users = await ok(admin.client.get(USERS, params={"q": person.email}))
    cursor = await ok(admin.client.get(USERS, params={"limit": 100}))
    return [
        await ok(person.client.get(ME)),
        await ok(admin.client.get(f"{USERS}/{person.user_id}")),
        *users["items"],
        *(each for each in cursor["items"] if each["id"] == str(person.user_id)),
    ]


async def test_user_has_defaults_until_fields_are_set(sign_up: SignUp) -> None:
    guest, other, admin = await sign_up(), await sign_up(), await sign_up(role=PlatformRole.ADMIN)
    assert [pick(each, NO_GUEST) for each in await every_read_of_user(guest, admin)] == [NO_GUEST] * 4
    changed = await ok(guest.client.patch(ME, json={"nickname": "Ada", "timezone": "Europe/Rome"}))
    assert pick(changed, ("nickname", "timezone", "nights")) == {
        "nickname": "Ada",
        "timezone": "Europe/Rome",
        "nights": 0,
    }
    promoted = await ok(admin.client.patch(f"{USERS}/{guest.user_id}", json={"loyalty_level": "gold"}))
    expected = {**NO_GUEST, "loyalty_level": "gold", "nickname": "Ada"}
    assert pick(promoted, expected) == expected
    assert [pick(each, expected) for each in await every_read_of_user(guest, admin)] == [expected] * 4
    assert [pick(each, NO_GUEST) for each in await every_read_of_user(other, admin)] == [NO_GUEST] * 4
    for action in ("deactivate", "activate"):
        assert pick(await ok(admin.client.post(f"{USERS}/{guest.user_id}/{action}")), expected) == expected


async def test_profile_change_without_extra_fields_returns_the_stored_ones(sign_up: SignUp) -> None:
    guest = await sign_up()
    await ok(guest.client.patch(ME, json={"nickname": "Ada"}))
    changed = await ok(guest.client.patch(ME, json={"full_name": "Ada Lovelace"}))
    assert (changed["full_name"], changed["nickname"]) == ("Ada Lovelace", "Ada")
    emptied = await ok(guest.client.patch(ME, json={"nickname": None}))
    assert (emptied["full_name"], emptied["nickname"]) == ("Ada Lovelace", None)


async def test_api_key_reads_the_fields(sign_up: SignUp) -> None:
    guest = await sign_up()
    await ok(guest.client.patch(ME, json={"nickname": "Ada"}))
    key = await ok(guest.client.post(f"{APP}/api-keys", json={"name": "CI"}))
    profile = await ok(guest.client.get(ME, headers={"Authorization": f"Bearer {key['key']}"}))
    assert profile["nickname"] == "Ada"


async def every_read_of_team(client: AsyncClient, admin: AsyncClient, team_id: str) -> list[dict[str, Any]]:
    lists = [await ok(client.get(TEAMS)), await ok(admin.get(f"{ADMIN}/teams", params={"size": 100}))]
    return [
        await ok(client.get(f"{TEAMS}/{team_id}")),
        await ok(admin.get(f"{ADMIN}/teams/{team_id}")),
        *(each for found in lists for each in found["items"] if each["id"] == team_id),
    ]


async def test_team_is_created_changed_and_restored_with_fields(sign_up: SignUp) -> None:
    person, admin = await sign_up(), await sign_up(role=PlatformRole.ADMIN)
    plain = await ok(person.client.post(TEAMS, json={"name": "Plain"}))
    assert pick(plain, NO_HOUSE) == NO_HOUSE
    created = await ok(person.client.post(TEAMS, json={"name": "House", "vat_id": "DE123", "tags": ["spa"]}))
    expected = {"vat_id": "DE123", "tags": ["spa"]}
    assert pick(created, expected) == expected
    reads = await every_read_of_team(person.client, admin.client, created["id"])
    assert [pick(each, expected) for each in reads] == [expected] * 4
    path = f"{TEAMS}/{created['id']}"
    changed = await ok(person.client.patch(path, json={"name": "Inn", "vat_id": None}))
    assert pick(changed, ("name", "vat_id", "tags")) == {"name": "Inn", "vat_id": None, "tags": ["spa"]}
    assert (await ok(person.client.patch(path, json={"tags": []})))["tags"] == []
    await ok(person.client.patch(path, json={"tags": ["bar"]}))
    await delete_team(admin.client, created["id"])
    restored = await ok(admin.client.post(f"{ADMIN}/teams/{created['id']}/restore"))
    assert (restored["vat_id"], restored["tags"]) == (None, ["bar"])


async def delete_team(admin: AsyncClient, team_id: str) -> None:
    assert (await admin.delete(f"{ADMIN}/teams/{team_id}")).status_code == 204


async def every_read_of_project(client: AsyncClient, project: dict[str, Any]) -> list[dict[str, Any]]:
    lists = [
        await ok(client.get(PROJECTS, params=params))
        for params in ({}, {"sort": "name"}, {"limit": "5"}, {"q": project["name"]}, {"status": "active"})
    ]
    return [
        await ok(client.get(f"{PROJECTS}/{project['id']}")),
        *(each for found in lists for each in found["items"] if each["id"] == project["id"]),
    ]


@pytest.mark.parametrize(
    "given",
    [{}, {"contact": None}, {"arrival": "2031-05-04T22:00:00+02:00"}, {"labels": {"a": "'; --"}}, STAY],
    ids=str,
)
async def test_project_is_created_with_fields(sign_up: SignUp, given: dict[str, Any]) -> None:
    client = (await sign_up()).client
    await ok(client.post(PROJECTS, json={"name": "Other", "contact": "other"}))
    expected = {**NO_STAY, **given}
    if "+02:00" in str(expected["arrival"]):
        expected["arrival"] = "2031-05-04T20:00:00Z"
    created = await ok(client.post(PROJECTS, json={"name": "Website", **given}))
    assert pick(created, expected) == expected
    reads = await every_read_of_project(client, created)
    assert [pick(each, expected) for each in reads] == [expected] * 6


async def test_project_change_has_a_new_version(sign_up: SignUp) -> None:
    client = (await sign_up()).client
    path = f"{PROJECTS}/{(await ok(client.post(PROJECTS, json={'name': 'Website'})))['id']}"
    first = await client.get(path)
    changed = await client.patch(path, json=STAY, headers={"If-Match": first.headers["ETag"]})
    assert (changed.headers["ETag"], changed.json()["version"]) == ('"2"', 2)
    assert pick(changed.json(), STAY) == STAY
    assert changed.json()["updated_at"] > first.json()["updated_at"]
    read = await client.get(path)
    assert (read.headers["ETag"], read.json()) == ('"2"', changed.json())
    assert (await client.get(path, headers={"If-None-Match": '"2"'})).status_code == 304
    outdated = await client.patch(path, json={"contact": "x"}, headers={"If-Match": '"1"'})
    assert error_of(outdated) == (412, "PRECONDITION_FAILED", {"version": 2})
    same = await client.patch(path, json={"contact": None, "budget": "99.9"})
    assert (same.headers["ETag"], pick(same.json(), STAY)) == ('"2"', STAY)
    named = await ok(client.patch(path, json={"name": "Shop"}))
    assert (named["version"], pick(named, STAY)) == (3, STAY)


async def test_deleted_and_restored_project_has_its_fields(sign_up: SignUp) -> None:
    client = (await sign_up()).client
    created = await ok(client.post(PROJECTS, json={"name": "Website", **STAY}))
    path = f"{PROJECTS}/{created['id']}"
    assert (await client.delete(path)).status_code == 204
    restored = await ok(client.post(f"{path}/restore"))
    assert pick(restored, STAY) == STAY
    assert pick(await ok(client.get(path)), STAY) == STAY


INVALID: Sequence[tuple[str, str, dict[str, Any], str]] = (
    ("POST", PROJECTS, {"name": "x", "budget": -1}, "body.budget"),
    ("POST", PROJECTS, {"name": "x", "budget": "1e999"}, "body.budget"),
    ("POST", PROJECTS, {"name": "x", "due_on": "2031-02-30"}, "body.due_on"),
    ("POST", PROJECTS, {"name": "x", "labels": ["a"]}, "body.labels"),
    ("POST", PROJECTS, {"name": "x", "unknown": 1}, "body.unknown"),
    ("PATCH", "project", {"budget": None}, "body.budget"),
    ("PATCH", "project", {"arrival": "2031-05-04T20:00:00"}, "body.arrival"),
    ("PATCH", "project", {"arrival": "2031-05-04"}, "body.arrival"),
    ("POST", PROJECTS, {"name": "x", "arrival": "9999-12-31T23:59:59-12:00"}, "body.arrival"),
    ("POST", PROJECTS, {"name": "x", "arrival": "0001-01-01T00:00:00+12:00"}, "body.arrival"),
    ("PATCH", "project", {"rating": "NaN"}, "body.rating"),
    ("PATCH", "project", {"rating": "-Infinity"}, "body.rating"),
    ("PATCH", "project", {"guests": 2_147_483_648}, "body.guests"),
    ("POST", PROJECTS, {"name": "x", "guests": -2_147_483_649}, "body.guests"),
    ("PATCH", "project", {"contact": "a\x00b"}, "body.contact"),
    ("PATCH", "project", {"contact": "a\x00"}, "body.contact"),
    ("POST", TEAMS, {"name": "x", "vat_id": "D" * 21}, "body.vat_id"),
    ("PATCH", "team", {"tags": ["a"] * 6}, "body.tags"),
    ("PATCH", "team", {"tags": [1]}, "body.tags.0"),
    ("PATCH", ME, {"nickname": ""}, "body.nickname"),
    ("PATCH", ME, {"nickname": "a\nb"}, "body.nickname"),
    ("PATCH", ME, {"loyalty_level": "gold"}, "body.loyalty_level"),
    ("PATCH", ME, {"nights": 3}, "body.nights"),
    ("PATCH", ME, {"notes": "VIP"}, "body.notes"),
)


@pytest.mark.parametrize(("method", "path", "body", "field"), INVALID, ids=str)
async def test_invalid_value_is_refused_with_the_path_of_the_field(
    sign_up: SignUp, method: str, path: str, body: dict[str, Any], field: str
) -> None:
    person = await sign_up()
    if path == "project":
        path = f"{PROJECTS}/{(await ok(person.client.post(PROJECTS, json={'name': 'x'})))['id']}"
    elif path == "team":
        path = f"{TEAMS}/{person.team_id}"
    status, code, details = error_of(await person.client.request(method, path, json=body))
    assert (status, code, [each["field"] for each in details["fields"]]) == (422, "VALIDATION_ERROR", [field])


@pytest.mark.parametrize("body", [{"contact": "a\x00b"}, {"labels": {"a": "\x00"}}], ids=repr)
async def test_text_that_the_database_cannot_store_is_refused(sign_up: SignUp, body: dict[str, Any]) -> None:
    client = (await sign_up()).client
    path = f"{PROJECTS}/{(await ok(client.post(PROJECTS, json={'name': 'x'})))['id']}"
    for method, target in (("POST", PROJECTS), ("PATCH", path)):
        refused = await client.request(method, target, json={"name": "x", **body})
        assert refused.status_code == 422, refused.text
    assert pick(await ok(client.get(path)), NO_STAY) == NO_STAY


async def test_permissions_of_the_route_apply(sign_up: SignUp) -> None:
    person = await sign_up()
    for scopes, expected in (["projects:read"], 403), (["projects:read", "projects:write"], 201):
        key = await ok(person.client.post(f"{APP}/api-keys", json={"name": "CI", "scopes": scopes}))
        headers = {"Authorization": f"Bearer {key['key']}"}
        created = await person.client.post(PROJECTS, json={"name": "x", "contact": "y"}, headers=headers)
        assert created.status_code == expected, created.text


async def test_audit_entry_has_the_fields(guesthouse: Guesthouse, sign_up: SignUp) -> None:
    person, admin = await sign_up(), await sign_up(role=PlatformRole.ADMIN)
    created = await ok(person.client.post(PROJECTS, json={"name": "Website", "budget": "5.00"}))
    await ok(person.client.patch(f"{PROJECTS}/{created['id']}", json={"budget": "6.00", "due_on": "2031-05-06"}))
    await ok(person.client.patch(ME, json={"nickname": "Ada"}))
    entries = (await ok(admin.client.get(f"{ADMIN}/audit-logs", params={"actor": str(person.user_id)})))["items"]
    found = {each["action"]: (each["before"], each["after"]) for each in entries}
    assert found["project.created"][1]["budget"] == "5.00"
    assert "due_on" not in found["project.created"][1]
    assert found["project.changed"] == (
        {"budget": "5.00", "due_on": None},
        {"budget": "6.00", "due_on": "2031-05-06"},
    )
    assert found["user.profile_changed"] == ({"nickname": None}, {"nickname": "Ada"})
    stored = await fetch(
        guesthouse,
        "SELECT after::text FROM audit_entries WHERE action = 'user.profile_changed' AND user_id = $1",
        person.user_id,
    )
    assert "Ada" not in str(stored)  # personal values are stored apart, where they can be erased


async def test_concurrent_changes_of_different_fields_are_all_stored(sign_up: SignUp) -> None:
    guest, admin = await sign_up(), await sign_up(role=PlatformRole.ADMIN)
    for number in range(5):
        level = ("gold", "none")[number % 2]
        await asyncio.gather(
            ok(guest.client.patch(ME, json={"nickname": f"n{number}"})),
            ok(admin.client.patch(f"{USERS}/{guest.user_id}", json={"loyalty_level": level})),
            ok(guest.client.patch(ME, json={"full_name": f"f{number}"})),
        )
        profile = await ok(guest.client.get(ME))
        assert (profile["nickname"], profile["loyalty_level"], profile["full_name"]) == (
            f"n{number}",
            level,
            f"f{number}",
        )


async def test_change_that_waited_for_another_one_sees_its_fields(guesthouse: Guesthouse, sign_up: SignUp) -> None:
    """The first row of the fields is inserted while the second request waits for the lock of the user."""
    guest, admin = await sign_up(), await sign_up(role=PlatformRole.ADMIN)
    with use_context(guesthouse.app.context):
        async with guesthouse.database.session() as session:
            await guesthouse.fields.GuestFields.set(session, guest.user_id, nights=7, nickname="First")
            waiting = asyncio.create_task(
                ok(admin.client.patch(f"{USERS}/{guest.user_id}", json={"nickname": "Second"}))
            )
            await wait_until_blocked(guesthouse)
    assert pick(await waiting, ("nights", "nickname")) == {"nights": 7, "nickname": "Second"}
    entries = (await ok(admin.client.get(f"{ADMIN}/audit-logs", params={"action": "user.changed"})))["items"]
    changed = next(each for each in entries if each["target_id"] == str(guest.user_id))
    assert (changed["before"], changed["after"]) == ({"nickname": "First"}, {"nickname": "Second"})


async def wait_until_blocked(guesthouse: Guesthouse) -> None:
    blocked = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with asyncio.timeout(10), open_connection(guesthouse.manager_url) as connection:
        while not await connection.fetchval(blocked):
            await asyncio.sleep(0.01)


async def test_concurrent_project_changes_do_not_overwrite_each_other(sign_up: SignUp) -> None:
    client = (await sign_up()).client
    path = f"{PROJECTS}/{(await ok(client.post(PROJECTS, json={'name': 'x'})))['id']}"
    changes = [client.patch(path, json={"contact": f"c{number}"}, headers={"If-Match": '"1"'}) for number in range(6)]
    statuses = sorted([response.status_code for response in await asyncio.gather(*changes)])
    assert statuses == [200, *[412] * 5]
    assert (await ok(client.get(path)))["version"] == 2


CALLS: Sequence[tuple[str, Callable[[SignedInUser, SignedInUser, str], Awaitable[Response]]]] = (
    ("me", lambda user, _admin, _id: user.client.get(ME)),
    ("update me", lambda user, _admin, _id: user.client.patch(ME, json={"full_name": uuid4().hex})),
    ("list users", lambda _user, admin, _id: admin.client.get(USERS)),
    ("list users by cursor", lambda _user, admin, _id: admin.client.get(USERS, params={"limit": 5})),
    ("read user", lambda user, admin, _id: admin.client.get(f"{USERS}/{user.user_id}")),
    ("list teams", lambda user, _admin, _id: user.client.get(TEAMS)),
    ("read team", lambda user, _admin, _id: user.client.get(f"{TEAMS}/{user.team_id}")),
    ("update team", lambda user, _a, _id: user.client.patch(f"{TEAMS}/{user.team_id}", json={"name": uuid4().hex})),
    ("create team", lambda user, _admin, _id: user.client.post(TEAMS, json={"name": uuid4().hex})),
    ("list projects", lambda user, _admin, _id: user.client.get(PROJECTS)),
    ("search projects", lambda user, _admin, _id: user.client.get(PROJECTS, params={"q": "x", "sort": "name"})),
    ("list projects by cursor", lambda user, _admin, _id: user.client.get(PROJECTS, params={"limit": 5})),
    ("read project", lambda user, _admin, key: user.client.get(f"{PROJECTS}/{key}")),
    ("create project", lambda user, _admin, _id: user.client.post(PROJECTS, json={"name": "x"})),
    ("update project", lambda user, _admin, key: user.client.patch(f"{PROJECTS}/{key}", json={"name": uuid4().hex})),
)
WRITES: Sequence[tuple[str, Callable[[SignedInUser, SignedInUser, str], Awaitable[Response]]]] = (
    ("update me", lambda user, _a, _id: user.client.patch(ME, json={"full_name": uuid4().hex, "nickname": "x"})),
    ("update team", lambda user, _a, _id: user.client.patch(f"{TEAMS}/{user.team_id}", json={"tags": [uuid4().hex]})),
    ("create team", lambda user, _admin, _id: user.client.post(TEAMS, json={"name": uuid4().hex, "tags": ["x"]})),
    ("create project", lambda user, _admin, _id: user.client.post(PROJECTS, json={"name": "x", **STAY})),
    ("update project", lambda user, _admin, key: user.client.patch(f"{PROJECTS}/{key}", json={"contact": uuid4().hex})),
)
LISTS: Sequence[tuple[str, Callable[[SignedInUser, SignedInUser, str], Awaitable[Response]]]] = (
    ("list users", lambda _user, admin, _id: admin.client.get(USERS, params={"sort": "-nights", "nights": 0})),
    ("list teams", lambda user, _admin, _id: user.client.get(TEAMS, params={"sort": "vat_id"})),
    ("list projects", lambda user, _admin, _id: user.client.get(PROJECTS, params={"sort": "guests", "guests": 1})),
    ("list projects by cursor", lambda user, _admin, _id: user.client.get(PROJECTS, params={"limit": 5, "guests": 1})),
)


async def count_statements(
    guesthouse: Guesthouse, sign_up: SignUp, statements: StatementRecorder, calls: Any, *, extra: bool
) -> dict[str, int]:
    app = guesthouse.app if extra else guesthouse.plain
    user, admin = await sign_up(app), await sign_up(app, role=PlatformRole.ADMIN)
    project = (await ok(user.client.post(PROJECTS, json={"name": "x"})))["id"]
    counts = {}
    for name, call in calls:
        await ok(call(user, admin, project))  # the first request of a process builds what it needs
        await statements.clear()
        await ok(call(user, admin, project))
        await statements.get_all()
        counts[name] = statements.count
    return counts


async def test_fields_need_no_further_statement(
    guesthouse: Guesthouse, sign_up: SignUp, statements: StatementRecorder
) -> None:
    without = await count_statements(guesthouse, sign_up, statements, CALLS, extra=False)
    assert await count_statements(guesthouse, sign_up, statements, CALLS, extra=True) == without
    assert without["me"] == 1
    lists = await count_statements(guesthouse, sign_up, statements, LISTS, extra=True)
    assert lists == {name: without[name] for name in lists}
    written = await count_statements(guesthouse, sign_up, statements, WRITES, extra=True)
    assert written == {name: without[name] for name in written}


async def test_other_application_in_the_process_has_no_extra_fields(guesthouse: Guesthouse, sign_up: SignUp) -> None:
    person = await sign_up(guesthouse.plain)
    assert not NO_GUEST.keys() & (await ok(person.client.get(ME))).keys()
    created = await ok(person.client.post(PROJECTS, json={"name": "x"}))
    assert not NO_STAY.keys() & created.keys()
    assert error_of(await person.client.post(PROJECTS, json={"name": "x", "contact": "y"}))[0] == 422
    for name in ("ProfileRead", "UserAdminUpdate", "TeamCreate", "TeamAdminRead", "ProjectRead", "ProjectUpdate"):
        own, other = (
            set(app.openapi()["components"]["schemas"][name]["properties"])
            for app in (guesthouse.app, guesthouse.plain)
        )
        assert other < own, name
        assert own - other <= {*NO_GUEST, *NO_HOUSE, *NO_STAY}
    hidden = [
        "notes" in schema.get("properties", {}) for schema in guesthouse.app.openapi()["components"]["schemas"].values()
    ]
    assert not any(hidden)


async def test_openapi_describes_the_fields(guesthouse: Guesthouse) -> None:
    schemas = guesthouse.app.openapi()["components"]["schemas"]
    read, create, update = (schemas[f"Project{name}"] for name in ("Read", "Create", "Update"))
    assert NO_STAY.keys() <= set(read["required"])
    assert create["required"] == ["name"]
    assert "required" not in update
    assert create["properties"]["contact"]["description"] == "Contact."
    assert schemas["ProfileRead"]["properties"]["loyalty_level"]["$ref"] == "#/components/schemas/Level"
    assert [name for name in schemas if "__" in name] == []


async def test_rows_of_other_teams_are_invisible(guesthouse: Guesthouse, sign_up: SignUp) -> None:
    owner, stranger = await sign_up(), await sign_up()
    created = await ok(owner.client.post(PROJECTS, json={"name": "Website", "contact": "secret"}))
    path = f"{PROJECTS}/{created['id']}"
    for method, body in (("GET", None), ("PATCH", {"contact": "x"}), ("DELETE", None)):
        response = await stranger.client.request(method, path, json=body)
        assert error_of(response)[:2] == (404, "PROJECT_NOT_FOUND")
    assert (await ok(stranger.client.get(PROJECTS)))["items"] == []
    query = "SELECT contact FROM guesthouse_project_fields WHERE id = $1"
    for team, visible in ((owner.team_id, ["secret"]), (stranger.team_id, [])):
        with tenant(team):
            async with guesthouse.database.session() as session:
                rows = await (await session.raw()).fetch(query, UUID(created["id"]))
        assert [row["contact"] for row in rows] == visible
    assert await fetch(guesthouse, query, UUID(created["id"])) == [("secret",)]


async def test_extension_reads_and_changes_fields(guesthouse: Guesthouse, sign_up: SignUp) -> None:
    fields, guest = guesthouse.fields.GuestFields, await sign_up()
    before = await ok(guest.client.get(ME))
    with use_context(guesthouse.app.context):
        async with guesthouse.database.session() as session:
            assert (await fields.of(session, guest.user_id)).loyalty_level == "none"
            await fields.set(session, guest.user_id, nights=3, notes="VIP")
            stored = await fields.of(session, guest.user_id)
            assert (stored.nights, stored.notes, stored.nickname) == (3, "VIP", None)
        async with guesthouse.database.read_session() as session:
            assert (await fields.of(session, guest.user_id)).notes == "VIP"
        for values, error in (({"nights": "many"}, ValidationError), ({"night": 1}, TypeError)):
            with pytest.raises(error):
                async with guesthouse.database.session() as session:
                    await fields.set(session, guest.user_id, **values)
        with pytest.raises(NotFound):
            async with guesthouse.database.session() as session:
                await fields.set(session, uuid4(), nights=1)
    after = await ok(guest.client.get(ME))
    assert (after["nights"], after["updated_at"] > before["updated_at"]) == (3, True)


async def test_extension_changes_fields_of_a_team_in_its_context(guesthouse: Guesthouse, sign_up: SignUp) -> None:
    fields, owner, stranger = guesthouse.fields.StayFields, await sign_up(), await sign_up()
    key = UUID((await ok(owner.client.post(PROJECTS, json={"name": "Website"})))["id"])
    with use_context(guesthouse.app.context):
        with tenant(owner.team_id):
            async with guesthouse.database.session() as session:
                await fields.set(session, key, contact="desk")
                assert (await fields.of(session, key)).contact == "desk"
        with tenant(stranger.team_id):
            async with guesthouse.database.session() as session:
                assert (await fields.of(session, key)).contact == "reception"
                with pytest.raises(NotFound):
                    await fields.set(session, key, contact="x")
        with pytest.raises(TenantContextMissing):
            async with guesthouse.database.session() as session:
                await fields.of(session, key)
    read = await owner.client.get(f"{PROJECTS}/{key}")
    assert (read.json()["contact"], read.headers["ETag"]) == ("desk", '"2"')


class LabelingResource(ProjectResource):
    """A resource whose step after the creation gets the model, which is then inserted by the ORM."""

    async def after_create(self, row: Project) -> None:
        await self.rows.update(row, {"name": f"{row.name} {row.contact}", "labels": {"made": True}})  # type: ignore[attr-defined]


async def test_step_after_the_creation_has_the_fields(guesthouse: Guesthouse, sign_up: SignUp) -> None:
    owner = await sign_up()
    with use_context(guesthouse.app.context), tenant(owner.team_id):
        schema = extended(ProjectResource.create_schema)
        async with guesthouse.database.session() as session:
            projects = LabelingResource.for_team(session, owner.team_id, owner.user_id)
            created = await projects.create(schema(name="Website", contact="desk"))
    read = await ok(owner.client.get(f"{PROJECTS}/{created['id']}"))
    expected = {"name": "Website desk", "version": 2, **NO_STAY, "contact": "desk", "labels": {"made": True}}
    assert pick(read, expected) == expected


async def test_fields_of_a_user_are_erased_with_the_account(guesthouse: Guesthouse, sign_up: SignUp) -> None:
    guest, other = await sign_up(), await sign_up()
    for person in (guest, other):
        await ok(person.client.patch(ME, json={"nickname": "Ada"}))
    with use_context(guesthouse.app.context):
        async with guesthouse.database.session() as session:
            await UserService(session).delete(guest.user_id)
        async with guesthouse.database.session() as session:
            erased = await erase_deleted(session, guest.user_id)
    assert erased["guesthouse_user_fields"] == 1
    query = "SELECT id FROM guesthouse_user_fields WHERE id = ANY($1)"
    assert await fetch(guesthouse, query, [guest.user_id, other.user_id]) == [(other.user_id,)]


async def test_row_follows_the_entity(guesthouse: Guesthouse, sign_up: SignUp) -> None:
    owner = await sign_up()
    created = await ok(owner.client.post(PROJECTS, json={"name": "Website", "contact": "x"}))
    key = UUID(created["id"])
    await fetch(guesthouse, "DELETE FROM projects WHERE id = $1", key)
    assert await fetch(guesthouse, "SELECT 1 FROM guesthouse_project_fields WHERE id = $1", key) == []


async def create_projects(person: SignedInUser, **fields: list[Any]) -> None:
    """Create projects named `a`, `b`, … with these values, each of which may be missing (...)."""
    for name, *values in zip("abcdefgh", *fields.values(), strict=False):
        given = {field: value for field, value in zip(fields, values, strict=True) if value is not ...}
        await ok(person.client.post(PROJECTS, json={"name": name, **given}))


async def list_names(person: SignedInUser, **params: Any) -> str:
    found = await ok(person.client.get(PROJECTS, params=params))
    assert params.get("limit") or found["total"] == len(found["items"])
    return "".join(each["name"] for each in found["items"])


async def test_list_is_sorted_by_extra_fields(sign_up: SignUp) -> None:
    person, stranger = await sign_up(), await sign_up()
    await create_projects(stranger, guests=[7, 8])
    await create_projects(
        person, guests=[3, ..., 0, 2], budget=["10.50", "2", ..., "99"], due_on=["2031-01-02", ..., None, ...]
    )
    assert await list_names(person, sort="guests") == "cbda"
    assert await list_names(person, sort="-guests") == "adbc"
    assert await list_names(person, sort="budget") == "bacd"
    assert (await list_names(person, sort="due_on"))[0] == "a"
    pages = [
        await person.client.get(PROJECTS, params={"sort": "guests", "size": 1, "page": page}) for page in (1, 2, 3, 4)
    ]
    assert "".join(each.json()["items"][0]["name"] for each in pages) == "cbda"
    refused = error_of(await person.client.get(PROJECTS, params={"sort": "contact"}))
    assert refused[:2] == (422, "UNKNOWN_SORT")
    assert refused[2]["allowed"][-3:] == ["guests", "budget", "due_on"]


async def test_list_is_filtered_by_extra_fields(sign_up: SignUp) -> None:
    person, stranger = await sign_up(), await sign_up()
    await create_projects(stranger, contact=["bar", ...])
    await create_projects(person, contact=["bar", ..., None, "reception"], guests=[..., 5, 5, ...])
    for params, names in (
        ({"contact": "bar"}, "a"),
        ({"contact": "reception"}, "bd"),  # the default, stored or not
        ({"contact": "missing"}, ""),
        ({"contact": ""}, ""),
        ({"guests": 1}, "ad"),
        ({"guests": 5, "contact": "reception"}, "b"),
        ({"breakfast": "true"}, ""),
        ({"breakfast": "false", "guests": 5, "sort": "-contact"}, None),
        ({"budget": "10.5", "q": "a"}, "a"),
    ):
        if names is None:
            assert (await person.client.get(PROJECTS, params=params)).status_code == 422
        else:
            assert await list_names(person, **{"sort": "name", **params}) == names, params
    for invalid in ({"guests": "many"}, {"breakfast": "perhaps"}, {"contact": "a\x00"}, {"guests": 2**40}):
        assert error_of(await person.client.get(PROJECTS, params=invalid))[:2] == (422, "VALIDATION_ERROR"), invalid


async def test_filtered_cursor_pages_are_complete_while_rows_are_inserted(sign_up: SignUp) -> None:
    person = await sign_up()
    await create_projects(person, guests=[5, ..., 5, 5, ...])
    params, names = {"guests": 5, "limit": 1}, ""
    for _ in range(3):
        page = await ok(person.client.get(PROJECTS, params=params))
        names += "".join(each["name"] for each in page["items"])
        await ok(person.client.post(PROJECTS, json={"name": "new", "guests": 5}))
        params |= {"cursor": page["next_cursor"]}
    assert (names, page["next_cursor"]) == ("dca", None)


async def test_users_and_teams_are_sorted_and_filtered(sign_up: SignUp) -> None:
    guest, admin = await sign_up(), await sign_up(role=PlatformRole.ADMIN)
    nickname = uuid4().hex
    await ok(guest.client.patch(ME, json={"nickname": nickname}))
    await ok(admin.client.patch(f"{USERS}/{guest.user_id}", json={"loyalty_level": "gold"}))
    for params in ({"nickname": nickname}, {"nickname": nickname, "loyalty_level": "gold", "role": "user", "limit": 5}):
        assert [each["id"] for each in (await ok(admin.client.get(USERS, params=params)))["items"]] == [
            str(guest.user_id)
        ]
    assert (await ok(admin.client.get(USERS, params={"nickname": nickname, "loyalty_level": "none"})))["items"] == []
    found = await ok(admin.client.get(USERS, params={"sort": "nickname", "loyalty_level": "gold"}))
    assert str(guest.user_id) in {each["id"] for each in found["items"]}
    vat_ids = [f"{kind}{uuid4().hex[:8]}" for kind in "ZA"]
    for vat_id in vat_ids:
        await ok(guest.client.post(TEAMS, json={"name": vat_id, "vat_id": vat_id}))
    own = await ok(guest.client.get(TEAMS, params={"sort": "vat_id"}))
    assert [each["vat_id"] for each in own["items"]] == [*sorted(vat_ids), None]
    for person, path in ((guest, TEAMS), (admin, f"{ADMIN}/teams")):
        found = await ok(person.client.get(path, params={"vat_id": vat_ids[0]}))
        assert [each["vat_id"] for each in found["items"]] == [vat_ids[0]]
    assert (await ok(admin.client.get(TEAMS, params={"vat_id": vat_ids[0]})))["items"] == []


async def test_only_the_application_with_the_extension_has_the_parameters(
    guesthouse: Guesthouse, sign_up: SignUp
) -> None:
    operations = (PROJECTS, USERS, TEAMS, f"{ADMIN}/teams")
    with_fields, plain = (
        [{each["name"]: each for each in app.openapi()["paths"][path]["get"]["parameters"]} for path in operations]
        for app in (guesthouse.app, guesthouse.plain)
    )
    added = [own.keys() - other.keys() for own, other in zip(with_fields, plain, strict=True)]
    assert added == [
        {"guests", "contact", "due_on", "budget", "breakfast", "rating"},
        {"loyalty_level", "nickname", "nights"},
        {"vat_id"},
        {"vat_id"},
    ]
    assert {"guests", "-guests", "due_on"} <= set(with_fields[0]["sort"]["schema"]["enum"])
    assert "guests" not in plain[0]["sort"]["schema"]["enum"]
    assert with_fields[0]["contact"]["description"] == "Returns only items with this value. Contact."
    other = await sign_up(guesthouse.plain)
    assert error_of(await other.client.get(PROJECTS, params={"sort": "guests"}))[:2] == (422, "UNKNOWN_SORT")
    assert (await other.client.get(PROJECTS, params={"guests": "many"})).status_code == 200


async def test_deprecated_field_is_marked_and_reported(guesthouse: Guesthouse, sign_up: SignUp) -> None:
    document = guesthouse.app.openapi()
    for name in ("ProjectRead", "ProjectCreate", "ProjectUpdate"):
        rating = document["components"]["schemas"][name]["properties"]["rating"]
        assert (rating["deprecated"], "Use `loyalty_level`." in rating["description"]) == (True, True), name
    (parameter,) = (each for each in document["paths"][PROJECTS]["get"]["parameters"] if each["name"] == "rating")
    assert parameter["deprecated"]
    client = (await sign_up()).client
    for body, reported in (({"name": "x", "rating": 0.5}, True), ({"name": "x"}, False)):
        created = await client.post(PROJECTS, json=body)
        assert (created.status_code, "deprecation" in created.headers) == (201, reported)
    for params, reported in (({"rating": 0.5}, True), ({"guests": 1}, False)):
        assert ("deprecation" in (await client.get(PROJECTS, params=params)).headers) == reported
