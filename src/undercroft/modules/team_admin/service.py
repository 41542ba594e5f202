"""What administrators see of teams and do about them."""

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
    """Looks at teams, each with how many belong to it."""

    def __init__(self, session: ReadSession) -> None:
        self._teams = TeamAdminRepository(session)
        self._counts = MemberCountRepository(session)
        self._members = MembershipRepository(session)

    async def list(
        self, *where: ColumnElement[bool], q: str | None, sort: str | None, page: int, size: int
    ) -> tuple[Sequence[TeamWithCount], int]:
        """One page of the teams that match, the newest first unless sorted otherwise, and how many there are."""
        found = await self._teams.list(*where, q=q, sort=sort, page=page, size=size)
        return await self._with_member_counts(found.items), found.total

    async def list_after(
        self, *where: ColumnElement[bool], q: str | None, after: Position | None, limit: int
    ) -> tuple[Sequence[TeamWithCount], Position | None]:
        """The next teams that match, the newest first, without counting them."""
        found = await self._teams.list_after(*where, q=q, after=after, limit=limit)
        return await self._with_member_counts(found.items), found.next

    async def get(self, team_id: UUID) -> TeamWithCount:
        """Raises `TeamNotFound`."""
        (counted,) = await self._with_member_counts([await self._teams.get(team_id)])
        return counted

    async def members(self, team_id: UUID, *, page: int, size: int) -> OffsetPage[Any]:
        """Rows of (membership, email, full name), of a deleted team as well. Raises `TeamNotFound`."""
        team = await self._teams.get(team_id)
        return await self._members.members(team.id, page=page, size=size)

    async def _with_member_counts(self, teams: Sequence[Team]) -> Sequence[TeamWithCount]:
        counts = await self._counts.count_by_team(teams)
        return [(team, counts.get(team.id, 0)) for team in teams]


class TeamAdminService(TeamAdminReadService):
    """Deletes and restores, in one transaction."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session

    async def delete(self, team_id: UUID) -> None:
        """Nobody reaches the team any more, until it is restored. Raises `TeamNotFound`, `PersonalTeam`."""
        team = await self._teams.lock(team_id)
        if team.personal_user_id is not None:
            raise PersonalTeam
        if team.deleted_at is None:
            await self._teams.update(team, {"deleted_at": utc_now()})
            deleted = Entry("team.deleted", None, "team", team_id, team_id, {"deleted": False}, {"deleted": True})
            await record(self._session, deleted)

    async def restore(self, team_id: UUID) -> TeamWithCount:
        """Raises `TeamNotFound`, and what `restore_team` raises."""
        team = await self._teams.lock(team_id)
        if team.deleted_at is not None:
            await restore_team(self._session, team)
        return await self.get(team_id)
