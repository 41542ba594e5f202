"""Digests of the victim's rows in all tables, to detect changes."""

import asyncpg

_TABLES = """
    SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'p') AND NOT relispartition AND nspname = 'public' ORDER BY 1
"""


class Rows:
    """All rows of all tables that contain one of these words."""

    def __init__(self, connection: asyncpg.Connection, words: list[str]) -> None:
        self._connection = connection
        self._pattern = "|".join(words)
        self._query = ""

    async def digest(self) -> dict[str, str]:
        """Return one digest per table with such rows."""
        if not self._query:
            names = [row[0] for row in await self._connection.fetch(_TABLES)]
            self._query = " UNION ALL ".join(map(_digest, names))
        rows = await self._connection.fetch(self._query, self._pattern)
        return {row[0]: row[1] for row in rows if row[1] is not None}


def _digest(name: str) -> str:
    digest = "md5(string_agg(t::text, '|' ORDER BY t::text))"
    return f"SELECT '{name}', {digest} FROM {name} t WHERE t::text ~ $1"  # noqa: S608 - names come from the catalogue
