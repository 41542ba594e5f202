from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from tests.modules.auth.people import Mailbox, Person, a_person, client_of
from undercroft.app.api import create_app
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.core.security.keyring import keyring
from undercroft.core.security.settings import PasswordSettings
from undercroft.core.settings import use
from undercroft.modules.auth import signing
from undercroft.modules.auth.identity import Identity
from undercroft.modules.auth.models import KeyState, SigningKey
from undercroft.modules.users.settings import DemoSettings
from undercroft.providers.email import EmailSettings
from undercroft.testing.jobs import JobsInTest
from undercroft.testing.lifespan import running
from undercroft.testing.statements import watch
from undercroft.testing.tables import Tables


@pytest.fixture(scope="session")
def mailbox_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mailbox")


@pytest.fixture(scope="session")
def identity_settings(test_settings: None, mailbox_folder: Path) -> None:
    use(PasswordSettings(password_memory_kib=64, password_time_cost=1))
    use(EmailSettings(email_provider="mailbox", email_mailbox_folder=mailbox_folder))
    use(DemoSettings(demo_password=SecretStr("a demo password for tests")))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running_app(identity_settings: None, worker_tables: Tables, worker_database: Database) -> AsyncIterator[Api]:
    app = create_app()
    async with running(app):
        watch(app.state.database)
        await app.state.database.close()
        yield app


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def key_values(running_app: Api, worker_database: Database) -> list[dict[str, object]]:
    """The signing keys of this run: making a pair takes long, so every test gets the same ones."""
    async with worker_database.reading() as session:
        rows = await signing.SigningKeyRepository(session).all()
    if {KeyState.ACTIVE, KeyState.NEXT} <= {row.state for row in rows}:
        return [row.model_dump(warnings=False) for row in rows]
    ring = keyring(signing.PURPOSE)
    made = [signing._row(ring, await signing.make_key(), state) for state in (KeyState.ACTIVE, KeyState.NEXT)]
    return [row.model_dump(warnings=False) for row in made]


@pytest_asyncio.fixture(loop_scope="session")
async def app(running_app: Api, key_values: list[dict[str, object]], database: Database) -> Api:
    async with database.session() as session:
        present = {row.kid for row in await signing.SigningKeyRepository(session).all()}
        session.add_all([SigningKey(**values) for values in key_values if values["kid"] not in present])
    await running_app.state.identity.keys.load()
    return running_app


@pytest.fixture
def identity(app: Api) -> Identity:
    made: Identity = app.state.identity
    return made


@pytest_asyncio.fixture(loop_scope="session")
async def http(app: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


@pytest.fixture
def mailbox(mailbox_folder: Path, jobs: JobsInTest) -> Mailbox:
    box = Mailbox(mailbox_folder, jobs)
    box._read(None)
    return box


@pytest_asyncio.fixture(loop_scope="session")
async def ada(http: httpx.AsyncClient, mailbox: Mailbox) -> Person:
    return await a_person(http, mailbox)
