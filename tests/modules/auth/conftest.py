from collections.abc import AsyncIterator

import httpx2 as httpx
import pytest
import pytest_asyncio

from tests.modules.auth.users import Mailbox, RegisteredUser, create_registered_user, make_client
from undercroft.core.http.application import Api
from undercroft.modules.auth import AuthServices
from undercroft.modules.sessions import SessionServices


@pytest.fixture
def auth_services(app: Api) -> AuthServices:
    return app.context.get(AuthServices)


@pytest.fixture
def session_services(app: Api) -> SessionServices:
    return app.context.get(SessionServices)


@pytest_asyncio.fixture(loop_scope="session")
async def http(app: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with make_client(app) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def ada(http: httpx.AsyncClient, mailbox: Mailbox) -> RegisteredUser:
    return await create_registered_user(http, mailbox)
