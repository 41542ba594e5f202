"""Line 8: fifty at once, for one address and for one refresh token."""

import asyncio
from collections import Counter

import httpx

from acceptance.people import PASSWORD, REUSE_INTERVAL, Person, new_address, signed_up, token_in
from acceptance.stack import Stack
from acceptance.verdict import Verdict

CROWD = 50


async def prove(stack: Stack, verdict: Verdict) -> None:
    async with stack.client() as http:
        await _one_account_of_fifty(http, verdict)
        await _one_pair_of_fifty(http, verdict)


async def _one_account_of_fifty(http: httpx.AsyncClient, verdict: Verdict) -> None:
    address = new_address("crowd")
    people = [Person(http, address, f"{PASSWORD}-{number:02}") for number in range(CROWD)]
    answers = await asyncio.gather(*(person.register() for person in people))
    statuses = Counter(answer.status_code for answer in answers)
    accepted = statuses[202]
    verdict.check(accepted == CROWD, "fifty parallel registrations of one address are accepted", dict(statuses))
    verdict.check(not _broken(answers), "with no 5xx", dict(statuses))
    mails = await people[0].mails(accepted, seconds=30)
    verdict.check(len(mails) == accepted, "each accepted one is mailed", len(mails))
    opened = [await people[0].verify(token_in(mail)) for mail in mails]
    verdicts = Counter(answer.status_code for answer in opened)
    verdict.check(verdicts[200] == 1 and opened[0].status_code == 200, "the link opened first wins", dict(verdicts))
    verdict.check(not _broken(opened), "every other link is refused in order", dict(verdicts))
    working = [person.password for person in people if (await _login(person)) == 200]
    verdict.check(len(working) == 1, "one account with one password", len(working))


async def _login(person: Person) -> int:
    """The status of signing in, waiting as long as the throttle asks."""
    while True:
        answer = await person.login()
        if answer.status_code not in (429, 503):
            return answer.status_code
        await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))


async def _one_pair_of_fifty(http: httpx.AsyncClient, verdict: Verdict) -> None:
    person = await signed_up(http)
    old = person.tokens["refresh_token"]
    await _open_connections(http)
    answers = await asyncio.gather(*(person.refresh(old) for _ in range(CROWD)))
    statuses = Counter(answer.status_code for answer in answers)
    if not verdict.check(statuses == {200: CROWD}, "fifty parallel refreshes succeed", dict(statuses)):
        return
    pairs = [answer.json() for answer in answers]
    successors = {pair["refresh_token"] for pair in pairs}
    verdict.check(len(successors) == 1, "with one and the same refresh token", len(successors))
    working = [await person.me({"Authorization": f"Bearer {pair['access_token']}"}) for pair in pairs]
    verdict.check({answer.status_code for answer in working} == {200}, "and access tokens that work")
    renewed = (await person.refresh(pairs[0]["refresh_token"])).json()
    verdict.check("refresh_token" in renewed, "the successor is refreshed in turn")
    await asyncio.sleep(REUSE_INTERVAL + 0.5)
    late = await person.refresh(old)
    code = late.json().get("error", {}).get("code")
    verdict.check((late.status_code, code) == (401, "TOKEN_REUSED"), "after the interval the old token is reuse", code)
    dead = await person.refresh(renewed["refresh_token"])
    verdict.check(dead.status_code == 401, "which revokes the family", dead.status_code)


async def _open_connections(http: httpx.AsyncClient) -> None:
    """Have fifty open, so that what is sent at once also arrives at once."""
    await asyncio.gather(*(http.get("/health") for _ in range(CROWD)))


def _broken(answers: list[httpx.Response]) -> list[int]:
    return [answer.status_code for answer in answers if answer.status_code >= 500]
