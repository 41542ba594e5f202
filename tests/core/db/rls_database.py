"""A database with row-level security on, whatever the settings of the test run are."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import asyncpg
import pytest

from undercroft.app.migrations import upgrade_all
from undercroft.app.schema import build_row_security
from undercroft.core.db import Database, DatabaseSettings
from undercroft.core.settings import load
from undercroft.testing.servers import Servers, with_database
from undercroft.testing.statements import instrument


@dataclass(frozen=True)
class RlsDatabase:
    """`database` with the application's role, and the database's URLs by role."""

    database: Database
    app_url: str
    owner_url: str
    admin_url: str
    manager_url: str


@asynccontextmanager
async def create_rls_database(servers: Servers) -> AsyncIterator[RlsDatabase]:
    """A separate migrated database, dropped after the block; skips the test if all roles are the same."""
    if servers.has_one_role:
        pytest.skip("TEST_DATABASE_URL has one role, which owns the tables")
    name = f"secured_{secrets.token_hex(6)}"
    manager = await asyncpg.connect(servers.manager_url)
    owner = urlsplit(servers.owner_url).username
    await manager.execute(f'CREATE DATABASE "{name}" TEMPLATE "{servers.template}" OWNER "{owner}"')
    urls = [
        with_database(url, name) for url in (servers.app_url, servers.owner_url, servers.admin_url, servers.manager_url)
    ]
    settings = load(DatabaseSettings).model_copy(update={"tenant_rls": True})
    database = Database(settings, urls[0])
    instrument(database)
    try:
        await upgrade_all(urls[1], rls=build_row_security(enabled=True))
        yield RlsDatabase(database, *urls)
    finally:
        await database.close()
        await manager.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await manager.close()
