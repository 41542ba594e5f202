"""Creates teams with members of any role."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from httpx2 import AsyncClient

from undercroft.core.auth import PlatformRole
from undercroft.core.auth.permissions import Permissions
from undercroft.core.db import Database
from undercroft.modules.teams import Membership, TeamRole, create_team
from undercroft.modules.teams.models import CustomRole  # undercroft: allow module-import because members need roles
from undercroft.testing.users import SignedInUser


class CreateUser(Protocol):
    """Creates signed-in users, whose clients are closed after the test; the fixture `create_user`."""

    async def __call__(
        self, *, role: PlatformRole = PlatformRole.USER, email: str | None = None, full_name: str = "Test User"
    ) -> SignedInUser:
        """Create a user with a personal team and a session. `role` is the role on the platform."""


class CreateTeam(Protocol):
    """Creates teams; the fixture `create_team`."""

    async def __call__(self, *, owner: SignedInUser | None = None, name: str = "Test Team") -> "CreatedTeam":
        """Create a team of an owner, by default of a new user."""


@dataclass(eq=False)
class CreatedTeam:
    """A team with its owner, whose client here acts in this team.

    async def test_viewer_cannot_write(create_team: CreateTeam) -> None:
        team = await create_team()
        viewer = await team.add_member("viewer")
        assert (await viewer.client.get("/api/v1/app/projects")).status_code == 200
        assert (await viewer.client.post("/api/v1/app/projects", json={"name": "Website"})).status_code == 403

    async def test_permission_is_sufficient(create_team: CreateTeam) -> None:
        team = await create_team()
        writer = await team.add_member(permissions=["projects:read", "projects:write"])
        assert (await writer.client.post("/api/v1/app/projects", json={"name": "Website"})).status_code == 201
    """

    id: UUID
    owner: SignedInUser
    create_user: CreateUser

    async def add_member(self, role: str = "member", *, permissions: Collection[str] | None = None) -> SignedInUser:
        """Add a new user with a role, or with a new custom role that has exactly these permissions.

        Raises `ValueError` for an unknown built-in role or permission.
        """
        person = await self.create_user()
        database = person.app.context.get(Database)
        async with database.session() as session:
            if permissions is None:
                role = TeamRole(role).value
            else:
                self._require_known(permissions)
                role = f"test-{secrets.token_hex(4)}"
                session.add(CustomRole(team_id=self.id, name=role, permissions=sorted(permissions)))
            session.add(Membership(team_id=self.id, user_id=person.user_id, role=role))
        return act_in_team(person, self.id)

    async def create_api_key(self, *scopes: str) -> AsyncClient:
        """Create an API key that belongs to the team, and return a client that sends it."""
        return await self.owner.create_api_key(*scopes, kind="team")

    def _require_known(self, permissions: Collection[str]) -> None:
        known = self.owner.app.context.get(Permissions).by_name
        if unknown := sorted(set(permissions) - known.keys()):
            raise ValueError(f"There is no permission {', '.join(unknown)}. Known are: {', '.join(sorted(known))}.")


async def create_owned_team(create_user: CreateUser, owner: SignedInUser | None, name: str) -> CreatedTeam:
    """Create a team, and let a client of its owner act in it."""
    person = owner or await create_user()
    async with person.app.context.get(Database).session() as session:
        team = await create_team(session, name=name, owner_id=person.user_id)
    return CreatedTeam(team.id, act_in_team(person, team.id), create_user)


def act_in_team(person: SignedInUser, team_id: UUID) -> SignedInUser:
    """The same user with a client that acts in a team."""
    client: Any = person.in_team(team_id)
    return SignedInUser(person.app, client, person.user_id, team_id, person.email, person.token)
