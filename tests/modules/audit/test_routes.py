"""Read and export the audit log."""

import csv
import json
from collections.abc import Awaitable, Callable
from io import StringIO
from typing import Any

import pytest
from httpx2 import AsyncClient

from tests.modules.audit.entries import entries
from undercroft.core.audit import Actor, ActorKind, Entry, record, use_actor
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database
from undercroft.core.ids import new_id
from undercroft.modules.audit.service import log as service
from undercroft.modules.users import User
from undercroft.testing.users import SignedInUser

CreateUser = Callable[..., Awaitable[SignedInUser]]

LOGS = "/api/v1/admin/audit-logs"
EXPORT = f"{LOGS}/export"
PROJECTS = "/api/v1/app/projects"


def team_log(team_id: Any) -> str:
    return f"/api/v1/app/teams/{team_id}/audit-logs"


async def actions(client: AsyncClient, path: str = LOGS, **params: Any) -> list[str]:
    response = await client.get(path, params=params)
    assert response.status_code == 200, response.text
    return [entry["action"] for entry in response.json()["items"]]


@pytest.fixture
async def ada(create_user: CreateUser) -> SignedInUser:
    """A user who created a project and changed it."""
    person = await create_user()
    created = await person.client.post(PROJECTS, json={"name": "Website"})
    await person.client.patch(f"{PROJECTS}/{created.json()['id']}", json={"status": "done"})
    return person


@pytest.mark.requires_module("projects")
async def test_entry_is_returned_with_all_fields(admin: AsyncClient, ada: SignedInUser) -> None:
    (entry,) = (await admin.get(LOGS, params={"action": "project.changed"})).json()["items"]
    assert entry["actor"]["kind"] == "user"
    assert entry["actor"]["user_id"] == str(ada.user_id)
    profile = (await ada.client.get("/api/v1/app/users/me")).json()
    assert (entry["actor"]["email"], entry["actor"]["full_name"]) == (ada.email, profile["full_name"])
    assert (entry["before"], entry["after"]) == ({"status": "active"}, {"status": "done"})
    assert (entry["target_type"], entry["team_id"]) == ("project", str(ada.team_id))
    assert entry["ip"] == "192.0.2.1"
    assert entry["user_agent"].startswith("python-httpx")
    assert set(entry) == {
        *("id", "occurred_at", "action", "actor", "target_type", "target_id", "team_id", "request_id"),
        *("before", "after", "details", "ip", "user_agent"),
    }


@pytest.mark.requires_module("projects")
async def test_filters_select_matching_entries(admin: AsyncClient, ada: SignedInUser, database: Database) -> None:
    changed = next(entry for entry in await entries(database) if entry["action"] == "project.changed")
    both = ["project.changed", "project.created"]
    assert await actions(admin, action="project.created") == ["project.created"]
    assert await actions(admin, action="project.*") == both
    assert await actions(admin, action="pro.*") == []
    assert await actions(admin, actor=ada.user_id, action="project.*") == both
    assert await actions(admin, actor=new_id()) == []
    assert await actions(admin, actor="command") == []
    assert await actions(admin, target="project") == both
    assert await actions(admin, target=str(changed["target_id"])) == both
    assert await actions(admin, target=f"project:{changed['target_id']}") == both
    assert await actions(admin, target=f"team:{changed['target_id']}") == []
    assert await actions(admin, team_id=ada.team_id) == both
    assert await actions(admin, request_id=changed["request_id"]) == ["project.changed"]
    moment = changed["occurred_at"].isoformat()
    assert await actions(admin, **{"from": moment, "action": "project.*"}) == ["project.changed"]
    assert await actions(admin, to=moment, action="project.*") == ["project.created"]


async def test_actor_filter_finds_impersonators_and_jobs_by_id(admin: AsyncClient, database: Database) -> None:
    ids = {name: new_id() for name in ("impersonator_id", "api_key_id", "job_id")}
    for name, value in ids.items():
        with use_actor(Actor(ActorKind.USER, user_id=new_id(), **{name: value})):
            async with database.session() as session:
                await record(session, Entry("thing.made", details={"by": name}))
    for name, value in ids.items():
        (entry,) = (await admin.get(LOGS, params={"actor": str(value)})).json()["items"]
        assert entry["actor"][name] == str(value)


