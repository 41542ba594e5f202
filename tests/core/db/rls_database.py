"""A database with row-level security on, whatever the settings of the test run are."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from undercroft.app.migrations import upgrade_all
from undercroft.app.schema import build_row_security
from undercroft.core.db import Database, DatabaseSettings
from undercroft.core.settings import load
from undercroft.testing.servers import Servers
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
    roles = (servers.app_url, servers.owner_url, servers.admin_url, servers.manager_url)
    urls = [servers.with_database(url, name) for url in roles]
    settings = load(DatabaseSettings).model_copy(update={"tenant_rls": True})
    async with servers.create_database(name, template=servers.template):
        database = Database(settings, urls[0])
        instrument(database)
        try:
            await upgrade_all(urls[1], rls=build_row_security(enabled=True))
            yield RlsDatabase(database, *urls)
        finally:
            await database.close()
