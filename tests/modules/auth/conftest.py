from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.modules.auth.people import Mailbox, Person, a_person, client_of
from undercroft.core.http.application import Api
from undercroft.modules.auth.identity import Identity


@pytest.fixture
def identity(app: Api) -> Identity:
    made: Identity = app.state.identity
    return made


@pytest_asyncio.fixture(loop_scope="session")
async def http(app: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def ada(http: httpx.AsyncClient, mailbox: Mailbox) -> Person:
    return await a_person(http, mailbox)
