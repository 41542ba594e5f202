"""The fixtures. Everything heavy is imported when a test asks for it."""

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from undercroft.testing.plugin import RUN_FOLDER

if TYPE_CHECKING:
    from undercroft.core.db import Database
    from undercroft.testing.jobs import JobsInTest
    from undercroft.testing.servers import Servers
    from undercroft.testing.statements import Statements
    from undercroft.testing.tables import Tables

TEST_SECRET = "a secret for tests only, 0123456789 abcdefghij"  # noqa: S105


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> "Servers":
    """PostgreSQL and Valkey of this run."""
    from undercroft.testing.servers import Servers

    return Servers.of(request.config.stash[RUN_FOLDER])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def database_name(servers: "Servers") -> AsyncIterator[str]:
    """A migrated database of this worker's own."""
    import asyncpg

    name = f"{servers.template}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    owner = urlsplit(servers.owner_url).username
    manager = await asyncpg.connect(servers.manager_url)
    try:
        await manager.execute(f'CREATE DATABASE "{name}" TEMPLATE "{servers.template}" OWNER "{owner}"')
        yield name
        await manager.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    finally:
        await manager.close()


@pytest_asyncio.fixture(loop_scope="session")
async def empty_database_url(servers: "Servers") -> AsyncIterator[str]:
    """A new database without a table, as its owner, dropped after the test: for migrations."""
    import asyncpg

    from undercroft.testing.servers import at

    name = f"empty_{secrets.token_hex(6)}"
    owner = urlsplit(servers.owner_url).username
    manager = await asyncpg.connect(servers.manager_url)
    try:
        await manager.execute(f'CREATE DATABASE "{name}" OWNER "{owner}"')
        yield at(servers.owner_url, name)
        await manager.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await manager.close()


@pytest.fixture(scope="session")
def database_url(servers: "Servers", database_name: str) -> str:
    """This worker's database as the application's role: rows, no tables."""
    from undercroft.testing.servers import at

    return at(servers.app_url, database_name)


@pytest.fixture(scope="session")
def owner_url(servers: "Servers", database_name: str) -> str:
    """This worker's database as the owner of its tables."""
    from undercroft.testing.servers import at

    return at(servers.owner_url, database_name)


@pytest.fixture(scope="session")
def admin_url(servers: "Servers", database_name: str) -> str:
    """This worker's database as the admin surface's role."""
    from undercroft.testing.servers import at

    return at(servers.admin_url, database_name)


@pytest.fixture(scope="session")
def worker_redis_url(servers: "Servers") -> str:
    """A logical Valkey database of this worker's own."""
    from undercroft.testing.servers import at

    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return at(servers.redis_url, worker)


@pytest_asyncio.fixture(loop_scope="session")
async def redis_url(worker_redis_url: str) -> AsyncIterator[str]:
    """This worker's Valkey, emptied after the test."""
    from redis.asyncio import Redis

    yield worker_redis_url
    async with Redis.from_url(worker_redis_url) as client:
        await client.flushdb()


@pytest.fixture(scope="session")
def test_settings(database_url: str, owner_url: str, admin_url: str) -> Iterator[None]:
    """Settings as in a test: ENVIRONMENT=test, secrets of no worth, this worker's database."""
    from pydantic import SecretStr

    from undercroft.core import settings
    from undercroft.core.db import DatabaseSettings

    settings.reset()
    settings.use(
        settings.CoreSettings(
            environment=settings.Environment.TEST, secret_key=SecretStr(TEST_SECRET), public_url="http://test.local"
        )
    )
    settings.use(
        DatabaseSettings(
            database_url=SecretStr(database_url),
            migration_database_url=SecretStr(owner_url),
            admin_database_url=SecretStr(admin_url),
        )
    )
    yield
    settings.reset()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def worker_database(test_settings: None, database_url: str) -> AsyncIterator["Database"]:  # noqa: ARG001
    """The connections that all tests of this worker share; tests ask for `database`."""
    from undercroft.core.db import Database, DatabaseSettings
    from undercroft.core.settings import load
    from undercroft.testing.statements import watch

    database = Database(load(DatabaseSettings), database_url)
    watch(database)
    yield database
    await database.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def worker_tables(servers: "Servers", database_name: str) -> AsyncIterator["Tables"]:
    from undercroft.testing.servers import at
    from undercroft.testing.tables import Tables

    tables = Tables(at(servers.manager_url, database_name))
    await tables.open()
    yield tables
    await tables.close()


@pytest_asyncio.fixture(loop_scope="session")
async def clean_tables(worker_tables: "Tables") -> AsyncIterator[None]:
    """Every row that the test wrote is deleted after it."""
    yield
    await worker_tables.clean()


@pytest.fixture
def database(worker_database: "Database", clean_tables: None) -> "Database":  # noqa: ARG001
    """The application's database: migrated, empty but for what migrations put there, clean again after the test."""
    return worker_database


@pytest.fixture
def statements() -> Iterator["Statements"]:
    """Records what is sent to PostgreSQL during the test: `statements.count`, `statements.clear()`."""
    from undercroft.testing.statements import recording

    with recording() as recorded:
        yield recorded


@pytest.fixture
def jobs(database: "Database") -> Iterator["JobsInTest"]:
    """Captures the jobs that the test enqueues and runs them on demand: `jobs.captured`, `await jobs.run_all()`."""
    from undercroft.testing.jobs import capturing

    with capturing(database) as captured:
        yield captured
