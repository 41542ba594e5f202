"""Team management for administrators."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement

from undercroft.core.audit import Entry, record
from undercroft.core.db import ReadSession, Session, utc_now
from undercroft.core.db.repository import OffsetPage, Position
from undercroft.modules.team_admin.repository import MemberCountRepository, TeamAdminRepository
from undercroft.modules.teams import MembershipRepository, PersonalTeam, Team, restore_team

TeamWithCount = tuple[Team, int]


class TeamAdminReadService:
    """Read teams with their member counts."""

    def __init__(self, session: ReadSession) -> None:
        self._teams = TeamAdminRepository(session)
        self._counts = MemberCountRepository(session)
        self._members = MembershipRepository(session)

    async def list(
        self, *where: ColumnElement[bool], q: str | None, sort: str | None, page: int, size: int
    ) -> tuple[Sequence[TeamWithCount], int]:
        """List one page of matching teams, newest first by default, with the total count."""
        found = await self._teams.list(*where, q=q, sort=sort, page=page, size=size)
        return await self._with_member_counts(found.items), found.total

    async def list_after(
        self, *where: ColumnElement[bool], q: str | None, after: Position | None, limit: int
    ) -> tuple[Sequence[TeamWithCount], Position | None]:
        """List the next matching teams, newest first, without a count."""
        found = await self._teams.list_after(*where, q=q, after=after, limit=limit)
        return await self._with_member_counts(found.items), found.next

    async def get(self, team_id: UUID) -> TeamWithCount:
        """Return a team with its member count. Raises `TeamNotFound`."""
        (counted,) = await self._with_member_counts([await self._teams.get(team_id)])
        return counted

    async def members(self, team_id: UUID, *, page: int, size: int) -> OffsetPage[Any]:
        """List rows of (membership, email, full name), also of a deleted team. Raises `TeamNotFound`."""
        team = await self._teams.get(team_id)
        return await self._members.members(team.id, page=page, size=size)

    async def _with_member_counts(self, teams: Sequence[Team]) -> Sequence[TeamWithCount]:
        counts = await self._counts.count_by_team(teams)
        return [(team, counts.get(team.id, 0)) for team in teams]


class TeamAdminService(TeamAdminReadService):
    """Delete and restore teams, in one transaction."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session

    async def delete(self, team_id: UUID) -> None:
        """Delete a team, which is inaccessible until restored. Raises `TeamNotFound`, `PersonalTeam`."""
        team = await self._teams.lock(team_id)
        if team.personal_user_id is not None:
            raise PersonalTeam
        if team.deleted_at is None:
            await self._teams.update(team, {"deleted_at": utc_now()})
            deleted = Entry("team.deleted", None, "team", team_id, team_id, {"deleted": False}, {"deleted": True})
            await record(self._session, deleted)

    async def restore(self, team_id: UUID) -> TeamWithCount:
        """Restore a team. Raises `TeamNotFound` and the errors of `restore_team`."""
        team = await self._teams.lock(team_id)
        if team.deleted_at is not None:
            await restore_team(self._session, team)
        return await self.get(team_id)
