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

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._dirty_tables_query = ""
        self._changed_tables_query = ""

    async def open(self) -> None:
        """Read the state of the freshly migrated database."""
        names = await self._fetch_names(_TABLES)
        filled = await self._fetch_names(_filled_query(names))
        for name in filled:
            await self._connection.execute(f"CREATE TEMPORARY TABLE {_backup_table(name)} AS TABLE {name}")
        self._dirty_tables_query = _filled_query([name for name in names if name not in filled])
        self._changed_tables_query = " UNION ALL ".join(map(_changed_query, filled))

    async def clean(self) -> None:
        """Delete all rows written since `open`. Raises asyncpg's error if a test left a transaction open."""
        for query, fix in ((self._dirty_tables_query, self._delete_rows), (self._changed_tables_query, self._restore)):
            if names := await self._fetch_names(query):
                await fix(names)

    async def _fetch_names(self, query: str) -> list[str]:
        return [row[0] for row in await self._connection.fetch(query)] if query else []

    async def _restore(self, changed: list[str]) -> None:
        await self._delete_rows(changed)
        for name in changed:
            await self._connection.execute(f"INSERT INTO {name} TABLE {_backup_table(name)}")

    async def _delete_rows(self, dirty: list[str]) -> None:
        """Delete rows with triggers and foreign keys disabled (requires superuser), else with TRUNCATE (slower)."""
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
        guarded = await self._fetch_names(_TRUNCATE_PROTECTED)
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
