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
from undercroft.modules.auth.models import SessionKind
from undercroft.modules.auth.services import AuthServices
from undercroft.modules.auth.sessions import start_session
from undercroft.modules.teams import TeamRepository
from undercroft.modules.users import User, UserRegistered
from undercroft.testing.configuration import PUBLIC_URL

CLIENT_IP = "192.0.2.1"


@dataclass(frozen=True)
class SignedInUser:
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


def make_client(
    app: Api, *, address: str = CLIENT_IP, raise_app_exceptions: bool = True, **headers: str
) -> AsyncClient:
    """A client of an application in this process.

    An unexpected error inside it is raised in the test, unless `raise_app_exceptions` is False: then it is a 500.
    """

    async def raising(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "extensions": {"undercroft.raises": {}}}, receive, send)

    called = raising if raise_app_exceptions else app
    transport = Transport(called, raise_app_exceptions=raise_app_exceptions, client=(address, 50_000))
    return AsyncClient(transport=transport, base_url=PUBLIC_URL, headers=headers)


async def create_signed_in_user(
    app: Api, *, role: PlatformRole = PlatformRole.USER, email: str | None = None
) -> SignedInUser:
    """A new person with a personal team and a session; close their client afterwards."""
    auth_services: AuthServices = app.state.auth_services
    async with auth_services.database.session() as session:
        user = User(email=email or f"{new_id().hex}@example.com", full_name="Somebody", role=role)
        session.add(user)
        await session.flush()
        await publish(session, UserRegistered(user.id))
        team = await TeamRepository(session).get_personal(user.id)
        here = Client(ip=CLIENT_IP, user_agent="undercroft.testing")
        started = await start_session(session, user, here, SessionKind.BEARER)
    assert team is not None
    issued = await auth_services.tokens.issue(user.id, started.session_id)
    client = make_client(app, Authorization=f"Bearer {issued.token}")
    return SignedInUser(client, user.id, team.id, user.email, issued.token)
