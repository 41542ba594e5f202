"""Scenario 14: requests wait while their authorization is revoked; none of their rows may commit afterward."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import httpx2 as httpx

from acceptance.report import ScenarioReport
from acceptance.stack import Stack
from acceptance.users import UserClient, sign_up

CONCURRENCY = 6
"""Requests that wait at a time: fewer than DB_POOL_SIZE, so that the revocation gets a connection at once."""
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
class RevocationRace:
    """Concurrent requests that wait for a locked row, and the call that revokes their authorization."""

    name: str
    lock: tuple[str, str]
    count: tuple[str, str]
    request: Request
    revoke: Revoke
    revoke_waits: bool = True


async def run_scenario(stack: Stack, report: ScenarioReport) -> None:
    url = stack.undercroft("db", "url").stdout.strip()
    async with stack.client() as http:
        root = UserClient(http, "admin@example.com", stack.demo_password)
        await root.login()
        for make in (_session, _idempotency_key, _reset, _deactivation, _member, _role):
            await _run(url, await make(http, root), report)


async def _run(url: str, race: RevocationRace, report: ScenarioReport) -> None:
    """Block the requests, revoke, unblock, and count the rows right after the revocation and at the end."""
    holder, observer = await asyncpg.connect(url), await asyncpg.connect(url)
    try:
        async with _row_lock(holder, *race.lock):
            crowd = [asyncio.ensure_future(race.request(number)) for number in range(CONCURRENCY)]
            await _wait_for_waiters(observer, 1)
            revoking = asyncio.ensure_future(race.revoke())
            await (_wait_for_waiters(observer, 2) if race.revoke_waits else asyncio.wait([revoking]))
        revoked = await revoking
        at_revocation = await observer.fetchval(*race.count)
        statuses = Counter(response.status_code for response in await asyncio.gather(*crowd))
        late = await observer.fetchval(*race.count) - at_revocation
    finally:
        await asyncio.gather(holder.close(), observer.close())
    report.check(revoked.is_success, f"{race.name}: revoked", revoked.status_code)
    report.check(late == 0, f"{race.name}: no row was committed after it", f"{late} of {CONCURRENCY}, {dict(statuses)}")
    report.check(not any(status >= 500 for status in statuses), f"{race.name}: no 5xx", dict(statuses))


@asynccontextmanager
async def _row_lock(holder: asyncpg.Connection, sql: str, key: str) -> AsyncIterator[None]:
    async with holder.transaction():
        await holder.execute(sql, key)
        yield


async def _wait_for_waiters(observer: asyncpg.Connection, number: int) -> None:
    """Wait until this many transactions wait for a lock. Other requests wait in the pool, or for their key."""
    async with asyncio.timeout(2):
        while await observer.fetchval(WAITING) < number:
            await asyncio.sleep(0.005)


async def _user_id(person: UserClient) -> str:
    return str((await person.me()).json()["id"])


async def _caller(http: httpx.AsyncClient) -> tuple[UserClient, UserClient, str]:
    """Create a user with two sessions; returns both clients and the user ID."""
    caller = await sign_up(http)
    other = UserClient(http, caller.email)
    await other.login()
    return caller, other, await _user_id(caller)


async def _other_session(person: UserClient) -> str:
    """Return the user's other session."""
    listed = (await person.get(SESSIONS)).json()["items"]
    return str(next(each["id"] for each in listed if not each["current"]))


async def _session(http: httpx.AsyncClient, _root: UserClient, key: str = "") -> RevocationRace:
    caller, other, user_id = await _caller(http)
    session_id = await _other_session(other)
    headers = {**caller.headers, **({"Idempotency-Key": key} if key else {})}
    return RevocationRace(
        "session revoked" + (", requests behind one idempotency key" if key else ""),
        (LOCK_USER, user_id),
        (COUNT_KEYS, user_id),
        lambda number: http.post(f"/api/v1{KEYS}", json={"name": "key" if key else f"{number}"}, headers=headers),
        lambda: other.send("DELETE", f"{SESSIONS}/{session_id}"),
        revoke_waits=False,
    )


async def _idempotency_key(http: httpx.AsyncClient, root: UserClient) -> RevocationRace:
    return await _session(http, root, key="one-and-the-same")


async def _reset(http: httpx.AsyncClient, root: UserClient) -> RevocationRace:
    caller, _, user_id = await _caller(http)
    return RevocationRace(
        "password reset by an administrator",
        (LOCK_USER, user_id),
        (COUNT_KEYS, user_id),
        lambda number: caller.send("POST", KEYS, {"name": f"key {number}"}),
        lambda: root.send("POST", f"/admin/users/{user_id}/reset-password"),
    )


async def _deactivation(http: httpx.AsyncClient, root: UserClient) -> RevocationRace:
    race = await _reset(http, root)
    user_id = race.lock[1]
    race.name = "user deactivated"
    race.revoke = lambda: root.send("POST", f"/admin/users/{user_id}/deactivate")
    return race


async def _team(http: httpx.AsyncClient) -> tuple[UserClient, UserClient, str, str]:
    """Create an owner and an admin who joined by invitation; returns both, the team and the admin's ID."""
    owner, admin = await sign_up(http), await sign_up(http)
    team_id = (await owner.send("POST", TEAMS, {"name": "Acme"})).json()["id"]
    await owner.send("POST", f"{TEAMS}/{team_id}/invitations", {"email": admin.email, "role": "admin"})
    token = (await admin.find_link("/invitation?")).partition("token=")[2]
    await admin.send("POST", "/app/invitations/accept", {"token": token})
    return owner, admin, team_id, await _user_id(admin)


async def _member(http: httpx.AsyncClient, _root: UserClient) -> RevocationRace:
    return await _team_race(http, "member removed", "DELETE")


async def _role(http: httpx.AsyncClient, _root: UserClient) -> RevocationRace:
    return await _team_race(http, "role lowered", "PATCH", {"role": "viewer"})


async def _team_race(
    http: httpx.AsyncClient, name: str, method: str, body: dict[str, str] | None = None
) -> RevocationRace:
    owner, admin, team_id, user_id = await _team(http)
    path = f"{TEAMS}/{team_id}"
    return RevocationRace(
        name,
        (LOCK_TEAM, team_id),
        (COUNT_INVITATIONS, user_id),
        lambda number: admin.send("POST", f"{path}/invitations", {"email": f"{number}@example.com"}),
        lambda: owner.send(method, f"{path}/members/{user_id}", body),
    )
