"""Requests that wait while what they were authorized by is revoked: no row of theirs may commit afterwards."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import httpx

from acceptance.people import Person, signed_up
from acceptance.stack import Stack
from acceptance.verdict import Verdict

CROWD = 16
KEYS, TEAMS, SESSIONS = "/app/api-keys", "/app/teams", "/auth/sessions"
COUNT_KEYS = "SELECT count(*) FROM api_keys WHERE user_id = $1"
COUNT_INVITATIONS = "SELECT count(*) FROM team_invitations WHERE invited_by = $1"
LOCK_USER = "SELECT id FROM users WHERE id = $1 FOR UPDATE"
LOCK_TEAM = "SELECT id FROM teams WHERE id = $1 FOR UPDATE"
WAITING = (
    "SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid) "
    "WHERE NOT granted AND datname = current_database()"
)

Request = Callable[[int], Awaitable[httpx.Response]]
Revoke = Callable[[], Awaitable[httpx.Response]]


@dataclass
class Attack:
    """A crowd of requests parked on a row, and what revokes their caller meanwhile."""

    name: str
    lock: tuple[str, str]
    count: tuple[str, str]
    request: Request
    revoke: Revoke
    revoke_waits: bool = True


async def prove(stack: Stack, verdict: Verdict) -> None:
    url = stack.undercroft("db", "url").stdout.strip()
    async with stack.client() as http:
        root = Person(http, "admin@example.com", stack.demo_password)
        await root.login()
        for make in (_session, _idempotency_key, _reset, _deactivation, _member, _role):
            await _run(url, await make(http, root), verdict)


async def _run(url: str, attack: Attack, verdict: Verdict) -> None:
    """Park the crowd, revoke, let go, and count at the database right after the revocation and at the end."""
    holder, observer = await asyncpg.connect(url), await asyncpg.connect(url)
    try:
        async with _locked(holder, *attack.lock):
            crowd = [asyncio.ensure_future(attack.request(number)) for number in range(CROWD)]
            await _parked(observer, 1)
            revoking = asyncio.ensure_future(attack.revoke())
            await (_parked(observer, 2) if attack.revoke_waits else asyncio.wait([revoking]))
        revoked = await revoking
        at_revocation = await observer.fetchval(*attack.count)
        statuses = Counter(answer.status_code for answer in await asyncio.gather(*crowd))
        late = await observer.fetchval(*attack.count) - at_revocation
    finally:
        await asyncio.gather(holder.close(), observer.close())
    verdict.check(revoked.is_success, f"{attack.name}: revoked", revoked.status_code)
    verdict.check(late == 0, f"{attack.name}: no row was committed after it", f"{late} of {CROWD}, {dict(statuses)}")
    verdict.check(not any(status >= 500 for status in statuses), f"{attack.name}: no 5xx", dict(statuses))


@asynccontextmanager
async def _locked(holder: asyncpg.Connection, sql: str, key: str) -> AsyncIterator[None]:
    async with holder.transaction():
        await holder.execute(sql, key)
        yield


async def _parked(observer: asyncpg.Connection, number: int) -> None:
    """Wait until so many transactions wait for a lock. Of the crowd some wait in the pool, or for their key."""
    async with asyncio.timeout(2):
        while await observer.fetchval(WAITING) < number:
            await asyncio.sleep(0.005)


async def _user_id(person: Person) -> str:
    return str((await person.me()).json()["id"])


async def _caller(http: httpx.AsyncClient) -> tuple[Person, Person, str]:
    """Somebody signed in twice, and their id."""
    caller = await signed_up(http)
    other = Person(http, caller.email)
    await other.login()
    return caller, other, await _user_id(caller)


async def _other_session(person: Person) -> str:
    """The session of this user that is not this one."""
    listed = (await person.get(SESSIONS)).json()["items"]
    return str(next(each["id"] for each in listed if not each["current"]))


async def _session(http: httpx.AsyncClient, _root: Person, key: str = "") -> Attack:
    caller, other, user_id = await _caller(http)
    session_id = await _other_session(other)
    headers = {**caller.headers, **({"Idempotency-Key": key} if key else {})}
    return Attack(
        "session revoked" + (", requests behind one idempotency key" if key else ""),
        (LOCK_USER, user_id),
        (COUNT_KEYS, user_id),
        lambda number: http.post(f"/api/v1{KEYS}", json={"name": "key" if key else f"{number}"}, headers=headers),
        lambda: other.send("DELETE", f"{SESSIONS}/{session_id}"),
        revoke_waits=False,
    )


async def _idempotency_key(http: httpx.AsyncClient, root: Person) -> Attack:
    return await _session(http, root, key="one-and-the-same")


async def _reset(http: httpx.AsyncClient, root: Person) -> Attack:
    caller, _, user_id = await _caller(http)
    return Attack(
        "password reset by an administrator",
        (LOCK_USER, user_id),
        (COUNT_KEYS, user_id),
        lambda number: caller.send("POST", KEYS, {"name": f"key {number}"}),
        lambda: root.send("POST", f"/admin/users/{user_id}/reset-password"),
    )


async def _deactivation(http: httpx.AsyncClient, root: Person) -> Attack:
    attack = await _reset(http, root)
    user_id = attack.lock[1]
    attack.name = "user deactivated"
    attack.revoke = lambda: root.send("POST", f"/admin/users/{user_id}/deactivate")
    return attack


async def _team(http: httpx.AsyncClient) -> tuple[Person, Person, str, str]:
    """An owner, an admin of the owner's team who joined by an invitation, the team and the admin's id."""
    owner, admin = await signed_up(http), await signed_up(http)
    team_id = (await owner.send("POST", TEAMS, {"name": "Acme"})).json()["id"]
    mails = len(await admin.mails(1))
    await owner.send("POST", f"{TEAMS}/{team_id}/invitations", {"email": admin.email, "role": "admin"})
    invitation = next(mail for mail in await admin.mails(mails + 1) if "/invitation?" in str(mail["links"]))
    token = next(link for link in invitation["links"] if "token=" in link).partition("token=")[2]
    await admin.send("POST", "/app/invitations/accept", {"token": token})
    return owner, admin, team_id, await _user_id(admin)


async def _member(http: httpx.AsyncClient, _root: Person) -> Attack:
    return await _of_team(http, "member removed", "DELETE")


async def _role(http: httpx.AsyncClient, _root: Person) -> Attack:
    return await _of_team(http, "role lowered", "PATCH", {"role": "viewer"})


async def _of_team(http: httpx.AsyncClient, name: str, method: str, body: dict[str, str] | None = None) -> Attack:
    owner, admin, team_id, user_id = await _team(http)
    path = f"{TEAMS}/{team_id}"
    return Attack(
        name,
        (LOCK_TEAM, team_id),
        (COUNT_INVITATIONS, user_id),
        lambda number: admin.send("POST", f"{path}/invitations", {"email": f"{number}@example.com"}),
        lambda: owner.send(method, f"{path}/members/{user_id}", body),
    )
