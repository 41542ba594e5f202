"""A stranger registers the addresses of others, and guesses their passwords: no account opens for the stranger.

What was made is counted in the database, and every account is tried with the password of both.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import asyncpg
import httpx

from acceptance.connection_flood import environment_of
from acceptance.line_1 import PARTS
from acceptance.people import PASSWORD, Person, new_address, signed_up, token_in
from acceptance.stack import Stack
from acceptance.verdict import Verdict

STRANGERS = f"{PASSWORD}-of-a-stranger"
Story = Callable[[Person, Person], Awaitable[str]]


async def prove(stack: Stack, verdict: Verdict) -> None:
    opened: Counter[str] = Counter()
    emails: list[str] = []
    for name, story in STORIES.items():
        async with stack.client() as owners, stack.client() as strangers:
            email = new_address("victim")
            owner, stranger = Person(owners, email), Person(strangers, email, STRANGERS)
            token = await story(owner, stranger)
            verified = await owner.verify(token)
            emails.append(email)
            opened["owner"] += (await owner.login()).status_code == 200
            opened["stranger"] += (await stranger.login()).status_code == 200
            verdict.check(verified.status_code == 200, f"the owner verifies: {name}", verified.status_code)
    verdict.check(opened["owner"] == len(STORIES), "every account opens with its owner's password", opened["owner"])
    verdict.check(opened["stranger"] == 0, "and none with the stranger's", opened["stranger"])
    made = await _accounts(stack, emails)
    verdict.check(made == len(emails), "the database has one account for each address", made)
    await _link_without_its_device(stack, verdict)


async def _owner_first(owner: Person, stranger: Person) -> str:
    await owner.register()
    await stranger.register(STRANGERS)
    return token_in((await owner.mails(2))[0])


async def _stranger_first(owner: Person, stranger: Person) -> str:
    await stranger.register(STRANGERS)
    await owner.register()
    return token_in((await owner.mails(2))[0])


async def _oldest_link(owner: Person, stranger: Person) -> str:
    await stranger.register(STRANGERS)
    await stranger.mails(1)
    await owner.register()
    return token_in((await owner.mails(2))[-1])


async def _resent_to_the_stranger(owner: Person, stranger: Person) -> str:
    await owner.register()
    await stranger.register(STRANGERS)
    await stranger.http.post("/api/v1/auth/verify-email/resend", json={"email": owner.email})
    return token_in((await owner.mails(3))[0])


async def _resent_to_the_owner(owner: Person, stranger: Person) -> str:
    await owner.register()
    await stranger.register(STRANGERS)
    await owner.http.post("/api/v1/auth/verify-email/resend", json={"email": owner.email})
    return token_in((await owner.mails(3))[0])


async def _all_at_once(owner: Person, stranger: Person) -> str:
    await asyncio.gather(owner.register(), *(stranger.register(STRANGERS) for _ in range(5)))
    return token_in((await owner.mails(6))[0])


STORIES: dict[str, Story] = {
    "the owner registers first and opens the newest link": _owner_first,
    "the stranger registers first": _stranger_first,
    "the owner opens the stranger's link": _oldest_link,
    "the stranger asks for another link": _resent_to_the_stranger,
    "the owner asks for another link": _resent_to_the_owner,
    "both register at once": _all_at_once,
}


async def _link_without_its_device(stack: Stack, verdict: Verdict) -> None:
    """The owner of the address never registered, and opens the stranger's link in a client of their own."""
    async with stack.client() as strangers, stack.client() as owners:
        stranger = Person(strangers, new_address("victim"), STRANGERS)
        await stranger.register(STRANGERS)
        token = token_in((await stranger.mails(1))[0])
        verified = await Person(owners, stranger.email).verify(token)
        verdict.check(verified.json().get("has_password") is False, "a link opened elsewhere sets no password")
        status = (await stranger.login()).status_code
        verdict.check(status == 401, "and the stranger's password does not sign in", status)
        await _moved_mailbox(strangers, verdict)


async def _moved_mailbox(http: httpx.AsyncClient, verdict: Verdict) -> None:
    """A stranger asks to move the own account to an address of another person, who opens the link."""
    stranger = await signed_up(http)
    target = Person(http, new_address("victim"))
    body = {"new_email": target.email, "current_password": stranger.password}
    await stranger.send("POST", "/auth/email/change", body)
    token = token_in((await target.mails(1))[0])
    async with httpx.AsyncClient(base_url=http.base_url, trust_env=False) as owners:
        opened = await owners.post("/api/v1/auth/email/confirm", json={"token": token})
    verdict.check(
        opened.status_code == 403, "a link to move an account moves none for its receiver", opened.status_code
    )
    email = (await stranger.me()).json()["email"]
    verdict.check(email == stranger.email, "the stranger's account stays where it was")


async def _accounts(stack: Stack, emails: list[str]) -> int:
    server = next(process for process in stack.processes if PARTS["the API server"](process))
    connection = await asyncpg.connect(environment_of(server)["DATABASE_URL"])
    try:
        return int(await connection.fetchval("SELECT count(*) FROM users WHERE email = ANY($1)", emails))
    finally:
        await connection.close()