@pytest.mark.parametrize(
    "params",
    [
        {"actor": "unknown"},
        {"action": "created"},
        {"action": "x'; DROP TABLE users; --"},
        {"action": "a." + "b" * 200},
        {"target": "project:123"},
        {"target": "g" * 36},
        {"team_id": "1"},
        {"request_id": "a b"},
        {"from": "yesterday"},
        {"to": "2026-13-01"},
        {"from": "2026-11-02", "to": "2026-11-01"},
        {"page": 0},
        {"size": 101},
        {"limit": 0},
        {"cursor": "made-up"},
    ],
    ids=str,
)
async def test_invalid_filters_are_refused(admin: AsyncClient, params: dict[str, Any]) -> None:
    assert (await admin.get(LOGS, params=params)).status_code == 422
    if not {"page", "size", "limit", "cursor"} & set(params):
        assert (await admin.get(EXPORT, params=params)).status_code == 422


async def test_time_filters_accept_dates_and_unescaped_offsets(admin: AsyncClient) -> None:
    for moment in ("2020-01-01", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00 02:00", "2020-01-01T00:00:00-02:00"):
        assert (await admin.get(f"{LOGS}?from={moment}")).status_code == 200, moment


async def test_offset_and_cursor_pages_return_every_entry_once(admin: AsyncClient, database: Database) -> None:
    async with database.session() as session:
        for number in range(7):
            await record(session, Entry("thing.made", details={"number": number}))
    params = {"action": "thing.made"}
    paged: list[int] = []
    for page in (1, 2, 3):
        response = (await admin.get(LOGS, params={**params, "page": page, "size": 3})).json()
        assert (response["total"], response["pages"]) == (7, 3)
        paged += [entry["details"]["number"] for entry in response["items"]]
    walked, cursor = [], None
    while True:
        response = (
            await admin.get(LOGS, params={**params, "limit": 3, **({"cursor": cursor} if cursor else {})})
        ).json()
        walked += [entry["details"]["number"] for entry in response["items"]]
        if (cursor := response["next_cursor"]) is None:
            break
    assert paged == walked == [6, 5, 4, 3, 2, 1, 0]


@pytest.mark.requires_module("projects")
@pytest.mark.parametrize("params", [{}, {"limit": "5"}])
async def test_list_runs_one_statement_besides_authentication(
    admin: AsyncClient, ada: SignedInUser, statements: Any, params: dict[str, str]
) -> None:
    await statements.clear()
    await admin.get(LOGS, params=params)
    assert statements.count == 2, str(statements)


async def test_full_log_requires_an_administrator(user: AsyncClient, client: AsyncClient) -> None:
    for path in (LOGS, EXPORT):
        assert (await user.get(path)).status_code == 403
        assert (await client.get(path)).status_code == 401


@pytest.mark.requires_module("projects")
async def test_team_log_contains_only_entries_of_the_team(
    ada: SignedInUser, stranger: AsyncClient, client: AsyncClient
) -> None:
    await stranger.post(PROJECTS, json={"name": "Other team"})
    assert await actions(ada.client, team_log(ada.team_id)) == ["project.changed", "project.created"]
    assert (await stranger.get(team_log(ada.team_id))).status_code == 404
    assert (await stranger.get(team_log(new_id()))).status_code == 404
    assert (await client.get(team_log(ada.team_id))).status_code == 401


@pytest.mark.requires_module("projects")
async def test_team_log_ignores_the_filter_for_another_team(ada: SignedInUser, create_user: CreateUser) -> None:
    other = await create_user()
    await other.client.post(PROJECTS, json={"name": "Other team"})
    assert await actions(ada.client, team_log(ada.team_id), team_id=other.team_id) == [
        "project.changed",
        "project.created",
    ]


@pytest.mark.requires_module("projects")
async def test_team_log_omits_the_origin_of_staff_and_email_addresses(ada: SignedInUser, database: Database) -> None:
    staff = new_id()
    scope = {"state": {"request_id": "r" * 8, "request_headers": {b"user-agent": b"Staff"}}, "client": ("10.1.2.3", 1)}
    from undercroft.core.audit import AuditContext

    with AuditContext(scope), use_actor(Actor(ActorKind.USER, user_id=ada.user_id, impersonator_id=staff)):
        async with database.session() as session:
            await record(session, Entry("thing.seen", team_id=ada.team_id))
    newest = (await ada.client.get(team_log(ada.team_id))).json()["items"][0]
    assert newest["actor"]["impersonator_id"] == str(staff)
    assert (newest["ip"], newest["user_agent"], newest["actor"].get("email")) == (None, None, None)


@pytest.mark.requires_module("projects")
async def test_team_log_omits_the_ip_of_administrators_but_not_of_members(
    ada: SignedInUser, create_user: CreateUser, database: Database, admin: AsyncClient
) -> None:
    """Also after the administrator has lost the role."""
    staff = await create_user(role=PlatformRole.ADMIN)
    team_id = (await ada.client.post("/api/v1/app/teams", json={"name": "Acme"})).json()["id"]
    assert (await staff.client.delete(f"/api/v1/admin/teams/{team_id}")).status_code == 204
    assert (await staff.client.post(f"/api/v1/admin/teams/{team_id}/restore")).status_code == 200
    for role in (PlatformRole.ADMIN, PlatformRole.USER):
        async with database.session() as session:
            (await session.get(User, staff.user_id)).role = role
        entries = (await ada.client.get(team_log(team_id))).json()["items"]
        assert [(entry["action"], entry["ip"], entry["user_agent"]) for entry in entries] == [
            ("team.restored", None, None),
            ("team.deleted", None, None),
            ("team.created", "192.0.2.1", entries[2]["user_agent"]),
        ]
        assert entries[2]["user_agent"]
    listed = (await admin.get("/api/v1/admin/audit-logs", params={"action": "team.restored"})).json()["items"]
    assert [entry["ip"] for entry in listed] == ["192.0.2.1"]


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("admin", 200), ("member", 403), ("viewer", 403)])
async def test_team_log_requires_an_owner_or_admin(
    create_user: CreateUser, database: Database, role: str, status: int
) -> None:
    from undercroft.modules.teams import Membership

    owner, person = await create_user(), await create_user()
    team_id = (await owner.client.post("/api/v1/app/teams", json={"name": "Acme"})).json()["id"]
    async with database.session() as session:
        session.add(Membership(team_id=team_id, user_id=person.user_id, role=role))
    assert (await person.client.get(team_log(team_id))).status_code == status


