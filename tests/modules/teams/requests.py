"""Helpers for tests of teams."""

from typing import Any
from uuid import UUID

from httpx2 import AsyncClient, Response

from tests.modules.auth.users import Mailbox
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.modules.teams.models import Membership
from undercroft.testing.users import SignedInUser

TEAMS = "/api/v1/app/teams"
PERMISSIONS = "/api/v1/app/permissions"
PROJECTS = "/api/v1/app/projects"
ACCEPT = "/api/v1/app/invitations/accept"


def assert_error(response: Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == code


def assert_success(response: Response) -> Any:
    assert response.is_success, response.text
    return response.json() if response.content else None


async def make_team(client: AsyncClient, **fields: object) -> dict[str, Any]:
    created: dict[str, Any] = assert_success(await client.post(TEAMS, json={"name": "Acme", **fields}))
    return created


async def make_role(client: AsyncClient, team: dict[str, Any], name: str, *permissions: str) -> dict[str, Any]:
    body = {"name": name, "permissions": permissions}
    created: dict[str, Any] = assert_success(await client.post(f"{TEAMS}/{team['id']}/roles", json=body))
    return created


async def add_member(app: Api, team: dict[str, Any], user: SignedInUser, role: str) -> None:
    """Insert a membership, for tests about something else."""
    async with app.context.get(Database).session() as session:
        session.add(Membership(team_id=UUID(team["id"]), user_id=user.user_id, role=str(role)))


async def invite(client: AsyncClient, team: dict[str, Any], email: str, role: str = "member") -> dict[str, Any]:
    created: dict[str, Any] = assert_success(
        await client.post(f"{TEAMS}/{team['id']}/invitations", json={"email": email, "role": role})
    )
    return created


async def invite_and_get_token(
    client: AsyncClient, team: dict[str, Any], email: str, mailbox: Mailbox, role: str = "member"
) -> str:
    """Invite a user; return the token of the email. Reads all earlier emails to the address first."""
    await mailbox.list_new(email)
    await invite(client, team, email, role)
    return (await mailbox.latest(email)).token


async def accept_invitation(user: SignedInUser, token: str) -> Response:
    return await user.client.post(ACCEPT, json={"token": token})


async def list_member_roles(client: AsyncClient, team: dict[str, Any]) -> dict[str, str]:
    """Return the role of each member by address."""
    listed = assert_success(await client.get(f"{TEAMS}/{team['id']}/members", params={"size": 100}))
    return {member["email"]: member["role"] for member in listed["items"]}


def team_header(team: dict[str, Any]) -> dict[str, str]:
    return {"X-Team-ID": team["id"]}
