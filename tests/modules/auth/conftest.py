from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.modules.auth.users import Mailbox, RegisteredUser, create_registered_user, make_client
from undercroft.core.http.application import Api
from undercroft.modules.auth.services import AuthServices


@pytest.fixture
def auth_services(app: Api) -> AuthServices:
    services: AuthServices = app.state.auth_services
    return services


@pytest_asyncio.fixture(loop_scope="session")
async def http(app: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with make_client(app) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def ada(http: httpx.AsyncClient, mailbox: Mailbox) -> RegisteredUser:
    return await create_registered_user(http, mailbox)
