"""Row locks that a test holds while requests wait for them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from httpx2 import Response

from tests.jobs.processes import wait_until
from undercroft.core.db import Database
from undercroft.core.db.tenancy import all_tenants

BLOCKED_COUNT_SQL = (
    "SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid) "
    "WHERE NOT granted AND datname = current_database()"
)


async def are_blocked(database: Database, number: int) -> bool:
    async with database.session() as session:
        return await (await session.raw()).fetchval(BLOCKED_COUNT_SQL) == number


async def until_waiting(database: Database) -> None:
    """Wait until a statement waits for a lock."""
    await wait_until(lambda: are_blocked(database, 1))


@dataclass
class BlockedRequests:
    """Requests that wait for a locked row. The changes of `execute` commit before the requests continue."""

    database: Database
    session: Any
    requests: list[asyncio.Task[Response]] = field(default_factory=list)

    async def send(self, request: Awaitable[Response], *, waiting: bool = True) -> None:
        self.requests.append(asyncio.ensure_future(request))
        if waiting:
            await wait_until(lambda: are_blocked(self.database, len(self.requests)))

    async def execute(self, sql: str, *values: Any) -> None:
        with all_tenants():
            await (await self.session.raw()).execute(sql, *values)


@asynccontextmanager
async def holding_locks(database: Database, sql: str, *values: Any) -> AsyncIterator[BlockedRequests]:
    """Hold the locks of this statement while the block runs."""
    async with database.session() as session:
        blocked = BlockedRequests(database, session)
        await blocked.execute(sql, *values)
        yield blocked


async def count(database: Database, sql: str, *values: Any) -> int:
    with all_tenants():
        async with database.session() as session:
            number: int = await (await session.raw()).fetchval(sql, *values)
            return number
