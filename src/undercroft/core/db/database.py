"""A PostgreSQL database, and how its sessions end."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from undercroft.core.db.errors import raise_translated, raise_translated_read
from undercroft.core.db.pool import Pool
from undercroft.core.db.read_session import ReadSession
from undercroft.core.db.session import Session
from undercroft.core.db.settings import DatabaseSettings, require_url
from undercroft.core.db.statement import Statement
from undercroft.core.errors import AppError


class Database:
    """A PostgreSQL database: a pool for writing and a read-only pool.

    `name` is the application name of the writing connections after "undercroft"; `server_settings` apply to them too.
    Raises `ConfigurationError` if no database is configured.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        url: str | None = None,
        *,
        name: str = "write",
        server_settings: Mapping[str, str] | None = None,
    ) -> None:
        url = require_url(url or settings.url)
        self.url = url
        self.settings = settings
        self.write = Pool(url, settings, name=name, size=settings.db_pool_size, server_settings=server_settings)
        self.read = Pool(url, settings, name="read", size=settings.db_read_pool_size, read_only=True)
        self.write.same_server = self.read.same_server = (self.write, self.read)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """One transaction, committed at the end of the block, rolled back by an exception.

        An `AppError` with `commits` commits and is raised as well. Driver errors are raised as the matching `AppError`.
        """
        session = Session(self.write)
        try:
            yield session
            await session._commit()
        except AppError as error:
            await self._end_after_app_error(session, error)
            raise
        except BaseException as error:
            await session._roll_back(error)
            raise_translated(error)

    @asynccontextmanager
    async def read_session(self) -> AsyncIterator[ReadSession]:
        """Reads without a transaction, on read-only connections."""
        session = ReadSession(self.read)
        try:
            yield session
        except BaseException as error:
            await session._close_after_error(error)
            raise_translated_read(error)
        await session._close(broken=False)

    async def fetchrow(self, statement: Statement, **values: Any) -> asyncpg.Record | None:
        """Read one row without a session. Driver errors are raised as the matching `AppError`."""
        try:
            return await self.read.fetchrow(statement, **values)
        except Exception as error:
            raise_translated_read(error)

    async def close(self) -> None:
        """Close all connections."""
        await self.write.close()
        await self.read.close()

    @staticmethod
    async def _end_after_app_error(session: Session, error: AppError) -> None:
        if not error.commits:
            await session._roll_back(error)
            return
        try:
            await session._commit()
        except BaseException as failure:
            await session._roll_back(failure)
            raise_translated(failure)
