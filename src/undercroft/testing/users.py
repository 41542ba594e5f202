"""Creates signed-in users without a password or an email."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from httpx2 import ASGITransport, AsyncClient, Request, Response
from starlette.types import Receive, Scope, Send

from undercroft.core.auth import PlatformRole
from undercroft.core.db import Session
from undercroft.core.events import publish
from undercroft.core.http.application import Api
from undercroft.core.ids import new_id
from undercroft.modules.sessions import Client, SessionKind, SessionService, SessionServices
from undercroft.modules.teams import TeamRepository
from undercroft.modules.users import User, UserRegistered
from undercroft.testing.configuration import PUBLIC_URL

CLIENT_IP = "192.0.2.1"
TEAM_HEADER = "X-Team-ID"
API_KEYS = "/api/v1/app/api-keys"


@dataclass(eq=False)
class SignedInUser:
    """A signed-in user. `client` sends the access token; `team_id` is the team in which it acts."""

    app: Api
    client: AsyncClient
    user_id: UUID
    team_id: UUID
    email: str
    token: str

    def in_team(self, team_id: UUID) -> AsyncClient:
        """Return a client of the same session that acts in another team.

        async def test_owner_sees_both_teams(create_user: CreateUser, create_team: CreateTeam) -> None:
            owner = await create_user()
            team = await create_team(owner=owner)
            created = await owner.in_team(team.id).post("/api/v1/app/projects", json={"name": "Website"})
            assert created.json()["team_id"] == str(team.id)
            assert (await owner.client.get("/api/v1/app/projects")).json()["items"] == []
        """
        headers: dict[str, Any] = {"Authorization": f"Bearer {self.token}", TEAM_HEADER: str(team_id)}
        return make_client(self.app, **headers)

    async def sign_in(self) -> None:
        """Start a new session, for example after `clock.travel` beyond the end of the current one."""
        services = self.app.context.get(SessionServices)
        async with services.database.session() as session:
            user = await session.get(User, self.user_id)
            assert user is not None, "The account was deleted."
            self.token = await _start_session(self.app, session, user)
        self.client.headers["Authorization"] = f"Bearer {self.token}"

    async def create_api_key(self, *scopes: str, kind: str = "user") -> AsyncClient:
        """Create an API key through the API, and return a client that sends it.

        `scopes` are names of permissions, by default all of the role. A key of the kind `team` belongs to the team.

            async def test_key_is_limited_to_its_scopes(create_user: CreateUser) -> None:
                owner = await create_user()
                key = await owner.create_api_key("projects:read")
                assert (await key.get("/api/v1/app/projects")).status_code == 200
                assert (await key.post("/api/v1/app/projects", json={"name": "Website"})).status_code == 403
        """
        body = {"name": "Test key", "kind": kind, "scopes": list(scopes) or None}
        response = await self.client.post(API_KEYS, json=body)
        assert response.status_code == 201, response.text
        headers: dict[str, Any] = {"Authorization": f"Bearer {response.json()['key']}"}
        if kind == "user":
            headers[TEAM_HEADER] = str(self.team_id)
        return make_client(self.app, **headers)


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
    app: Api, *, role: PlatformRole = PlatformRole.USER, email: str | None = None, full_name: str = "Test User"
) -> SignedInUser:
    """Create a user with a personal team and a session. The caller closes the client."""
    services = app.context.get(SessionServices)
    async with services.database.session() as session:
        user = User(email=email or f"{new_id().hex}@example.com", full_name=full_name, role=role)
        session.add(user)
        await session.flush()
        await publish(session, UserRegistered(user.id))
        team = await TeamRepository(session).get_personal(user.id)
        assert team is not None
        token = await _start_session(app, session, user)
    return SignedInUser(app, make_client(app, Authorization=f"Bearer {token}"), user.id, team.id, user.email, token)


async def _start_session(app: Api, session: Session, user: User) -> str:
    """Start a session as a sign-in does, and return its access token."""
    request_client = Client(ip=CLIENT_IP, user_agent="undercroft.testing")
    started = await SessionService(session).start(user, request_client, SessionKind.BEARER)
    issued = await app.context.get(SessionServices).tokens.issue(user.id, started.session_id, ext=started.claims)
    return issued.token
