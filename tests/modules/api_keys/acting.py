"""Programs that present an API key."""

from typing import Any

import httpx
from httpx import AsyncClient, Response
from sqlalchemy import update
from sqlmodel import col

from undercroft.core.auth.permissions import TeamRole
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.modules.api_keys.models import ApiKey
from undercroft.modules.teams.models import Membership
from undercroft.testing.people import Person, client_of

KEYS = "/api/v1/app/api-keys"
PROJECTS = "/api/v1/app/projects"
TEAMS = "/api/v1/app/teams"
ME = "/api/v1/app/users/me"


async def make_key(client: AsyncClient, *, team: str | None = None, **fields: Any) -> dict[str, Any]:
    answer = await client.post(KEYS, json={"name": "Import", **fields}, headers=of_team(team))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def make_team(client: AsyncClient) -> str:
    answer = await client.post(TEAMS, json={"name": "Acme"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def join(database: Database, team: str, person: Person, role: TeamRole) -> None:
    async with database.session() as session:
        session.add(Membership(team_id=team, user_id=person.user_id, role=role.value))


async def change_row(database: Database, key_id: str, **values: Any) -> None:
    async with database.session() as session:
        await session.execute(update(ApiKey).where(col(ApiKey.id) == key_id).values(**values))


def of_team(team: str | None) -> dict[str, str]:
    return {"X-Team-ID": team} if team else {}


def program(app: Api, key: str, *, team: str | None = None) -> httpx.AsyncClient:
    """A client that sends this key."""
    return client_of(app, Authorization=f"Bearer {key}", **of_team(team))


def refused(answer: Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
