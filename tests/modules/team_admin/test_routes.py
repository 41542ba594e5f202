"""Teams, as administrators look after them."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

from httpx import AsyncClient, Response

from tests.modules.audit.entries import entries
from undercroft.core.db import Database
from undercroft.testing.people import Person
from undercroft.testing.statements import Statements

SignIn = Callable[..., Awaitable[Person]]

TEAMS = "/api/v1/admin/teams"
OWN = "/api/v1/app/teams"
PROJECTS = "/api/v1/app/projects"


async def make_team(client: AsyncClient, **fields: object) -> dict:
    answer = await client.post(OWN, json={"name": "Acme", **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


def refused(answer: Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text


async def test_administrators_find_all_teams(somebody: SignIn, admin: AsyncClient) -> None:
    person = await somebody()
    made = [await make_team(person.client, name=f"Otters {number}") for number in range(3)]
    found = (await admin.get(TEAMS, params={"q": "OTTERS", "sort": "name", "size": 2})).json()
    assert [each["name"] for each in found["items"]] == ["Otters 0", "Otters 1"]
    assert (found["total"], found["items"][0]["members"]) == (3, 1)
    personal = (await admin.get(TEAMS, params={"is_personal": "true"})).json()["items"]
    assert str(person.user_id) in [each["personal_user_id"] for each in personal]
    walked = (await admin.get(TEAMS, params={"limit": 2, "is_personal": "false"})).json()
    rest = (await admin.get(TEAMS, params={"cursor": walked["next_cursor"], "is_personal": "false"})).json()
    assert {each["id"] for each in walked["items"] + rest["items"]} == {each["id"] for each in made}
    read = (await admin.get(f"{TEAMS}/{made[0]['id']}")).json()
    assert read == found["items"][0]
    members = (await admin.get(f"{TEAMS}/{made[0]['id']}/members")).json()["items"]
    assert [(each["email"], each["role"]) for each in members] == [(person.email, "owner")]


async def test_a_list_costs_as_many_statements_however_long_it_is(
    user: AsyncClient, admin: AsyncClient, statements: Statements
) -> None:
    costs = []
    for _ in range(2):
        await make_team(user)
        await statements.clear()
        assert (await admin.get(TEAMS)).status_code == 200
        costs.append(len(await statements.recorded()))
    assert costs[0] == costs[1]


async def test_a_deleted_team_is_out_of_reach_until_it_is_restored(user: AsyncClient, admin: AsyncClient) -> None:
    team = await make_team(user, slug="the-one")
    here = {"X-Team-ID": team["id"]}
    await user.post(PROJECTS, json={"name": "Website"}, headers=here)
    for _ in range(2):
        assert (await admin.delete(f"{TEAMS}/{team['id']}")).status_code == 204
    assert (await user.get(PROJECTS, headers=here)).status_code == 404
    assert (await admin.get(TEAMS, params={"q": "the-one"})).json()["total"] == 0
    gone = (await admin.get(TEAMS, params={"q": "the-one", "is_deleted": "true"})).json()["items"]
    assert gone[0]["deleted_at"] is not None
    other = await make_team(user, slug="the-one")
    restored = (await admin.post(f"{TEAMS}/{team['id']}/restore")).json()
    assert restored["deleted_at"] is None
    assert restored["slug"].startswith("the-one-")
    assert (await user.get(PROJECTS, headers=here)).json()["total"] == 1
    assert (await admin.get(f"{TEAMS}/{other['id']}")).json()["slug"] == "the-one"


async def test_a_personal_team_stays_and_an_unknown_one_is_not_found(somebody: SignIn, admin: AsyncClient) -> None:
    person = await somebody()
    refused(await admin.delete(f"{TEAMS}/{person.team_id}"), 409, "PERSONAL_TEAM")
    for method, path in (("GET", ""), ("GET", "/members"), ("DELETE", ""), ("POST", "/restore")):
        refused(await admin.request(method, f"{TEAMS}/{uuid4()}{path}"), 404, "TEAM_NOT_FOUND")


async def test_others_have_no_business_here(user: AsyncClient, client: AsyncClient) -> None:
    team = (await make_team(user))["id"]
    for method, path in (("GET", ""), ("GET", f"/{team}"), ("DELETE", f"/{team}"), ("POST", f"/{team}/restore")):
        assert (await user.request(method, TEAMS + path)).status_code == 403
        assert (await client.request(method, TEAMS + path)).status_code == 401


async def test_each_change_is_audited_once_however_many_ask_at_once(
    user: AsyncClient, admin: AsyncClient, database: Database
) -> None:
    path = f"{TEAMS}/{(await make_team(user))['id']}"
    await asyncio.gather(*(admin.delete(path) for _ in range(5)))
    await asyncio.gather(*(admin.post(f"{path}/restore") for _ in range(5)))
    written = [entry["action"] for entry in await entries(database) if entry["target_type"] == "team"]
    assert written == ["team.created", "team.deleted", "team.restored"]
