"""The policy `waitlist`, and what is on the waiting list."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2 as httpx
import pytest_asyncio

from tests.modules.admin.conftest import browser
from tests.modules.auth.users import make_client
from tests.modules.system_settings.conftest import change
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.modules.waitlist import WaitlistService
from undercroft.modules.waitlist.models import WaitlistEntry
from undercroft.modules.waitlist.repository import WaitlistRepository

__all__ = ["browser"]

WAITLIST = "/api/v1/admin/waitlist"
FORM = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}


@pytest_asyncio.fixture(loop_scope="session")
async def waitlist(database: Database) -> Database:
    """The database, after the sign-up policy was set to `waitlist`."""
    await change(database, ("SIGN_UP_POLICY", "waitlist"))
    return database


@pytest_asyncio.fixture(loop_scope="session")
async def http(app: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with make_client(app) as client:
        yield client


async def entries(database: Database) -> dict[str, WaitlistEntry]:
    """Return all entries by address."""
    async with database.read_session() as session:
        return {row.email: row for row in (await WaitlistRepository(session).list()).items}


async def states(database: Database) -> dict[str, str]:
    return {email: row.state for email, row in (await entries(database)).items()}


async def add(database: Database, *emails: str) -> list[str]:
    """Let these addresses join in this order, and return the IDs of the entries."""
    for email in emails:
        async with database.session() as session:
            await WaitlistService(session).join(email)
    found = await entries(database)
    return [str(found[email].id) for email in emails]


async def update(database: Database, email: str, **values: Any) -> None:
    async with database.session() as session:
        entry = await WaitlistRepository(session).get_by(email=email)
        assert entry is not None
        await WaitlistRepository(session).update(entry, values)
