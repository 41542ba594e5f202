"""Brings a test database back to what its migrations left, by deleting the rows of tables that have any."""

import asyncpg

_TABLES = """
    SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'p') AND NOT relispartition
        AND nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_(temp|toast)' ORDER BY 1
"""

_TRUNCATE_PROTECTED = """
    SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal AND tgtype & 32 <> 0 ORDER BY 1
"""
"""Tables with a trigger on TRUNCATE, which refuses it: those that are only ever appended to."""


class TableCleaner:
    """The tables of one database. Those that had rows when it was migrated (versions, keys) get these rows back."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: asyncpg.Connection | None = None
        self._dirty_tables_query = ""
        self._changed_tables_query = ""

    async def open(self) -> None:
        """Look at the freshly migrated database once."""
        self._connection = await asyncpg.connect(self._url)
        names = [row[0] for row in await self._connection.fetch(_TABLES)]
        kept = await self._list_filled(names)
        self._dirty_tables_query = _filled_query([name for name in names if name not in kept])
        await self._back_up(kept)

    async def clean(self) -> None:
        """Delete every row that was written since. Raises asyncpg's error when a test left a transaction open."""
        assert self._connection is not None
        for question, mend in (
            (self._dirty_tables_query, self._delete_rows),
            (self._changed_tables_query, self._restore),
        ):
            names = [row[0] for row in await self._connection.fetch(question)] if question else []
            if names:
                await mend(names)

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def _list_filled(self, names: list[str]) -> list[str]:
        assert self._connection is not None
        return [row[0] for row in await self._connection.fetch(_filled_query(names))] if names else []

    async def _back_up(self, kept: list[str]) -> None:
        assert self._connection is not None
        for name in kept:
            await self._connection.execute(f"CREATE TEMPORARY TABLE {_backup_table(name)} AS TABLE {name}")
        self._changed_tables_query = " UNION ALL ".join(map(_changed_query, kept))

    async def _restore(self, changed: list[str]) -> None:
        assert self._connection is not None
        await self._delete_rows(changed)
        for name in changed:
            await self._connection.execute(f"INSERT INTO {name} TABLE {_backup_table(name)}")

    async def _delete_rows(self, dirty: list[str]) -> None:
        """With foreign keys and triggers off where we may (superuser), else by the slower TRUNCATE."""
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
        """Statements that switch the triggers of append-only tables, which TRUNCATE may reach by CASCADE."""
        assert self._connection is not None
        guarded = [row[0] for row in await self._connection.fetch(_TRUNCATE_PROTECTED)]
        return "".join(f"ALTER TABLE {name} {change} TRIGGER USER; " for name in guarded)


def _filled_query(names: list[str]) -> str:
    return " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in names)  # noqa: S608


def _backup_table(name: str) -> str:
    """The table of this connection alone that holds what the migrations left."""
    return f"pg_temp.{name.partition('.')[2]}"


def _changed_query(name: str) -> str:
    return f"SELECT '{name}' WHERE ({_digest_query(name)}) IS DISTINCT FROM ({_digest_query(_backup_table(name))})"  # noqa: S608


def _digest_query(name: str) -> str:
    return f"SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {name} t"  # noqa: S608
