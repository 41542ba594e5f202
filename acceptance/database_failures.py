"""Scenario 12: lost connections during writes, a failover and a full disk; checks responses and rows."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2 as httpx
from tests.core.db.proxy import Cut, Proxy, run_proxy
from tests.core.db.servers import address, fill_disk, run_server, run_standby, server_folder, small_disk

from acceptance.report import ScenarioReport
from acceptance.stack import cloned_stack
from acceptance.users import API, UserClient, sign_up
from undercroft.devstack.postgres import PostgresServer

MARKER, CREATES, CONCURRENCY, TIMEOUT = "cut-this-one", 100, 8, 15.0


@dataclass(frozen=True)
class CreateResult:
    """A project that a client tried to create, and the code of the response."""

    name: str
    key: str
    code: str


async def run_scenario(report: ScenarioReport) -> None:
    is_root = os.name == "posix" and os.geteuid() == 0
    disk = small_disk() if is_root else _folder()
    async with disk as folder, run_server(folder) as server, run_proxy(server.url) as proxy, cloned_stack() as stack:
        stack.start(DATABASE_URL=proxy.url(server.url))
        await stack.wait_healthy(120)
        async with stack.client() as http:
            person = await sign_up(http)
            await _lost_connections(person, server, proxy, report)
            await _failover(person, server, proxy, report)
            if is_root:
                await _full_disk(person, server, report)
            else:
                report.note("skipped: filling a separate disk requires root")


@asynccontextmanager
async def _folder() -> AsyncIterator[Any]:
    with server_folder() as folder:
        yield folder


async def _lost_connections(person: UserClient, server: PostgresServer, proxy: Proxy, report: ScenarioReport) -> None:
    for cut in (Cut.BEFORE_REQUEST, Cut.BEFORE_RESPONSE):
        when = f"connections end {'before' if cut is Cut.BEFORE_REQUEST else 'after'} the server received the write"
        proxy.marker, proxy.cut = MARKER.encode(), cut
        sent = await _create(person, [f"{MARKER} {number} {cut.name}" for number in range(CREATES)])
        proxy.cut = Cut.NEVER
        rows = await _rows(server, sent)
        unknown = {each.name for each in sent if each.code == "OUTCOME_UNKNOWN"}
        # A request that took long is authorized again in a transaction: a lost connection before COMMIT rolls it back.
        lost = {each.name for each in sent if each.code == "DATABASE_UNAVAILABLE"}
        report.check(
            len(unknown | lost) == CREATES and len(unknown) > 0, f"{when}: every client reads that", _codes(sent)
        )
        expected = set() if cut is Cut.BEFORE_REQUEST else unknown
        report.check(
            set(rows) == expected and set(rows.values()) <= {1},
            f"{when}: rows exist only where the outcome is unknown",
            f"{len(rows)} of {len(unknown)}",
        )
        await _check_retries(person, server, proxy, cut, report)


async def _check_retries(
    person: UserClient, server: PostgresServer, proxy: Proxy, cut: Cut, report: ScenarioReport
) -> None:
    """With an Idempotency-Key, the client repeats the request until it succeeds."""
    proxy.cut = cut
    first = await _create(person, [f"{MARKER} key {n} {cut.name}" for n in range(CREATES)], keys=True)
    proxy.cut = Cut.NEVER
    again = await asyncio.gather(*(_send(person, each.name, each.key) for each in first))
    rows = await _rows(server, first)
    report.check({each.code for each in again} == {"201"}, "with a key, sent again: 201", _codes(first) + _codes(again))
    report.check(len(rows) == CREATES and set(rows.values()) == {1}, "and each exists once", f"{len(rows)} rows")


async def _failover(person: UserClient, server: PostgresServer, proxy: Proxy, report: ScenarioReport) -> None:
    """Pooled connections are to a server that became a standby; new connections are to the primary."""
    with server_folder() as folder:
        async with run_standby(server, folder) as standby:
            await _wait_until_replicated(server, standby)
            proxy.server = address(standby)
            proxy.disconnect()
            await asyncio.sleep(1)
            during = await _create(person, [f"standby {number}" for number in range(CREATES)])
            ready = await person.http.get(f"{API}/public/health/ready")
            listed = await person.get("/app/projects")
            proxy.server = address(server)
            after = [await _send(person, f"after {number}") for number in range(CREATES)]
    rows = await _rows(server, [*during, *after])
    report.check({each.code for each in during} == {"DATABASE_UNAVAILABLE"}, "on a standby, writes", _codes(during))
    report.check(ready.status_code == 503, "on a standby, readiness fails", ready.status_code)
    report.check(listed.status_code == 200, "on a standby, reads succeed", listed.status_code)
    failed = [each for each in after if each.code != "201"]
    report.check(len(failed) <= 1, "after the failover, writes reconnect after at most one failure", _codes(after))
    created = {each.name for each in after if each.code == "201"}
    report.check(set(rows) == created, "and as many rows as 201", f"{len(rows)} rows, {len(created)} created")
    report.check(await _becomes_ready(person), "and readiness recovers")


async def _full_disk(person: UserClient, server: PostgresServer, report: ScenarioReport) -> None:
    filler = await asyncio.to_thread(fill_disk, server.data)
    try:
        sent = await _create(person, [f"full disk {number}" for number in range(CREATES)])
        is_unready = await _becomes_ready(person, 503)
    finally:
        filler.unlink()
    rows = await _rows(server, sent)
    created = {each.name for each in sent if each.code == "201"}
    codes = {each.code for each in sent} - {"201"}
    report.check(codes == {"DATABASE_UNAVAILABLE"}, "on a full disk, writes", _codes(sent))
    report.check(set(rows) == created, "and as many rows as 201", f"{len(rows)} rows, {len(created)} created")
    report.check(is_unready, "and readiness fails")
    report.check(await _becomes_ready(person), "when there is room again, readiness recovers")
    report.check((await _send(person, "room again")).code == "201", "and writes succeed")


async def _create(person: UserClient, names: Sequence[str], *, keys: bool = False) -> list[CreateResult]:
    """Create projects, some concurrently; returns the codes that the clients received."""
    free = asyncio.Semaphore(CONCURRENCY)

    async def create(name: str) -> CreateResult:
        async with free:
            return await _send(person, name, str(uuid4()) if keys else "")

    return list(await asyncio.gather(*map(create, names)))


async def _send(person: UserClient, name: str, key: str = "") -> CreateResult:
    headers = person.headers | ({"Idempotency-Key": key} if key else {})
    body = {"name": name, "description": "x" * 5_000}
    response = await person.http.post(f"{API}/app/projects", json=body, headers=headers)
    return CreateResult(name, key, _code(response))


def _code(response: httpx.Response) -> str:
    if response.status_code < 400:
        return str(response.status_code)
    retry = response.status_code != 503 or "Retry-After" in response.headers
    return str(response.json()["error"]["code"]) + ("" if retry else " without Retry-After")


async def _rows(server: PostgresServer, sent: Sequence[CreateResult]) -> Counter[str]:
    """Count the rows of each project, after all statements in the database have ended."""
    connection = await asyncpg.connect(server.url)
    try:
        await _wait_until_idle(connection)
        found = await connection.fetch("SELECT name FROM projects WHERE name = ANY($1)", [each.name for each in sent])
    finally:
        await connection.close()
    return Counter(row["name"] for row in found)


async def _wait_until_idle(connection: asyncpg.Connection) -> None:
    busy = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%projects%' AND state <> 'idle' AND pid <> $1"
    async with asyncio.timeout(TIMEOUT):
        while await connection.fetchval(busy, connection.get_server_pid()):
            await asyncio.sleep(0.05)


async def _wait_until_replicated(server: PostgresServer, standby: PostgresServer) -> None:
    """Wait until the standby has received all data, including sessions."""
    primary, replica = await asyncpg.connect(server.url), await asyncpg.connect(standby.url)
    try:
        written = await primary.fetchval("SELECT pg_current_wal_lsn()::text")
        async with asyncio.timeout(TIMEOUT):
            while not await replica.fetchval("SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", written):
                await asyncio.sleep(0.05)
    finally:
        await primary.close()
        await replica.close()


async def _becomes_ready(person: UserClient, status: int = 200) -> bool:
    """Wait until the readiness check responds with this status; a successful write is cached for a second."""
    with suppress(TimeoutError):
        async with asyncio.timeout(TIMEOUT):
            while (await person.http.get(f"{API}/public/health/ready")).status_code != status:
                await asyncio.sleep(0.1)
            return True
    return False


def _codes(sent: Sequence[CreateResult]) -> Counter[str]:
    return Counter(each.code for each in sent)
