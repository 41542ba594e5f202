"""Reads from the development database with SQL that an agent wrote.

What a query can do is decided by PostgreSQL, not by its text. It runs in a read-only transaction as a role that has no
privilege except to read the columns without secrets (`devstack.reader`). So the text of a secret column cannot be
reached by an expression, a function or a cast of the row. For `SELECT *`, each table with such columns is a temporary
view that contains `[secret]` instead; it is never committed, so it blocks no migration.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping
from typing import Any

import asyncpg
from msgspec import Struct

from undercroft.core.db.connect import CONNECT_ERRORS, connect

TIMEOUT = 10.0
MAX_TEXT = 2_000
HIDDEN = "[secret]"
_COMMENTS = re.compile(r"\s+|--[^\n]*(?:\n|$)|/\*.*?\*/", re.DOTALL)
_STATEMENTS = frozenset({"SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN"})


class QueryRefused(Exception):
    """A query that cannot be run; the message says why."""


class Columns(Struct, frozen=True):
    """The columns of a table: those that may be read, and those with secrets."""

    readable: tuple[str, ...]
    secret: tuple[str, ...]


def read_columns(tables: Iterable[Mapping[str, Any]]) -> dict[str, Columns]:
    """Read the columns from the tables of `undercroft map`."""
    found = {}
    for table in tables:
        secret = [line.split()[0] for line in table["columns"] if line.endswith(" secret")]
        names = [line.split()[0] for line in table["columns"]]
        found[table["name"]] = Columns(tuple(name for name in names if name not in secret), tuple(secret))
    return found


async def run_query(url: str, query: str, columns: Mapping[str, Columns], limit: int) -> dict[str, Any]:
    """Return the rows of a query, at most `limit`, and whether there are more. Raises `QueryRefused`."""
    require_reading(query)
    try:
        connection = await connect(url, "mcp", command_timeout=TIMEOUT)
    except CONNECT_ERRORS as error:
        raise QueryRefused(f"The development database cannot be reached: {error}") from None
    try:
        return await _fetch(connection, query, columns, limit)
    except TimeoutError:
        raise QueryRefused(f"The query took longer than {TIMEOUT:g} s.") from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise QueryRefused(f"{error}. {_explain_privileges(columns)}") from None
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise QueryRefused(str(error)) from None
    finally:
        connection.terminate()


async def _fetch(
    connection: asyncpg.Connection, query: str, columns: Mapping[str, Columns], limit: int
) -> dict[str, Any]:
    existing = {row["table_name"] for row in await connection.fetch(_READABLE_TABLES)}
    views = "".join(_view(name, each) for name, each in columns.items() if each.secret and name in existing)
    await connection.execute(
        f"BEGIN READ WRITE; {views} SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = '{TIMEOUT:g}s'"
    )
    async with asyncio.timeout(TIMEOUT):
        statement = await connection.prepare(query)
        cursor = await statement.cursor()
        rows = await cursor.fetch(limit + 1)
    names = [each.name for each in statement.get_attributes()]
    shown = [[_shorten(value) for value in row.values()] for row in rows[:limit]]
    return {"columns": names, "rows": shown, "more": len(rows) > limit}


_READABLE_TABLES = """
SELECT DISTINCT table_name::text FROM information_schema.column_privileges
WHERE table_schema = 'public' AND privilege_type = 'SELECT' AND grantee = current_user
"""


def require_reading(query: str) -> None:
    """Raise `QueryRefused`, with the reason, if this is no statement that reads. PostgreSQL enforces it anyway."""
    position = 0
    while found := _COMMENTS.match(query, position):
        position = found.end()
    word = re.match(r"\w*", query[position:].lstrip("("))
    if word is None or word[0].upper() not in _STATEMENTS:
        raise QueryRefused(f"Only {', '.join(sorted(_STATEMENTS))} can be run. This tool only reads.")


def _view(table: str, columns: Columns) -> str:
    shown = [_quote(name) for name in columns.readable] + [f"'{HIDDEN}'::text AS {_quote(n)}" for n in columns.secret]
    view = f"CREATE TEMPORARY VIEW {_quote(table)} AS SELECT {', '.join(shown)}"
    return f"{view} FROM public.{_quote(table)};"


def _explain_privileges(columns: Mapping[str, Columns]) -> str:
    secret = "; ".join(f"{name}: {', '.join(each.secret)}" for name, each in columns.items() if each.secret)
    return f"Only tables of models can be read, without a schema before their name. Secret columns are {secret}."


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _shorten(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else f"[{len(value)} bytes]" if isinstance(value, bytes) else str(value)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}… ({len(text)} characters)"
