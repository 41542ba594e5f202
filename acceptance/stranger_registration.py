"""Scenario 13: an attacker registers email addresses of others and guesses passwords, but gets no access.

What was made is counted in the database, and every account is tried with the password of both.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import asyncpg
import httpx2 as httpx

from acceptance.connection_flood import read_environment
from acceptance.report import ScenarioReport
from acceptance.stack import Stack
from acceptance.startup import PROCESS_MATCHERS
from acceptance.users import PASSWORD, UserClient, extract_token, new_email, sign_up

STRANGER_PASSWORD = f"{PASSWORD}-of-a-stranger"
Scenario = Callable[[UserClient, UserClient], Awaitable[str]]


async def run_scenario(stack: Stack, report: ScenarioReport) -> None:
    opened: Counter[str] = Counter()
    emails: list[str] = []
    for name, scenario in SCENARIOS.items():
        async with stack.client() as owners, stack.client() as strangers:
            email = new_email("victim")
            owner, stranger = UserClient(owners, email), UserClient(strangers, email, STRANGER_PASSWORD)
            token = await scenario(owner, stranger)
            verified = await owner.verify(token)
            emails.append(email)
            opened["owner"] += (await owner.login()).status_code == 200
            opened["stranger"] += (await stranger.login()).status_code == 200
            report.check(verified.status_code == 200, f"the owner verifies: {name}", verified.status_code)
    report.check(opened["owner"] == len(SCENARIOS), "every account opens with its owner's password", opened["owner"])
    report.check(opened["stranger"] == 0, "and none with the stranger's", opened["stranger"])
    made = await _count_accounts(stack, emails)
    report.check(made == len(emails), "the database has one account for each address", made)
    await _check_link_on_other_device(stack, report)


async def _owner_first(owner: UserClient, stranger: UserClient) -> str:
    await owner.register()
    await stranger.register(STRANGER_PASSWORD)
    return extract_token((await owner.mails(2))[0])


async def _stranger_first(owner: UserClient, stranger: UserClient) -> str:
    await stranger.register(STRANGER_PASSWORD)
    await owner.register()
    return extract_token((await owner.mails(2))[0])


async def _oldest_link(owner: UserClient, stranger: UserClient) -> str:
    await stranger.register(STRANGER_PASSWORD)
    await stranger.mails(1)
    await owner.register()
    return extract_token((await owner.mails(2))[-1])


async def _resent_to_the_stranger(owner: UserClient, stranger: UserClient) -> str:
    await owner.register()
    await stranger.register(STRANGER_PASSWORD)
    await stranger.http.post("/api/v1/auth/verify-email/resend", json={"email": owner.email})
    return extract_token((await owner.mails(3))[0])


async def _resent_to_the_owner(owner: UserClient, stranger: UserClient) -> str:
    await owner.register()
    await stranger.register(STRANGER_PASSWORD)
    await owner.http.post("/api/v1/auth/verify-email/resend", json={"email": owner.email})
    return extract_token((await owner.mails(3))[0])


async def _all_at_once(owner: UserClient, stranger: UserClient) -> str:
    await asyncio.gather(owner.register(), *(stranger.register(STRANGER_PASSWORD) for _ in range(5)))
    return extract_token((await owner.mails(6))[0])


SCENARIOS: dict[str, Scenario] = {
    "the owner registers first and opens the newest link": _owner_first,
    "the stranger registers first": _stranger_first,
    "the owner opens the stranger's link": _oldest_link,
    "the stranger asks for another link": _resent_to_the_stranger,
    "the owner asks for another link": _resent_to_the_owner,
    "both register at once": _all_at_once,
}


async def _check_link_on_other_device(stack: Stack, report: ScenarioReport) -> None:
    """The owner of the address did not register, and opens the attacker's link in another client."""
    async with stack.client() as strangers, stack.client() as owners:
        stranger = UserClient(strangers, new_email("victim"), STRANGER_PASSWORD)
        await stranger.register(STRANGER_PASSWORD)
        token = extract_token((await stranger.mails(1))[0])
        verified = await UserClient(owners, stranger.email).verify(token)
        report.check(verified.json().get("has_password") is False, "a link opened elsewhere sets no password")
        status = (await stranger.login()).status_code
        report.check(status == 401, "and the stranger's password does not sign in", status)
        await _check_email_change(strangers, report)


async def _check_email_change(http: httpx.AsyncClient, report: ScenarioReport) -> None:
    """An attacker requests a change of their email address to that of another user, who opens the link."""
    stranger = await sign_up(http)
    target = UserClient(http, new_email("victim"))
    body = {"new_email": target.email, "current_password": stranger.password}
    await stranger.send("POST", "/auth/email/change", body)
    token = extract_token((await target.mails(1))[0])
    async with httpx.AsyncClient(base_url=http.base_url, trust_env=False) as owners:
        opened = await owners.post("/api/v1/auth/email/confirm", json={"token": token})
    report.check(opened.status_code == 403, "a link to move an account moves none for its receiver", opened.status_code)
    email = (await stranger.me()).json()["email"]
    report.check(email == stranger.email, "the stranger's account stays where it was")


async def _count_accounts(stack: Stack, emails: list[str]) -> int:
    server = next(process for process in stack.processes if PROCESS_MATCHERS["the API server"](process))
    connection = await asyncpg.connect(read_environment(server)["DATABASE_URL"])
    try:
        return int(await connection.fetchval("SELECT count(*) FROM users WHERE email = ANY($1)", emails))
    finally:
        await connection.close()