async def test_csv_export_has_every_entry_and_no_formula(
    admin: AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "BATCH_SIZE", 2)
    bad = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\uff1d1", "|calc", 'quote",', "läuft\nweiter")
    async with database.session() as session:
        for value in bad:
            await record(session, Entry("thing.made", target_type=value, details={"value": value}))
    response = await admin.get(EXPORT, params={"action": "thing.made"})
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in response.headers["content-disposition"]
    lines = list(csv.DictReader(StringIO(response.text)))
    assert [json.loads(line["details"])["value"] for line in reversed(lines)] == list(bad)
    assert [line["target_type"] for line in reversed(lines)] == [
        *("'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\t=1", "' =1", "'\uff1d1", "'|calc", 'quote",', "läuft\nweiter")
    ]
    assert not any(cell.startswith(("=", "+", "-", "@")) for line in lines for cell in line.values())


@pytest.mark.requires_module("projects")
async def test_jsonl_export_equals_the_list(admin: AsyncClient, ada: SignedInUser) -> None:
    listed = (await admin.get(LOGS, params={"team_id": ada.team_id})).json()["items"]
    response = await admin.get(EXPORT, params={"team_id": str(ada.team_id), "format": "jsonl"})
    assert [json.loads(line) for line in response.text.splitlines()] == listed


async def test_export_is_audited(create_user: CreateUser, database: Database) -> None:
    admin = await create_user(role=PlatformRole.ADMIN)
    await admin.client.get(EXPORT, params={"action": "project.*", "from": "2026-01-01", "format": "jsonl"})
    (entry,) = await entries(database, action="audit.exported")
    assert entry["user_id"] == admin.user_id
    assert entry["details"] == {"action": "project.*", "from": "2026-01-01T00:00:00Z", "format": "jsonl"}


@pytest.mark.requires_module("projects")
async def test_reading_is_not_audited(admin: AsyncClient, ada: SignedInUser, database: Database) -> None:
    before = len(await entries(database))
    await admin.get(LOGS)
    await ada.client.get(team_log(ada.team_id))
    assert len(await entries(database)) == before


