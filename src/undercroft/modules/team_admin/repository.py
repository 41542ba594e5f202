"""Queries over all teams, deleted or not, independent of membership."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlmodel import col

from undercroft.core.db import ReadSession
from undercroft.core.db.repository import Repository
from undercroft.modules.teams import Membership, Team, TeamNotFound


class TeamAdminRepository(Repository[Team]):
    """Includes deleted teams."""

    model = Team
    not_found = TeamNotFound
    searchable = ("name", "slug")
    sortable = ("created_at", "name", "slug", "deleted_at")

    def _query(self, *, deleted: bool = False) -> Select[Any]:  # noqa: ARG002 - always includes deleted teams
        return select(Team)


class MemberCountRepository:
    def __init__(self, session: ReadSession) -> None:
        self._session = session

    async def count_by_team(self, teams: Sequence[Team]) -> dict[UUID, int]:
        """Count the members of each of these teams in one statement."""
        ids = [team.id for team in teams]
        query = select(col(Membership.team_id), func.count()).where(col(Membership.team_id).in_(ids))
        rows: Sequence[Any] = (await self._session.execute(query.group_by(col(Membership.team_id)))).all()
        return {row[0]: row[1] for row in rows}


def build_filters(*, is_personal: bool | None, is_deleted: bool | None) -> list[ColumnElement[bool]]:
    """Build the conditions of a list request; a filter that is None matches everything."""
    filters = ((col(Team.personal_user_id), is_personal), (col(Team.deleted_at), is_deleted))
    return [column.is_not(None) if value else column.is_(None) for column, value in filters if value is not None]
