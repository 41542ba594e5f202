"""Line 2: a newcomer's whole way, from registering to restoring a deleted project."""

import asyncio
from statistics import median
from time import perf_counter
from typing import Any

import httpx

from acceptance.people import REUSE_INTERVAL, Person, token_in
from acceptance.stack import Stack
from acceptance.verdict import Verdict

PROJECTS = 25


async def prove(stack: Stack, verdict: Verdict) -> None:
    async with stack.client() as http:
        person = Person(http)
        await _sign_up(person, verdict)
        await _refresh_and_reuse(person, verdict)
        await _work_with_projects(person, verdict)
        await _registering_again_looks_the_same(person, verdict)


async def _sign_up(person: Person, verdict: Verdict) -> None:
    answer = await person.register()
    verdict.check(answer.status_code == 202, "registering is accepted", answer.status_code)
    mails = await person.mails(1)
    if not verdict.check(len(mails) == 1, "the mailbox shows one mail", [mail["subject"] for mail in mails]):
        raise LookupError("without the mail nothing else can be tried")
    verified = await person.verify(token_in(mails[0]))
    verdict.check(verified.status_code == 200 and "access_token" in verified.json(), "its link verifies the address")
    again = await person.verify(token_in(mails[0]))
    verdict.check(400 <= again.status_code < 500, "the link works once", again.status_code)
    verdict.check((await person.login()).status_code == 200, "signing in works")
    me = await person.me()
    verdict.check(me.status_code == 200 and me.json()["email"] == person.email, "`me` is the one who signed in")


async def _refresh_and_reuse(person: Person, verdict: Verdict) -> None:
    first = person.tokens["refresh_token"]
    second = (await person.refresh(first)).json()
    verdict.check("access_token" in second, "refreshing gives a new pair")
    repeated = (await person.refresh(first)).json()
    same = repeated.get("refresh_token") == second.get("refresh_token")
    verdict.check(same, "a repeat within the interval returns the same successor")
    await asyncio.sleep(REUSE_INTERVAL + 0.5)
    reused = await person.refresh(first)
    code = reused.json().get("error", {}).get("code")
    verdict.check(reused.status_code == 401 and code == "TOKEN_REUSED", "the old refresh token is refused", code)
    dead = await person.refresh(second["refresh_token"])
    verdict.check(dead.status_code == 401, "and the whole family is dead", dead.status_code)
    bearer = {"Authorization": f"Bearer {second['access_token']}"}
    verdict.check((await person.me(bearer)).status_code == 401, "its access token too, at the next request")
    verdict.check((await person.login()).status_code == 200, "signing in anew works")


async def _work_with_projects(person: Person, verdict: Verdict) -> None:
    ids = [await _create(person, number) for number in range(PROJECTS)]
    verdict.check(len(set(ids)) == PROJECTS, "25 projects are made", len(set(ids)))
    page = (await person.get("/app/projects", page=2, size=10)).json()
    shape = {name: page[name] for name in ("total", "page", "size", "pages")}
    verdict.check(
        shape == {"total": PROJECTS, "page": 2, "size": 10, "pages": 3} and len(page["items"]) == 10,
        "page 2 of size 10 has ten of them",
        shape,
    )
    found = (await person.get("/app/projects", q="Project 17")).json()
    verdict.check([item["id"] for item in found["items"]] == [ids[17]], "search finds the one", found["total"])
    await _walk_while_others_insert(person, ids, verdict)
    await _delete_and_restore(person, ids[0], verdict)


async def _create(person: Person, number: int) -> str:
    body = {"name": f"Project {number:02}", "description": "One of many"}
    answer = await person.send("POST", "/app/projects", body)
    return str(answer.json()["id"])


async def _walk_while_others_insert(person: Person, ids: list[str], verdict: Verdict) -> None:
    walking = True

    async def insert() -> int:
        number = 100
        while walking:
            await _create(person, number)
            number += 1
        return number - 100

    inserting = asyncio.create_task(insert())
    seen = await _walk(person)
    walking = False
    inserted = await inserting
    once = all(seen.count(project) == 1 for project in ids)
    verdict.check(once, "a cursor walk sees each exactly once while others insert", f"{inserted} inserted meanwhile")
    verdict.check(len(seen) == len(set(seen)), "and nothing twice", f"{len(seen)} seen")


async def _walk(person: Person) -> list[str]:
    seen: list[str] = []
    parameters: dict[str, Any] = {"limit": 3}
    while True:
        page = (await person.get("/app/projects", **parameters)).json()
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            return seen
        parameters["cursor"] = page["next_cursor"]


async def _delete_and_restore(person: Person, project: str, verdict: Verdict) -> None:
    path = f"/app/projects/{project}"
    statuses = [
        (await person.send("DELETE", path)).status_code,
        (await person.get(path)).status_code,
        (await person.send("POST", f"{path}/restore")).status_code,
        (await person.get(path)).status_code,
    ]
    verdict.check(statuses == [204, 404, 200, 200], "a project is deleted softly and restored", statuses)


async def _registering_again_looks_the_same(person: Person, verdict: Verdict) -> None:
    known: list[float] = []
    unknown: list[float] = []
    answers: set[tuple[int, str]] = set()
    for _ in range(10):
        for someone, times in ((person, known), (Person(person.http), unknown)):
            started = perf_counter()
            answer = await someone.register()
            times.append((perf_counter() - started) * 1000)
            answers.add((answer.status_code, _without_request(answer)))
    verdict.check(len(answers) == 1, "registering a known address looks the same", answers)
    difference = abs(median(known) - median(unknown)) / median(unknown)
    verdict.check(
        difference < 0.2,
        "and takes as long (medians within 20% over ten)",
        f"{median(known):.0f} ms and {median(unknown):.0f} ms",
    )


def _without_request(answer: httpx.Response) -> str:
    return str({name: value for name, value in answer.json().items() if name not in ("request_id", "timestamp")})
