"""Team management for administrators."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement

from undercroft.core.audit import Entry, record
from undercroft.core.db import Paging, ReadSession, RowPage
from undercroft.modules.teams.errors import PersonalTeam
from undercroft.modules.teams.models import Team
from undercroft.modules.teams.repository.members import MembershipRepository
from undercroft.modules.teams.repository.teams import TeamAdminRepository
from undercroft.modules.teams.service.teams import restore_team

TeamWithCount = tuple[Team, int]


class TeamAdminService:
    """All teams with their member counts. Pass a `Session` to change them, a `ReadSession` to read them."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session
        self._teams = TeamAdminRepository(session)
        self._members = MembershipRepository(session)

    async def list(self, paging: Paging, *where: ColumnElement[bool]) -> RowPage[TeamWithCount]:
        teams = await self._teams.list(paging, *where)
        counts = await self._members.count_by_team([team.id for team in teams.items])
        return teams.map(lambda team: (team, counts.get(team.id, 0)))

    async def get(self, team_id: UUID) -> TeamWithCount:
        """Return a team with its member count. Raises `TeamNotFound`."""
        team = await self._teams.get(team_id)
        return team, await self._members.size(team.id)

    async def members(self, team_id: UUID, paging: Paging) -> RowPage[Any]:
        """List rows of (membership, email, full name), also of a deleted team. Raises `TeamNotFound`."""
        team = await self._teams.get(team_id)
        return await self._members.members(team.id, paging)

    async def delete(self, team_id: UUID) -> None:
        """Delete a team, which is inaccessible until restored. Raises `TeamNotFound`, `PersonalTeam`."""
        team = await self._teams.lock(team_id)
        if team.personal_user_id is not None:
            raise PersonalTeam
        if team.deleted_at is None:
            await self._teams.soft_delete(team)
            deleted = Entry("team.deleted", None, "team", team_id, team_id, {"deleted": False}, {"deleted": True})
            await record(self._session.writable, deleted)

    async def restore(self, team_id: UUID) -> TeamWithCount:
        """Restore a team. Raises `TeamNotFound` and the errors of `restore_team`."""
        team = await self._teams.lock(team_id)
        if team.deleted_at is not None:
            await restore_team(self._session.writable, team)
        return await self.get(team_id)
