"""Fixtures for administrators who use `/admin` with a cookie session."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest_asyncio
from httpx2 import AsyncClient

from tests.modules.mfa.conftest import AuthenticatorApp, Clock, clock
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.core.security import passwords
from undercroft.testing.configuration import PUBLIC_URL
from undercroft.testing.users import SignedInUser, make_client

__all__ = ["clock"]

PASSWORD = "correct horse battery staple"
BROWSER_HEADERS = {"Origin": PUBLIC_URL, "Accept": "text/html"}

Browser = Callable[..., Awaitable[AsyncClient]]


async def set_password(database: Database, person: SignedInUser) -> None:
    hashed = await passwords.hash(PASSWORD, subject=person.email)
    async with database.session() as session:
        await (await session.raw()).execute("UPDATE users SET password_hash = $1 WHERE id = $2", hashed, person.user_id)


async def sign_in(client: AsyncClient, email: str, password: str = PASSWORD) -> Any:
    return await client.post("/admin/login", data={"email": email, "password": password}, headers=BROWSER_HEADERS)


async def enable_totp(person: SignedInUser, clock: Clock) -> AuthenticatorApp:
    """Enable TOTP for a user. The code of the current step is still unused."""
    started = await person.client.post("/api/v1/auth/mfa/totp")
    app = AuthenticatorApp(started.json()["secret"], clock)
    confirmed = await person.client.post("/api/v1/auth/mfa/totp/confirm", json={"code": app.code(-1)})
    assert confirmed.status_code == 200, confirmed.text
    return app


@pytest_asyncio.fixture(loop_scope="session")
async def browser(app: Api, database: Database, create_user: Any) -> AsyncIterator[Browser]:
    """Creates a user signed in at `/admin/login`: `client = await browser(role=PlatformRole.ADMIN)`."""
    async with AsyncExitStack() as stack:

        async def open_browser(role: PlatformRole = PlatformRole.ADMIN, **who: Any) -> AsyncClient:
            person = await create_user(role=role, **who)
            await set_password(database, person)
            client = await stack.enter_async_context(make_client(app, **BROWSER_HEADERS))
            response = await sign_in(client, person.email)
            assert response.status_code == 303, response.text
            client.person = person  # type: ignore[attr-defined]
            return client

        yield open_browser
