"""Creates signed-in users without a password or an email."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from httpx2 import ASGITransport, AsyncClient, Request, Response
from starlette.types import Receive, Scope, Send

from undercroft.core.auth import PlatformRole
from undercroft.core.events import publish
from undercroft.core.http.application import Api
from undercroft.core.ids import new_id
from undercroft.modules.sessions import Client, SessionKind, SessionService, SessionServices
from undercroft.modules.teams import TeamRepository
from undercroft.modules.users import User, UserRegistered
from undercroft.testing.configuration import PUBLIC_URL

CLIENT_IP = "192.0.2.1"


@dataclass(frozen=True)
class SignedInUser:
    """A signed-in user. `client` sends the access token; `team_id` is the personal team."""

    client: AsyncClient
    user_id: UUID
    team_id: UUID
    email: str
    token: str


class Transport(ASGITransport):
    """Runs each request in its own task, as a server does, so that context variables end with the request."""

    async def handle_async_request(self, request: Request) -> Response:
        return await asyncio.create_task(super().handle_async_request(request))


def make_client(
    app: Api, *, address: str = CLIENT_IP, raise_app_exceptions: bool = True, **headers: str
) -> AsyncClient:
    """Return a client of an application in this process.

    Unexpected errors of the application are raised in the test, or with `raise_app_exceptions=False` returned as 500.
    """

    async def raising(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "extensions": {"undercroft.raises": {}}}, receive, send)

    called = raising if raise_app_exceptions else app
    transport = Transport(called, raise_app_exceptions=raise_app_exceptions, client=(address, 50_000))
    return AsyncClient(transport=transport, base_url=PUBLIC_URL, headers=headers)


async def create_signed_in_user(
    app: Api, *, role: PlatformRole = PlatformRole.USER, email: str | None = None
) -> SignedInUser:
    """Create a user with a personal team and a session. The caller closes the client."""
    services = app.context.get(SessionServices)
    async with services.database.session() as session:
        user = User(email=email or f"{new_id().hex}@example.com", full_name="Test User", role=role)
        session.add(user)
        await session.flush()
        await publish(session, UserRegistered(user.id))
        team = await TeamRepository(session).get_personal(user.id)
        request_client = Client(ip=CLIENT_IP, user_agent="undercroft.testing")
        started = await SessionService(session).start(user, request_client, SessionKind.BEARER)
    assert team is not None
    issued = await services.tokens.issue(user.id, started.session_id, ext=started.claims)
    client = make_client(app, Authorization=f"Bearer {issued.token}")
    return SignedInUser(client, user.id, team.id, user.email, issued.token)
