"""Restores a test database to its state after the migrations, by deleting rows of non-empty tables."""

import asyncpg

_TABLES = """
    SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'p') AND NOT relispartition
        AND nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_(temp|toast)' ORDER BY 1
"""

_TRUNCATE_PROTECTED = """
    SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal AND tgtype & 32 <> 0 ORDER BY 1
"""
"""Append-only tables, which have a trigger that refuses TRUNCATE."""


class TableCleaner:
    """Cleans the tables of a database, and restores the rows that existed after its migration (versions, keys)."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: asyncpg.Connection | None = None
        self._dirty_tables_query = ""
        self._changed_tables_query = ""

    async def open(self) -> None:
        """Read the state of the freshly migrated database."""
        self._connection = await asyncpg.connect(self._url)
        names = [row[0] for row in await self._connection.fetch(_TABLES)]
        filled = await self._list_filled(names)
        self._dirty_tables_query = _filled_query([name for name in names if name not in filled])
        await self._back_up(filled)

    async def clean(self) -> None:
        """Delete all rows written since `open`. Raises asyncpg's error if a test left a transaction open."""
        assert self._connection is not None
        for query, fix in (
            (self._dirty_tables_query, self._delete_rows),
            (self._changed_tables_query, self._restore),
        ):
            names = [row[0] for row in await self._connection.fetch(query)] if query else []
            if names:
                await fix(names)

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def _list_filled(self, names: list[str]) -> list[str]:
        assert self._connection is not None
        return [row[0] for row in await self._connection.fetch(_filled_query(names))] if names else []

    async def _back_up(self, filled: list[str]) -> None:
        assert self._connection is not None
        for name in filled:
            await self._connection.execute(f"CREATE TEMPORARY TABLE {_backup_table(name)} AS TABLE {name}")
        self._changed_tables_query = " UNION ALL ".join(map(_changed_query, filled))

    async def _restore(self, changed: list[str]) -> None:
        assert self._connection is not None
        await self._delete_rows(changed)
        for name in changed:
            await self._connection.execute(f"INSERT INTO {name} TABLE {_backup_table(name)}")

    async def _delete_rows(self, dirty: list[str]) -> None:
        """Delete rows with triggers and foreign keys disabled (requires superuser), else with TRUNCATE (slower)."""
        assert self._connection is not None
        deletes = ";".join(f"DELETE FROM {name}" for name in dirty)  # noqa: S608 - names come from the catalogue, quoted
        try:
            await self._connection.execute(
                f"BEGIN; SET LOCAL lock_timeout = '5s'; SET LOCAL session_replication_role = replica; {deletes}; COMMIT"
            )
        except asyncpg.InsufficientPrivilegeError:
            await self._connection.execute("ROLLBACK")
            await self._connection.execute(
                f"BEGIN; SET LOCAL lock_timeout = '5s'; {await self._switch_triggers('DISABLE')}"
                f"TRUNCATE {', '.join(dirty)} CASCADE; {await self._switch_triggers('ENABLE')}COMMIT"
            )
        except asyncpg.LockNotAvailableError:
            await self._connection.execute("ROLLBACK")
            raise

    async def _switch_triggers(self, change: str) -> str:
        """Return statements that switch the triggers of append-only tables, which TRUNCATE may reach by CASCADE."""
        assert self._connection is not None
        guarded = [row[0] for row in await self._connection.fetch(_TRUNCATE_PROTECTED)]
        return "".join(f"ALTER TABLE {name} {change} TRIGGER USER; " for name in guarded)


def _filled_query(names: list[str]) -> str:
    return " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in names)  # noqa: S608


def _backup_table(name: str) -> str:
    """Return the name of the temporary table with the rows from the migrations."""
    return f"pg_temp.{name.partition('.')[2]}"


def _changed_query(name: str) -> str:
    return f"SELECT '{name}' WHERE ({_digest_query(name)}) IS DISTINCT FROM ({_digest_query(_backup_table(name))})"  # noqa: S608


def _digest_query(name: str) -> str:
    return f"SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {name} t"  # noqa: S608
