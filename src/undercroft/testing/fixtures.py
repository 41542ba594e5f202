"""The fixtures. Expensive imports are deferred until a test uses them."""

import os
import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from undercroft.testing.plugin import RUN_FOLDER

if TYPE_CHECKING:
    from httpx import AsyncClient

    from undercroft.core.db import Database
    from undercroft.core.http.application import Api
    from undercroft.devstack.emulators.oidc import OidcIssuer
    from undercroft.testing.attack import Attack
    from undercroft.testing.jobs import CapturedJobs
    from undercroft.testing.servers import Servers
    from undercroft.testing.statements import StatementRecorder
    from undercroft.testing.tables import TableCleaner
    from undercroft.testing.users import SignedInUser

    CreateUser = Callable[..., Awaitable[SignedInUser]]


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> "Servers":
    """The PostgreSQL and Valkey servers of this test run."""
    from undercroft.testing.servers import Servers

    return Servers.get_or_start(request.config.stash[RUN_FOLDER])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def database_name(servers: "Servers") -> AsyncIterator[str]:
    """The migrated database of this xdist worker."""
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
    """The URL of a new, empty database as its owner, for tests of migrations. It is dropped after the test."""
    import asyncpg

    from undercroft.testing.servers import with_database

    name = f"empty_{secrets.token_hex(6)}"
    owner = urlsplit(servers.owner_url).username
    manager = await asyncpg.connect(servers.manager_url)
    try:
        await manager.execute(f'CREATE DATABASE "{name}" OWNER "{owner}"')
        yield with_database(servers.owner_url, name)
        await manager.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await manager.close()


@pytest.fixture(scope="session")
def database_url(servers: "Servers", database_name: str) -> str:
    """The URL of this worker's database for the application role, which can only read and write rows."""
    from undercroft.testing.servers import with_database

    return with_database(servers.app_url, database_name)


@pytest.fixture(scope="session")
def owner_url(servers: "Servers", database_name: str) -> str:
    """The URL of this worker's database for the owner of its tables."""
    from undercroft.testing.servers import with_database

    return with_database(servers.owner_url, database_name)


@pytest.fixture(scope="session")
def admin_url(servers: "Servers", database_name: str) -> str:
    """The URL of this worker's database for the role of the admin API."""
    from undercroft.testing.servers import with_database

    return with_database(servers.admin_url, database_name)


@pytest.fixture(scope="session")
def worker_redis_url(servers: "Servers") -> str:
    """The URL of this worker's logical Valkey database."""
    from undercroft.testing.servers import with_database

    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return with_database(servers.redis_url, worker)


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
    from undercroft.app.discovery import prepare
    from undercroft.core.db import Database, DatabaseSettings
    from undercroft.core.settings import load
    from undercroft.testing.statements import instrument

    prepare()
    database = Database(load(DatabaseSettings), database_url)
    instrument(database)
    yield database
    await database.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def worker_tables(servers: "Servers", database_name: str) -> AsyncIterator["TableCleaner"]:
    from undercroft.testing.servers import with_database
    from undercroft.testing.tables import TableCleaner

    tables = TableCleaner(with_database(servers.manager_url, database_name))
    await tables.open()
    yield tables
    await tables.close()


@pytest_asyncio.fixture(loop_scope="session")
async def clean_tables(worker_tables: "TableCleaner") -> AsyncIterator[None]:
    """Delete all rows that the test wrote, and flush its log output."""
    from undercroft.core.telemetry import logs

    yield
    logs.flush()
    await worker_tables.clean()


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
def database(worker_database: "Database", clean_tables: None, clean_mailbox: None) -> "Database":  # noqa: ARG001
    """The migrated database with only the rows that migrations insert. It is cleaned after the test."""
    return worker_database


@pytest.fixture
def statements() -> Iterator["StatementRecorder"]:
    """Records the SQL statements of the test: `statements.count`, `statements.clear()`."""
    from undercroft.testing.statements import record_statements

    with record_statements() as recorded:
        yield recorded


