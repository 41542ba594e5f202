"""Scenario 2: the complete flow of a new user, from registration to restoring a deleted project."""

import asyncio
from statistics import median
from time import perf_counter
from typing import Any

import httpx2 as httpx

from acceptance.report import ScenarioReport
from acceptance.stack import Stack
from acceptance.users import REUSE_INTERVAL, UserClient, extract_token

PROJECTS = 25


async def run_scenario(stack: Stack, report: ScenarioReport) -> None:
    async with stack.client() as http:
        person = UserClient(http)
        await _sign_up(person, report)
        await _refresh_and_reuse(person, report)
        await _work_with_projects(person, report)
        await _check_repeated_registration(person, report)


async def _sign_up(person: UserClient, report: ScenarioReport) -> None:
    response = await person.register()
    report.check(response.status_code == 202, "registration is accepted", response.status_code)
    mails = await person.mails(1)
    if not report.check(len(mails) == 1, "the mailbox contains one email", [mail["subject"] for mail in mails]):
        raise LookupError("the scenario cannot continue without the email")
    verified = await person.verify(extract_token(mails[0]))
    report.check(verified.status_code == 200 and "access_token" in verified.json(), "its link verifies the address")
    again = await person.verify(extract_token(mails[0]))
    report.check(400 <= again.status_code < 500, "the link works once", again.status_code)
    report.check((await person.login()).status_code == 200, "signing in works")
    me = await person.me()
    report.check(me.status_code == 200 and me.json()["email"] == person.email, "`me` is the current user")


async def _refresh_and_reuse(person: UserClient, report: ScenarioReport) -> None:
    first = person.tokens["refresh_token"]
    second = (await person.refresh(first)).json()
    report.check("access_token" in second, "refresh returns a new token pair")
    repeated = (await person.refresh(first)).json()
    same = repeated.get("refresh_token") == second.get("refresh_token")
    report.check(same, "a repeat within the interval returns the same successor")
    await asyncio.sleep(REUSE_INTERVAL + 0.5)
    reused = await person.refresh(first)
    code = reused.json().get("error", {}).get("code")
    report.check(reused.status_code == 401 and code == "TOKEN_REUSED", "the old refresh token is refused", code)
    dead = await person.refresh(second["refresh_token"])
    report.check(dead.status_code == 401, "and the session is revoked", dead.status_code)
    bearer = {"Authorization": f"Bearer {second['access_token']}"}
    report.check((await person.me(bearer)).status_code == 401, "its access token is refused at the next request")
    report.check((await person.login()).status_code == 200, "signing in again works")


async def _work_with_projects(person: UserClient, report: ScenarioReport) -> None:
    ids = [await _create(person, number) for number in range(PROJECTS)]
    report.check(len(set(ids)) == PROJECTS, "25 projects are created", len(set(ids)))
    page = (await person.get("/app/projects", page=2, size=10)).json()
    shape = {name: page[name] for name in ("total", "page", "size", "pages")}
    report.check(
        shape == {"total": PROJECTS, "page": 2, "size": 10, "pages": 3} and len(page["items"]) == 10,
        "page 2 of size 10 contains ten projects",
        shape,
    )
    found = (await person.get("/app/projects", q="Project 17")).json()
    report.check([item["id"] for item in found["items"]] == [ids[17]], "search finds the project", found["total"])
    await _check_cursor_pages(person, ids, report)
    await _delete_and_restore(person, ids[0], report)


async def _create(person: UserClient, number: int) -> str:
    body = {"name": f"Project {number:02}", "description": "One of many"}
    response = await person.send("POST", "/app/projects", body)
    return str(response.json()["id"])


async def _check_cursor_pages(person: UserClient, ids: list[str], report: ScenarioReport) -> None:
    walking = True

    async def insert() -> int:
        number = 100
        while walking:
            await _create(person, number)
            number += 1
        return number - 100

    inserting = asyncio.create_task(insert())
    seen = await _list_all(person)
    walking = False
    inserted = await inserting
    once = all(seen.count(project) == 1 for project in ids)
    report.check(once, "cursor pagination returns each project once during inserts", f"{inserted} inserted meanwhile")
    report.check(len(seen) == len(set(seen)), "and nothing twice", f"{len(seen)} seen")


async def _list_all(person: UserClient) -> list[str]:
    seen: list[str] = []
    parameters: dict[str, Any] = {"limit": 3}
    while True:
        page = (await person.get("/app/projects", **parameters)).json()
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            return seen
        parameters["cursor"] = page["next_cursor"]


async def _delete_and_restore(person: UserClient, project: str, report: ScenarioReport) -> None:
    path = f"/app/projects/{project}"
    statuses = [
        (await person.send("DELETE", path)).status_code,
        (await person.get(path)).status_code,
        (await person.send("POST", f"{path}/restore")).status_code,
        (await person.get(path)).status_code,
    ]
    report.check(statuses == [204, 404, 200, 200], "a project is soft-deleted and restored", statuses)


async def _check_repeated_registration(person: UserClient, report: ScenarioReport) -> None:
    known: list[float] = []
    unknown: list[float] = []
    responses: set[tuple[int, str]] = set()
    for _ in range(10):
        for client, times in ((person, known), (UserClient(person.http), unknown)):
            started = perf_counter()
            response = await client.register()
            times.append((perf_counter() - started) * 1000)
            responses.add((response.status_code, _comparable_body(response)))
    report.check(len(responses) == 1, "registration of a known address returns the same response", responses)
    difference = abs(median(known) - median(unknown)) / median(unknown)
    report.check(
        difference < 0.2,
        "and takes as long (medians within 20% over ten)",
        f"{median(known):.0f} ms and {median(unknown):.0f} ms",
    )


def _comparable_body(response: httpx.Response) -> str:
    return str({name: value for name, value in response.json().items() if name not in ("request_id", "timestamp")})
