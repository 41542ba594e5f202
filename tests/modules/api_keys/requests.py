"""Create API keys and send requests with them."""

from typing import Any

import httpx2 as httpx
from httpx2 import AsyncClient, Response
from sqlalchemy import update
from sqlmodel import col

from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.modules.api_keys.models import ApiKey
from undercroft.modules.teams.models import Membership, TeamRole
from undercroft.testing.users import SignedInUser, make_client

KEYS = "/api/v1/app/api-keys"
PROJECTS = "/api/v1/app/projects"
TEAMS = "/api/v1/app/teams"
ME = "/api/v1/app/users/me"


async def make_key(client: AsyncClient, *, team: str | None = None, **fields: Any) -> dict[str, Any]:
    response = await client.post(KEYS, json={"name": "Import", **fields}, headers=team_header(team))
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


async def make_team(client: AsyncClient) -> str:
    response = await client.post(TEAMS, json={"name": "Acme"})
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def add_member(database: Database, team: str, user: SignedInUser, role: TeamRole) -> None:
    async with database.session() as session:
        session.add(Membership(team_id=team, user_id=user.user_id, role=role.value))


async def change_row(database: Database, key_id: str, **values: Any) -> None:
    async with database.session() as session:
        await session.execute(update(ApiKey).where(col(ApiKey.id) == key_id).values(**values))


def team_header(team: str | None) -> dict[str, str]:
    return {"X-Team-ID": team} if team else {}


def api_key_client(app: Api, key: str, *, team: str | None = None) -> httpx.AsyncClient:
    """Return a client that sends this key."""
    return make_client(app, Authorization=f"Bearer {key}", **team_header(team))


def assert_error(response: Response, status: int, code: str) -> None:
    assert (response.status_code, response.json()["error"]["code"]) == (status, code), response.text