@pytest.fixture(scope="session")
def rls_enabled(test_settings: None) -> bool:  # noqa: ARG001
    """Whether this run has TENANT_RLS=on, which adds two statements around those on tenant tables."""
    from undercroft.core.db import DatabaseSettings
    from undercroft.core.settings import load

    return load(DatabaseSettings).tenant_rls


@pytest.fixture
def jobs(database: "Database") -> Iterator["CapturedJobs"]:
    """Captures jobs that the test enqueues and runs them on request: `jobs.captured`, `await jobs.run_all()`."""
    from undercroft.testing.jobs import capture_jobs

    with capture_jobs(database) as captured:
        yield captured


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def worker_app(worker_database: "Database") -> AsyncIterator["Api"]:
    """The complete application, started once per worker, without periodic tasks. Tests use `app`."""
    from undercroft.app.api import create_app
    from undercroft.testing.lifespan import run_lifespan

    application = create_app(database=worker_database)
    async with run_lifespan(application):
        application.state.auth_maintenance.cancel()
        yield application


@pytest_asyncio.fixture(loop_scope="session")
async def app(worker_app: "Api", database: "Database") -> "Api":  # noqa: ARG001
    """The complete application on this worker's clean database."""
    await worker_app.state.auth_services.keys.load()
    return worker_app


@pytest.fixture
def attack(app: "Api", owner_url: str) -> "Attack":
    """Attacks every route of the application with the IDs of another tenant: `await attack()`."""
    from undercroft.testing.attack import Attack

    return Attack(app, owner_url)


@pytest_asyncio.fixture(loop_scope="session")
async def client(app: "Api") -> AsyncIterator["AsyncClient"]:
    """An anonymous client."""
    from undercroft.testing.users import make_client

    async with make_client(app) as anonymous:
        yield anonymous


@pytest_asyncio.fixture(loop_scope="session")
async def create_user(app: "Api") -> AsyncIterator["CreateUser"]:
    """Creates signed-in users: `person = await create_user(role=PlatformRole.ADMIN)`."""
    from undercroft.testing.users import create_signed_in_user

    async with AsyncExitStack() as stack:

        async def sign_in(**options: Any) -> "SignedInUser":
            person = await create_signed_in_user(app, **options)
            await stack.enter_async_context(person.client)
            return person

        yield sign_in


@pytest_asyncio.fixture(loop_scope="session")
async def user(create_user: "CreateUser") -> "AsyncClient":
    """The client of a signed-in user."""
    return (await create_user()).client


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(create_user: "CreateUser") -> "AsyncClient":
    """The client of another signed-in user."""
    return (await create_user()).client


@pytest_asyncio.fixture(loop_scope="session")
async def admin(create_user: "CreateUser") -> "AsyncClient":
    """The client of a platform administrator."""
    from undercroft.core.auth import PlatformRole

    return (await create_user(role=PlatformRole.ADMIN)).client


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def worker_oidc_issuer() -> AsyncIterator["OidcIssuer"]:
    """The OIDC emulator, started once per worker. Tests use `oidc_issuer`."""
    from undercroft.devstack.emulators.oidc import OidcIssuer

    issuer = OidcIssuer()
    await issuer.start()
    yield issuer
    await issuer.stop()


@pytest.fixture
def oidc_issuer(worker_oidc_issuer: "OidcIssuer") -> Iterator["OidcIssuer"]:
    """A local OpenID Connect issuer that signs real tokens and fails on request:

    person = oidc_issuer.add_user(email="ada@example.com")
    oidc_issuer.auto_approve = person            # sign in without a page
    oidc_issuer.set_failures(Failure.JWKS_DOWN)
    token = oidc_issuer.token(person)
    """
    worker_oidc_issuer.reset()
    yield worker_oidc_issuer
    worker_oidc_issuer.reset()
