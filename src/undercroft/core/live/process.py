"""The live values of one process: reads them at its start, and again after each change."""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog

from undercroft.core.db import Database
from undercroft.core.db.connect import wait_for_database
from undercroft.core.db.errors import DatabaseUnavailable
from undercroft.core.health import ComponentDown
from undercroft.core.live.versions import read_versions

if TYPE_CHECKING:
    from undercroft.core.live.value import Live

log = structlog.get_logger("undercroft.application")

INTERVAL = 0.4
"""Seconds between two reads of the versions. A change must arrive within a second, including a slow read."""
TIMEOUT = 2.0
"""Seconds after which a statement or connection attempt is abandoned, so that a hanging server does not stop it."""
_UNREAD: Any = object()


class LiveValues:
    """The values of an application, from `start` to `stop`. It has one connection to the database of its own."""

    def __init__(self, database: Database, values: Iterable["Live[Any]"]) -> None:
        limits = {
            "db_pool": "queue",
            "db_pool_size": 1,
            "db_read_pool_size": 1,
            "db_connect_timeout": min(TIMEOUT, database.settings.db_connect_timeout),
            "db_statement_timeout": min(TIMEOUT, database.settings.db_statement_timeout),
        }
        self._database = Database(database.settings.model_copy(update=limits), database.url, name="live")
        self._values = tuple(values)
        self._current: dict[Live[Any], Any] = {}
        self._versions: dict[Live[Any], UUID | None] = {}
        self._unreadable: set[str] = set()
        self._is_available = True
        self._lock = asyncio.Lock()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def current(self, value: "Live[Any]") -> Any:
        return self._current.get(value, value.default)

    def wake(self) -> None:
        """Read the versions now: this process has committed a change."""
        self._changed.set()

    async def start(self, timeout: float = 0) -> None:
        """Read all values, then keep them fresh until `stop`.

        Waits up to `timeout` seconds for a database that became unavailable, and raises its error after that: with the
        defaults, a stored sign-up policy would not apply.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                await self.refresh()
                break
            except DatabaseUnavailable:
                if time.monotonic() >= deadline:
                    raise
            await wait_for_database(self._database.url, deadline - time.monotonic())
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._database.close()

    async def refresh(self) -> None:
        """Read the values that changed since they were last read. Raises the error of an unavailable database."""
        async with self._lock:
            self._changed.clear()
            versions = await read_versions(self._database)
            for value in self._values:
                version = versions.get(value.name)
                if self._versions.get(value, _UNREAD) != version:
                    await self._read(value, version)

    async def check(self) -> None:
        """A health check: raise `ComponentDown` with the names of the values that cannot be read."""
        if self._unreadable:
            raise ComponentDown({"unreadable": sorted(self._unreadable)})

    async def _read(self, value: "Live[Any]", version: UUID | None) -> None:
        """Read one value. The version was read before it, so the value is at least as new."""
        try:
            async with self._database.read_session() as session:
                found = await value.function(session)
            if value.on_change is not None:
                value.on_change(found)
        except DatabaseUnavailable:
            raise
        except Exception as error:
            if value.name not in self._unreadable:
                log.error("live_value.unreadable", value=value.name, exc_info=error)
            self._unreadable.add(value.name)
            return
        self._current[value], self._versions[value] = found, version
        self._unreadable.discard(value.name)

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL):
                    await self._changed.wait()
            try:
                await self.refresh()
            except Exception as error:
                self._report(error)
                await asyncio.sleep(INTERVAL / 2)
            else:
                self._report(None)

    def _report(self, error: Exception | None) -> None:
        """Log the first of consecutive errors, and the end of an outage."""
        if error is not None and self._is_available:
            log.warning("live_values.not_refreshed", cause=f"{type(error).__name__}: {error}")
        elif error is None and not self._is_available:
            log.info("live_values.refreshed_again")
        self._is_available = error is None
