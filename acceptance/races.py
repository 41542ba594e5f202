"""Scenario 8: fifty concurrent requests for one email address and for one refresh token."""

import asyncio
from collections import Counter

import httpx2 as httpx

from acceptance.report import ScenarioReport
from acceptance.stack import Stack
from acceptance.users import PASSWORD, REUSE_INTERVAL, UserClient, extract_token, new_email, sign_up

CONCURRENCY = 50


async def run_scenario(stack: Stack, report: ScenarioReport) -> None:
    async with stack.client() as http:
        await _check_registration_race(http, report)
        await _check_refresh_race(http, report)


async def _check_registration_race(http: httpx.AsyncClient, report: ScenarioReport) -> None:
    address = new_email("crowd")
    people = [UserClient(http, address, f"{PASSWORD}-{number:02}") for number in range(CONCURRENCY)]
    responses = await asyncio.gather(*(person.register() for person in people))
    statuses = Counter(response.status_code for response in responses)
    accepted = statuses[202]
    report.check(accepted == CONCURRENCY, "fifty parallel registrations of one address are accepted", dict(statuses))
    report.check(not _server_errors(responses), "with no 5xx", dict(statuses))
    mails = await people[0].mails(accepted, seconds=30)
    report.check(len(mails) == accepted, "each accepted one is mailed", len(mails))
    opened = [await people[0].verify(extract_token(mail)) for mail in mails]
    verdicts = Counter(response.status_code for response in opened)
    report.check(verdicts[200] == 1 and opened[0].status_code == 200, "the link opened first wins", dict(verdicts))
    report.check(not _server_errors(opened), "every other link is refused in order", dict(verdicts))
    working = [person.password for person in people if (await _login(person)) == 200]
    report.check(len(working) == 1, "one account with one password", len(working))


async def _login(person: UserClient) -> int:
    """Sign in, wait as long as the throttle requires, and return the status."""
    while True:
        response = await person.login()
        if response.status_code not in (429, 503):
            return response.status_code
        await asyncio.sleep(float(response.headers.get("Retry-After", 1)))


async def _check_refresh_race(http: httpx.AsyncClient, report: ScenarioReport) -> None:
    person = await sign_up(http)
    old = person.tokens["refresh_token"]
    await _open_connections(http)
    responses = await asyncio.gather(*(person.refresh(old) for _ in range(CONCURRENCY)))
    statuses = Counter(response.status_code for response in responses)
    if not report.check(statuses == {200: CONCURRENCY}, "fifty parallel refreshes succeed", dict(statuses)):
        return
    pairs = [response.json() for response in responses]
    successors = {pair["refresh_token"] for pair in pairs}
    report.check(len(successors) == 1, "with one and the same refresh token", len(successors))
    working = [await person.me({"Authorization": f"Bearer {pair['access_token']}"}) for pair in pairs]
    report.check({response.status_code for response in working} == {200}, "and access tokens that work")
    renewed = (await person.refresh(pairs[0]["refresh_token"])).json()
    report.check("refresh_token" in renewed, "the successor is refreshed in turn")
    await asyncio.sleep(REUSE_INTERVAL + 0.5)
    late = await person.refresh(old)
    code = late.json().get("error", {}).get("code")
    report.check((late.status_code, code) == (401, "TOKEN_REUSED"), "after the interval the old token is reuse", code)
    dead = await person.refresh(renewed["refresh_token"])
    report.check(dead.status_code == 401, "which revokes the family", dead.status_code)


async def _open_connections(http: httpx.AsyncClient) -> None:
    """Open fifty connections in advance, so that concurrent requests arrive concurrently."""
    await asyncio.gather(*(http.get("/health") for _ in range(CONCURRENCY)))


def _server_errors(responses: list[httpx.Response]) -> list[int]:
    return [response.status_code for response in responses if response.status_code >= 500]
