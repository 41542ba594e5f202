"""The release that last upgraded a database, with the defaults of its settings, next to the record of migrations.

A later release compares them with its own: `undercroft upgrade --plan`.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

import asyncpg
from msgspec import Struct, json

from undercroft.core.db.connect import open_connection
from undercroft.core.db.migrations.recorder import restrict_sql
from undercroft.core.errors import ConfigurationError

TABLE_NAME = "undercroft_release"
_CREATE = """
CREATE TABLE undercroft_release (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version text NOT NULL, settings jsonb NOT NULL, upgraded_at timestamptz NOT NULL
)
"""
_RESTRICT = restrict_sql(TABLE_NAME, ("version", "settings", "upgraded_at"))
_RECORD = """
INSERT INTO undercroft_release (version, settings, upgraded_at) VALUES ($1, $2, now())
ON CONFLICT (only_row) DO UPDATE SET version = EXCLUDED.version, settings = EXCLUDED.settings, upgraded_at = now()
WHERE undercroft_release.version <> EXCLUDED.version OR undercroft_release.settings <> EXCLUDED.settings
"""
_READ = "SELECT version, settings, upgraded_at FROM undercroft_release"


class RecordedRelease(Struct, frozen=True):
    """`settings` are the defaults by name, including those of the project's extensions."""

    version: str
    settings: Mapping[str, str]
    upgraded_at: datetime


async def record_release(url: str, version: str, settings: Mapping[str, str]) -> None:
    """Store the release that has upgraded the database, unless it is recorded. Several processes may call it at once.

    Raises `ConfigurationError` if the role is not the owner of the table.
    """
    recorded = await read_release(url)
    if recorded is not None and (recorded.version, recorded.settings) == (version, dict(settings)):
        return
    async with open_connection(url, "migrate") as connection:
        if not await connection.fetchval("SELECT to_regclass('undercroft_release') IS NOT NULL"):
            # Another process may have just created it.
            with suppress(asyncpg.DuplicateTableError, asyncpg.UniqueViolationError):
                async with connection.transaction():
                    await connection.execute(_CREATE)
                    await connection.execute(_RESTRICT)
        try:
            await connection.execute(_RECORD, version, json.encode(settings).decode())
        except asyncpg.InsufficientPrivilegeError:
            raise ConfigurationError(
                "This role may not change tables. Set MIGRATION_DATABASE_URL to the role that owns them, and run "
                "`undercroft migrate upgrade` again."
            ) from None


async def read_release(url: str) -> RecordedRelease | None:
    """Return the release that last upgraded the database; None if no release recorded it, as before 0.2."""
    async with open_connection(url, "migration plan") as connection:
        try:
            row = await connection.fetchrow(_READ)
        except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError):
            return None
    return RecordedRelease(row["version"], json.decode(row["settings"]), row["upgraded_at"]) if row else None
