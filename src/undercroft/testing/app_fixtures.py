"""Fixtures of the application, its users and jobs. Expensive imports are deferred until a test uses them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
import pytest_asyncio

from undercroft.testing.plugin import RUN_FOLDER

if TYPE_CHECKING:
    from httpx2 import AsyncClient

    from undercroft.core.db import Database
    from undercroft.core.http.application import Api
    from undercroft.devstack.emulators.oidc import OidcIssuer
    from undercroft.testing.attack import Attack
    from undercroft.testing.emails import Mailbox
    from undercroft.testing.jobs import CapturedJobs
    from undercroft.testing.teams import CreatedTeam, CreateTeam, CreateUser
    from undercroft.testing.users import SignedInUser


@pytest.fixture
def jobs(database: "Database") -> Iterator["CapturedJobs"]:
    """Captures jobs that the test enqueues and runs them on request: `jobs.captured`, `await jobs.run_all()`."""
    from undercroft.testing.jobs import capture_jobs

    with capture_jobs(database) as captured:
        yield captured


@pytest.fixture
def mailbox(mailbox_folder: Path, clean_mailbox: None, jobs: "CapturedJobs") -> "Mailbox":  # noqa: ARG001
    """The emails that the test sends: `(await mailbox.latest("ada@example.com")).links`."""
    from undercroft.testing.emails import Mailbox

    return Mailbox(mailbox_folder, jobs)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def worker_app(worker_database: "Database", request: pytest.FixtureRequest) -> AsyncIterator["Api"]:
    """The complete application, started once per worker, without periodic tasks. Tests use `app`."""
    from undercroft.app.api import create_app
    from undercroft.core.context import current_context
    from undercroft.core.periodic import Periodic
    from undercroft.testing.audit import save_audited_routes
    from undercroft.testing.lifespan import run_lifespan

    application = create_app(context=current_context(), database=worker_database)
    async with AsyncExitStack() as stack:
        with patch.object(Periodic, "_run", lambda _periodic: asyncio.Event().wait()):
            await stack.enter_async_context(run_lifespan(application))
        save_audited_routes(application, request.config.stash[RUN_FOLDER])
        yield application


@pytest_asyncio.fixture(loop_scope="session")
async def app(worker_app: "Api", database: "Database") -> "Api":  # noqa: ARG001
    """The complete application on this worker's clean database."""
    from undercroft.core.live.process import LiveValues
    from undercroft.modules.sessions import SessionServices

    await worker_app.context.get(SessionServices).keys.load()
    await worker_app.context.get(LiveValues).refresh()
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


@pytest.fixture
def create_team(create_user: "CreateUser") -> "CreateTeam":
    """Creates teams with members: `team = await create_team()`, `viewer = await team.add_member("viewer")`."""
    from undercroft.testing.teams import create_owned_team

    async def create(*, owner: "SignedInUser | None" = None, name: str = "Test Team") -> "CreatedTeam":
        return await create_owned_team(create_user, owner, name)

    return create


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
