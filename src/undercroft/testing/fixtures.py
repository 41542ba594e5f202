"""Fixtures of servers, databases, settings and emails. Expensive imports are deferred until a test uses them."""

import os
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from undercroft.testing.plugin import RUN_FOLDER

if TYPE_CHECKING:
    from undercroft.core.db import Database
    from undercroft.testing.audit import RecordedRequest
    from undercroft.testing.audit_log import AuditLog
    from undercroft.testing.clock import Clock
    from undercroft.testing.events import CapturedEvents
    from undercroft.testing.servers import Servers
    from undercroft.testing.statements import StatementRecorder
    from undercroft.testing.tables import TableCleaner


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> "Servers":
    """The PostgreSQL and Valkey servers of this test run."""
    from undercroft.testing.servers import Servers

    return Servers.get_or_start(request.config.stash[RUN_FOLDER])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def database_name(servers: "Servers") -> AsyncIterator[str]:
    """The migrated database of this xdist worker."""
    name = f"{servers.template}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    async with servers.create_database(name, template=servers.template):
        yield name


@pytest_asyncio.fixture(loop_scope="session")
async def empty_database_url(servers: "Servers") -> AsyncIterator[str]:
    """The URL of a new, empty database as its owner, for tests of migrations. It is dropped after the test."""
    name = f"empty_{secrets.token_hex(6)}"
    async with servers.create_database(name):
        yield servers.with_database(servers.owner_url, name)


@pytest_asyncio.fixture(loop_scope="session")
async def migrated_database_url(servers: "Servers") -> AsyncIterator[str]:
    """The URL of a new, migrated database as its owner, for tests of another schema. It is dropped after the test."""
    name = f"migrated_{secrets.token_hex(6)}"
    async with servers.create_database(name, template=servers.template):
        yield servers.with_database(servers.owner_url, name)


@pytest.fixture(scope="session")
def database_url(servers: "Servers", database_name: str) -> str:
    """The URL of this worker's database for the application role, which can only read and write rows."""
    return servers.with_database(servers.app_url, database_name)


@pytest.fixture(scope="session")
def owner_url(servers: "Servers", database_name: str) -> str:
    """The URL of this worker's database for the owner of its tables."""
    return servers.with_database(servers.owner_url, database_name)


@pytest.fixture(scope="session")
def admin_url(servers: "Servers", database_name: str) -> str:
    """The URL of this worker's database for the role of the admin API."""
    return servers.with_database(servers.admin_url, database_name)


@pytest.fixture(scope="session")
def worker_redis_url(servers: "Servers") -> str:
    """The URL of this worker's logical Valkey database."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return servers.with_database(servers.redis_url, worker)


@pytest_asyncio.fixture(loop_scope="session")
async def redis_url(worker_redis_url: str) -> AsyncIterator[str]:
    """The URL of this worker's Valkey database, which is emptied after the test."""
    from redis.asyncio import Redis

    yield worker_redis_url
    async with Redis.from_url(worker_redis_url) as client:
        await client.flushdb()


@pytest.fixture(scope="session")
def mailbox_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mailbox folder of this worker's tests."""
    return tmp_path_factory.mktemp("mailbox")


@pytest.fixture(scope="session")
def test_settings(database_url: str, owner_url: str, admin_url: str, mailbox_folder: Path) -> Iterator[None]:
    """Settings for tests: ENVIRONMENT=test, test secrets, this worker's database."""
    from undercroft.core import settings
    from undercroft.testing.configuration import configure

    configure(app_url=database_url, owner_url=owner_url, admin_url=admin_url, mailbox=mailbox_folder)
    yield
    settings.reset()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def worker_database(test_settings: None, database_url: str) -> AsyncIterator["Database"]:  # noqa: ARG001
    """The connections that all tests of this worker share. Tests use `database`.

    Also imports the models and subscribers of all modules, independent of earlier tests.
    """
    from undercroft.app.registry import get_registry
    from undercroft.core.db import Database, DatabaseSettings
    from undercroft.core.settings import load
    from undercroft.testing.statements import instrument

    get_registry().load()
    database = Database(load(DatabaseSettings), database_url)
    instrument(database)
    yield database
    await database.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def worker_tables(servers: "Servers", database_name: str) -> AsyncIterator["TableCleaner"]:
    import asyncpg

    from undercroft.testing.tables import TableCleaner

    connection = await asyncpg.connect(servers.with_database(servers.manager_url, database_name))
    tables = TableCleaner(connection)
    await tables.open()
    yield tables
    await connection.close()