async def test_filters_exclude_entries_that_do_not_match(admin: AsyncClient, database: Database) -> None:
    user, impersonator, key, job, other, team = (new_id() for _ in range(6))
    acting = {
        "user": Actor(ActorKind.USER, user_id=user),
        "impersonated": Actor(ActorKind.USER, user_id=other, impersonator_id=impersonator),
        "key": Actor(ActorKind.API_KEY, user_id=other, api_key_id=key),
        "job": Actor(ActorKind.JOB, job_id=job),
        "other": Actor(ActorKind.USER, user_id=other),
    }
    for name, actor in acting.items():
        with use_actor(actor):
            async with database.session() as session:
                team_id = team if name in ("user", "job") else None
                await record(session, Entry(f"filter_{name}.made", None, f"thing_{name}", new_id(), team_id))
    names = [f"filter_{name}.made" for name in reversed(acting)]
    written = [each for each in await actions(admin) if each.startswith("filter_")]
    assert written == names
    for actor, found in (
        (user, ["filter_user.made"]),
        (impersonator, ["filter_impersonated.made"]),
        (key, ["filter_key.made"]),
        (job, ["filter_job.made"]),
        (other, ["filter_other.made", "filter_key.made", "filter_impersonated.made"]),
        ("job", ["filter_job.made"]),
        ("api_key", ["filter_key.made"]),
    ):
        assert await actions(admin, actor=str(actor)) == found, actor
    assert await actions(admin, team_id=str(team)) == ["filter_job.made", "filter_user.made"]
    assert await actions(admin, target="thing_key") == ["filter_key.made"]
    assert await actions(admin, action="filter_user.*") == ["filter_user.made"]
    assert await actions(admin, action="filter_user.mad") == []
    pages = [await actions(admin, action="filter_user.made", size=1, page=page) for page in (1, 2)]
    assert pages == [["filter_user.made"], []]
    (entry,) = await entries(database, action="filter_key.made")
    moment = entry["occurred_at"].isoformat()
    assert (await actions(admin, **{"from": moment}))[-1] == "filter_key.made"
    assert (await actions(admin, to=moment))[0] == "filter_impersonated.made"
    target = f"thing_key:{entry['target_id']}"
    assert await actions(admin, target=target) == await actions(admin, target=str(entry["target_id"]))
    assert await actions(admin, target=f"thing_job:{entry['target_id']}") == []


async def test_page_boundaries_neither_lose_nor_repeat_entries(admin: AsyncClient, database: Database) -> None:
    for number in range(5):
        async with database.session() as session:
            await record(session, Entry("thing.made", details={"number": number}))
    pages = [
        (await admin.get(LOGS, params={"action": "thing.made", "size": 2, "page": page})).json()
        for page in (1, 2, 3, 4)
    ]
    assert [[each["details"]["number"] for each in page["items"]] for page in pages] == [[4, 3], [2, 1], [0], []]
    assert {(page["total"], page["pages"]) for page in pages} == {(5, 3)}
    seen, cursor = [], {"limit": 2}
    while True:
        page = (await admin.get(LOGS, params={"action": "thing.made", **cursor})).json()
        seen += [each["details"]["number"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"limit": 2, "cursor": page["next_cursor"]}
    assert seen == [4, 3, 2, 1, 0]


async def test_team_log_names_only_members(create_user: CreateUser, database: Database) -> None:
    owner, former = await create_user(), await create_user()
    team_id = (await owner.client.post("/api/v1/app/teams", json={"name": "Acme"})).json()["id"]
    with use_actor(Actor(ActorKind.USER, user_id=former.user_id)):
        async with database.session() as session:
            await record(session, Entry("thing.seen", team_id=team_id))
    actors = [entry["actor"] for entry in (await owner.client.get(team_log(team_id))).json()["items"]]
    assert [(actor["user_id"], actor["email"]) for actor in actors] == [
        (str(former.user_id), None),
        (str(owner.user_id), owner.email),
    ]


async def test_team_export_has_only_entries_of_the_team(create_user: CreateUser, stranger: AsyncClient) -> None:
    owner = await create_user()
    team_id = (await owner.client.post("/api/v1/app/teams", json={"name": "Acme"})).json()["id"]
    await stranger.post("/api/v1/app/teams", json={"name": "Other"})
    path = f"{team_log(team_id)}/export"
    exported = await owner.client.get(path, params={"format": "jsonl", "action": "team.*"})
    assert "attachment" in exported.headers["content-disposition"]
    listed = (await owner.client.get(team_log(team_id))).json()["items"]
    assert [entry["action"] for entry in listed] == ["team.created"]
    assert [json.loads(line) for line in exported.text.splitlines()] == listed
    lines = list(csv.DictReader(StringIO((await owner.client.get(path)).text)))
    assert {line["team_id"] for line in lines} == {team_id}
    assert (await stranger.get(path)).status_code == 404
