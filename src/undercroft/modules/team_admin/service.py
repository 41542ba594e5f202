"""What administrators see of teams and do about them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement

from undercroft.core.audit import Entry, record
from undercroft.core.db import ReadSession, Session, utc_now
from undercroft.core.db.repository import Position, Slice
from undercroft.modules.team_admin.repository import AllTeams, MemberCounts
from undercroft.modules.teams import MembershipRepository, PersonalTeam, Team, restore_team

Counted = tuple[Team, int]


class TeamDirectory:
    """Looks at teams, each with how many belong to it."""

    def __init__(self, session: ReadSession) -> None:
        self._teams = AllTeams(session)
        self._counts = MemberCounts(session)
        self._members = MembershipRepository(session)

    async def list(
        self, *where: ColumnElement[bool], q: str | None, sort: str | None, page: int, size: int
    ) -> tuple[Sequence[Counted], int]:
        """One page of the teams that match, the newest first unless sorted otherwise, and how many there are."""
        found = await self._teams.list(*where, q=q, sort=sort, page=page, size=size)
        return await self._counted(found.items), found.total

    async def stretch(
        self, *where: ColumnElement[bool], q: str | None, after: Position | None, limit: int
    ) -> tuple[Sequence[Counted], Position | None]:
        """The next teams that match, the newest first, without counting them."""
        found = await self._teams.stretch(*where, q=q, after=after, limit=limit)
        return await self._counted(found.items), found.next

    async def get(self, team_id: UUID) -> Counted:
        """Raises `TeamNotFound`."""
        (counted,) = await self._counted([await self._teams.get(team_id)])
        return counted

    async def members(self, team_id: UUID, *, page: int, size: int) -> Slice[Any]:
        """Rows of (membership, email, full name), of a deleted team as well. Raises `TeamNotFound`."""
        team = await self._teams.get(team_id)
        return await self._members.members(team.id, page=page, size=size)

    async def _counted(self, teams: Sequence[Team]) -> Sequence[Counted]:
        counts = await self._counts.of(teams)
        return [(team, counts.get(team.id, 0)) for team in teams]


class TeamControl(TeamDirectory):
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

    async def restore(self, team_id: UUID) -> Counted:
        """Raises `TeamNotFound`, and what `restore_team` raises."""
        team = await self._teams.lock(team_id)
        if team.deleted_at is not None:
            await restore_team(self._session, team)
        return await self.get(team_id)