@pytest_asyncio.fixture(loop_scope="session")
async def clean_tables(worker_tables: "TableCleaner") -> AsyncIterator[None]:
    """Delete all rows that the test wrote, and flush its log output."""
    from undercroft.core.telemetry import logs

    yield
    logs.flush()
    await worker_tables.clean()


@pytest_asyncio.fixture(loop_scope="session")
async def rollback(worker_database: "Database", clean_tables: None) -> AsyncIterator[None]:  # noqa: ARG001
    """Runs the test in one transaction that is rolled back at its end, which is faster than cleaning the tables.

    Its sessions are savepoints on one connection: see the limits in `docs/testing.md`.

        @pytest.mark.usefixtures("rollback")
        async def test_name_is_unique(user: AsyncClient) -> None: ...
    """
    from undercroft.testing.rollback import rolled_back

    async with rolled_back(worker_database):
        yield


@pytest.fixture
def transactions(request: pytest.FixtureRequest, clean_tables: None) -> None:  # noqa: ARG001
    """Begins the transaction of `rollback` before the fixtures that use the database."""
    if "rollback" in request.fixturenames:
        request.getfixturevalue("rollback")


@pytest.fixture(autouse=True)
def restore_settings() -> Iterator[None]:
    """Undo what the test changed by `settings.use`, and drop what it loaded from its own environment."""
    from undercroft.core import settings

    before = dict(settings.overrides)
    yield
    settings.reset()
    settings.overrides.update(before)


@pytest.fixture(autouse=True)
def flush_logs() -> Iterator[None]:
    """Write what waits in the log's buffer while the output of the test is captured."""
    yield
    if logs := sys.modules.get("undercroft.core.telemetry.logs"):
        logs.flush()


@pytest.fixture(autouse=True)
def clean_direct_writes(request: pytest.FixtureRequest) -> None:
    """Also clean the tables after tests that write without `database`, for example with their own server."""
    if "database_name" in request.fixturenames:
        request.getfixturevalue("clean_tables")


@pytest.fixture
def clean_mailbox(mailbox_folder: Path) -> Iterator[None]:
    """Delete all emails that the test sent."""
    yield
    shutil.rmtree(mailbox_folder)
    mailbox_folder.mkdir(mode=0o700)


@pytest.fixture
def recorded_requests() -> Iterator["list[RecordedRequest]"]:
    """The unsafe requests of the test to routes of any application."""
    from undercroft.testing.audit import record_requests

    with record_requests() as requests:
        yield requests


@pytest_asyncio.fixture(loop_scope="session")
async def database(
    worker_database: "Database",
    transactions: None,  # noqa: ARG001
    clean_mailbox: None,  # noqa: ARG001
    recorded_requests: "list[RecordedRequest]",
    request: pytest.FixtureRequest,
) -> AsyncIterator["Database"]:
    """The migrated database with only the rows that migrations insert. It is cleaned after the test.

    The test fails if a request recorded other audit entries than its route declares.
    """
    from undercroft.testing.audit import check_requests

    yield worker_database
    await check_requests(recorded_requests, worker_database, request.config.stash[RUN_FOLDER])


@pytest_asyncio.fixture(loop_scope="session")
async def clock(servers: "Servers", database_name: str, database: "Database") -> AsyncIterator["Clock"]:
    """Moves the clocks of this process and of the database: `await clock.travel(days=3)`."""
    from undercroft.testing.clock import moving_clock

    async with moving_clock(servers.with_database(servers.manager_url, database_name), database) as clock:
        yield clock


@pytest.fixture
def audit_log(database: "Database") -> "AuditLog":
    """The audit entries of the test: `assert await audit_log.actions() == ["project.created"]`."""
    from undercroft.testing.audit_log import AuditLog

    return AuditLog(database)


@pytest.fixture
def events(database: "Database") -> Iterator["CapturedEvents"]:  # noqa: ARG001 - its subscribers are those of all modules
    """Captures the events that the test publishes: `events.captured`, `events.of(UserRegistered)`."""
    from undercroft.testing.events import capture_events

    with capture_events() as captured:
        yield captured


@pytest.fixture
def statements() -> Iterator["StatementRecorder"]:
    """Records the SQL statements of the test: `statements.count`, `statements.clear()`."""
    from undercroft.testing.statements import count_statements

    with count_statements() as recorded:
        yield recorded


@pytest.fixture(scope="session")
def rls_enabled(test_settings: None) -> bool:  # noqa: ARG001
    """Whether this run has TENANT_RLS=on, which adds two statements around those on tenant tables."""
    from undercroft.core.db import DatabaseSettings
    from undercroft.core.settings import load

    return load(DatabaseSettings).tenant_rls
