"""Moves the clocks of the test process and of its database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg
import time_machine

from undercroft.core.db import Database, utc_now
from undercroft.testing.rollback import current_transaction

_SCHEMA = "undercroft_clock"
_FUNCTIONS = ("now", "transaction_timestamp", "statement_timestamp", "clock_timestamp")
_SEARCH_PATH = f'{_SCHEMA}, "$user", public, pg_catalog'
"""With pg_catalog last, `now()` is the function of the schema. SQL that was parsed before is parsed again."""


class Clock:
    """Moves `datetime.now()`, `time.time()` and the database's `now()` by the same time; they keep ticking.

    The clock is reset after the test. It does not move `CURRENT_TIMESTAMP` and other keywords of SQL, `DEFAULT now()`
    of a column, monotonic clocks (`asyncio.sleep`, timeouts, caches in memory), expiry in Redis, UUIDv7 IDs, and other
    processes.

        async def test_access_token_expires(create_user: CreateUser, clock: Clock) -> None:
            person = await create_user()
            await clock.travel(hours=2)
            assert (await person.client.get("/api/v1/app/users/me")).status_code == 401
            await person.sign_in()
            assert (await person.client.get("/api/v1/app/users/me")).status_code == 200

        async def test_database_has_the_same_time(clock: Clock, database: Database) -> None:
            await clock.travel_to(datetime(2031, 2, 3, tzinfo=UTC))
            async with database.read_session() as session:
                assert (await session.scalar(select(func.now()))).date() == clock.now().date() == date(2031, 2, 3)
    """

    def __init__(self, manager: asyncpg.Connection, database: Database) -> None:
        self._manager = manager
        self._database = database
        self._offset = timedelta()
        self._is_installed = False
        self._travel: time_machine.travel | None = None

    def now(self) -> datetime:
        """The current time of this clock, in UTC."""
        return utc_now()

    async def travel(
        self, *, weeks: float = 0, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> None:
        """Move the clock forward, or back by negative values. Raises `RuntimeError` while a session is open."""
        delta = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
        await self._set_offset(self._offset + delta)

    async def travel_to(self, moment: datetime) -> None:
        """Set the clock to an aware datetime. Raises `ValueError` for a naive one, and the errors of `travel`."""
        if moment.tzinfo is None:
            raise ValueError("The time needs a time zone: datetime(2031, 2, 3, tzinfo=UTC).")
        await self._set_offset(self._offset + (moment - self.now()))

    async def reset(self) -> None:
        """Set the clock to the actual time."""
        self._move_process(timedelta())
        if self._is_installed:
            await self._reset_database()

    async def _set_offset(self, offset: timedelta) -> None:
        self._require_no_session()
        await self._move_database(offset)
        self._move_process(offset)

    def _require_no_session(self) -> None:
        pools = {id(pool.engine): pool for pool in (self._database.write, self._database.read)}
        in_use = sum(pool.in_use for pool in pools.values()) - (current_transaction() is not None)
        if in_use:
            raise RuntimeError("A session is open. Move the clock before or after its `async with` block.")

    def _move_process(self, offset: timedelta) -> None:
        if self._travel is not None:
            self._travel.stop()
        self._offset, self._travel = offset, None
        if offset:
            self._travel = time_machine.travel(datetime.now(UTC) + offset, tick=True)
            self._travel.start()

    async def _move_database(self, offset: timedelta) -> None:
        name = await self._manager.fetchval("SELECT current_database()")
        functions = "".join(
            f"CREATE OR REPLACE FUNCTION {_SCHEMA}.{function}() RETURNS timestamptz LANGUAGE sql "
            f"{'VOLATILE' if function == 'clock_timestamp' else 'STABLE'} PARALLEL SAFE "
            f"AS 'SELECT pg_catalog.{function}() + interval ''{offset.total_seconds():f} seconds''';"
            for function in _FUNCTIONS
        )
        await self._manager.execute(
            f"CREATE SCHEMA IF NOT EXISTS {_SCHEMA}; GRANT USAGE ON SCHEMA {_SCHEMA} TO PUBLIC; {functions}"
            f'ALTER DATABASE "{name}" SET search_path = {_SEARCH_PATH}'
        )
        self._is_installed = True
        await self._apply(_SEARCH_PATH)

    async def _reset_database(self) -> None:
        name = await self._manager.fetchval("SELECT current_database()")
        await self._manager.execute(f'ALTER DATABASE "{name}" RESET search_path; DROP SCHEMA {_SCHEMA} CASCADE')
        self._is_installed = False
        await self._apply("DEFAULT")

    async def _apply(self, search_path: str) -> None:
        """Let new connections replace the open ones, which have the earlier search path."""
        if (transaction := current_transaction()) is not None:
            await transaction.outer.raw.execute(f"SET LOCAL search_path = {search_path}")
        for pool in (self._database.write, self._database.read):
            pool.discard_idle()


@asynccontextmanager
async def moving_clock(manager_url: str, database: Database) -> AsyncIterator[Clock]:
    """A clock for the block. `manager_url` is that of the database for a role that owns it."""
    manager = await asyncpg.connect(manager_url)
    clock = Clock(manager, database)
    try:
        yield clock
    finally:
        await clock.reset()
        await manager.close()
