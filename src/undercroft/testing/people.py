"""People who are signed in, made without a password or a mail, for tests about something else."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from httpx import ASGITransport, AsyncClient, Request, Response
from starlette.types import Receive, Scope, Send

from undercroft.core.auth import PlatformRole
from undercroft.core.events import publish
from undercroft.core.http.application import Api
from undercroft.core.ids import new_id
from undercroft.modules.auth.client import Client
from undercroft.modules.auth.identity import Identity
from undercroft.modules.auth.models import SessionKind
from undercroft.modules.auth.sessions import start_session
from undercroft.modules.teams import TeamRepository
from undercroft.modules.users import User, UserRegistered
from undercroft.testing.configuration import PUBLIC_URL

ADDRESS = "192.0.2.1"


@dataclass(frozen=True)
class Person:
    """Somebody signed in: `client` sends their token, `team_id` is their personal team."""

    client: AsyncClient
    user_id: UUID
    team_id: UUID
    email: str
    token: str


class Transport(ASGITransport):
    """Each request runs in a task of its own, as on a server, so that what it binds to its context ends with it."""

    async def handle_async_request(self, request: Request) -> Response:
        return await asyncio.create_task(super().handle_async_request(request))


def client_of(app: Api, *, address: str = ADDRESS, raise_app_exceptions: bool = True, **headers: str) -> AsyncClient:
    """A client of an application in this process.

    An unexpected error inside it is raised in the test, unless `raise_app_exceptions` is False: then it is a 500.
    """

    async def raising(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "extensions": {"undercroft.raises": {}}}, receive, send)

    called = raising if raise_app_exceptions else app
    transport = Transport(called, raise_app_exceptions=raise_app_exceptions, client=(address, 50_000))
    return AsyncClient(transport=transport, base_url=PUBLIC_URL, headers=headers)


async def signed_in(app: Api, *, role: PlatformRole = PlatformRole.USER, email: str | None = None) -> Person:
    """A new person with a personal team and a session; close their client afterwards."""
    identity: Identity = app.state.identity
    async with identity.database.session() as session:
        user = User(email=email or f"{new_id().hex}@example.com", full_name="Somebody", role=role)
        session.add(user)
        await session.flush()
        await publish(session, UserRegistered(user.id))
        team = await TeamRepository(session).personal_of(user.id)
        here = Client(ip=ADDRESS, user_agent="undercroft.testing")
        started = await start_session(session, user, here, SessionKind.BEARER)
    assert team is not None
    issued = await identity.tokens.issue(user.id, started.session_id)
    client = client_of(app, Authorization=f"Bearer {issued.token}")
    return Person(client, user.id, team.id, user.email, issued.token)
