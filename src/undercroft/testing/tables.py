"""Brings a test database back to what its migrations left, by deleting the rows of tables that have any."""

from collections.abc import Sequence

import asyncpg

_TABLES = """
    SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""


class Tables:
    """The tables of one database. Those that had rows when it was migrated (versions, fixed data) are left alone.

    So are those named in `kept`: what the application that all tests share made when it started.
    """

    def __init__(self, url: str, *, kept: Sequence[str] = ()) -> None:
        self._url = url
        self._kept = {f"public.{name}" for name in kept}
        self._connection: asyncpg.Connection | None = None
        self._which_are_dirty = ""

    async def open(self) -> None:
        """Look at the freshly migrated database once."""
        self._connection = await asyncpg.connect(self._url)
        names = [row[0] for row in await self._connection.fetch(_TABLES)]
        kept = self._kept | set(await self._with_rows(names))
        self._which_are_dirty = _question([name for name in names if name not in kept])

    async def clean(self) -> None:
        """Delete every row that was written since. Raises asyncpg's error when a test left a transaction open."""
        assert self._connection is not None
        if not self._which_are_dirty:
            return
        dirty = [row[0] for row in await self._connection.fetch(self._which_are_dirty)]
        if dirty:
            await self._empty(dirty)

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def _with_rows(self, names: list[str]) -> list[str]:
        assert self._connection is not None
        return [row[0] for row in await self._connection.fetch(_question(names))] if names else []

    async def _empty(self, dirty: list[str]) -> None:
        """With foreign keys and triggers off where we may (superuser), else by the slower TRUNCATE."""
        assert self._connection is not None
        deletes = ";".join(f"DELETE FROM {name}" for name in dirty)  # noqa: S608 - names come from the catalogue, quoted
        try:
            await self._connection.execute(
                f"BEGIN; SET LOCAL lock_timeout = '5s'; SET LOCAL session_replication_role = replica; {deletes}; COMMIT"
            )
        except asyncpg.InsufficientPrivilegeError:
            await self._connection.execute("ROLLBACK")
            await self._connection.execute(f"SET lock_timeout = '5s'; TRUNCATE {', '.join(dirty)} CASCADE")
        except asyncpg.LockNotAvailableError:
            await self._connection.execute("ROLLBACK")
            raise


def _question(names: list[str]) -> str:
    return " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in names)  # noqa: S608
