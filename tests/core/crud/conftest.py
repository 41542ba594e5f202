"""Two applications on one database with row-level security: with the extension `guesthouse`, and without it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlmodel import SQLModel

from tests.core.crud.guesthouse import NAME, write_extension
from tests.core.db.rls_database import RlsDatabase, create_rls_database
from undercroft.app.api import create_app
from undercroft.app.schema import build_row_security
from undercroft.core.context import use_context
from undercroft.core.db import Database, DatabaseSettings, row_security
from undercroft.core.db.connect import open_connection
from undercroft.core.http.application import Api
from undercroft.core.periodic import Periodic
from undercroft.core.settings import CoreSettings, load, use
from undercroft.testing.lifespan import run_lifespan
from undercroft.testing.servers import Servers
from undercroft.testing.users import SignedInUser, create_signed_in_user

SignUp = Callable[..., Awaitable[SignedInUser]]


@dataclass(frozen=True)
class Guesthouse:
    """`app` has the extra fields, `plain` does not. `fields` is the module of the extension."""

    app: Api
    plain: Api
    database: Database
    owner_url: str
    manager_url: str
    fields: Any


@asynccontextmanager
async def run_app(database: Database, *extensions: str) -> AsyncIterator[Api]:
    """Start an application with these extensions and the settings for tests."""
    tests = load(CoreSettings)
    use(tests.model_copy(update={"enabled_extensions": extensions}))
    app = create_app(environ={}, database=database)
    use(tests)
    with patch.object(Periodic, "_run", lambda _periodic: asyncio.Event().wait()):
        async with run_lifespan(app):
            yield app


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def guesthouse(
    servers: Servers,
    test_settings: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Guesthouse]:
    site = tmp_path_factory.mktemp("site")
    write_extension(site)
    sys.path.insert(0, str(site))
    try:
        async with (
            create_rls_database(servers) as rls,
            use_database(rls),
            run_app(rls.database) as plain,
            run_app(rls.database, NAME) as app,
        ):
            await create_tables(app, rls.owner_url)
            yield Guesthouse(app, plain, rls.database, rls.owner_url, rls.manager_url, sys.modules[f"{NAME}.fields"])
    finally:
        sys.path.remove(str(site))


@asynccontextmanager
async def use_database(rls: RlsDatabase) -> AsyncIterator[None]:
    """Let `/admin`, which opens its own connections, use this database."""
    tests = load(DatabaseSettings)
    use(tests.model_copy(update={"tenant_rls": True, "admin_database_url": SecretStr(rls.admin_url)}))
    yield
    use(tests)


async def create_tables(app: Api, owner_url: str) -> None:
    """Create the tables of the extension as its migrations would, with their policies."""
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.schema import CreateTable

    async with open_connection(owner_url) as connection:
        for table in SQLModel.metadata.sorted_tables:
            if table.name.startswith(f"{NAME}_"):
                await connection.execute(str(CreateTable(table).compile(dialect=postgresql.dialect())))  # type: ignore[no-untyped-call]
    with use_context(app.context):
        await row_security.sync(owner_url, build_row_security(enabled=True))


@pytest_asyncio.fixture(loop_scope="session")
async def sign_up(guesthouse: Guesthouse) -> AsyncIterator[SignUp]:
    """Creates signed-in users of the application with the extension, or of `app`."""
    async with AsyncExitStack() as stack:

        async def create(app: Api = guesthouse.app, **options: Any) -> SignedInUser:
            with use_context(app.context):
                person = await create_signed_in_user(app, **options)
            await stack.enter_async_context(person.client)
            return person

        yield create


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which extensions can be installed."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path
