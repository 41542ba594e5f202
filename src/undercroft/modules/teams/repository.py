"""Every query about teams and members."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import func, select
from sqlmodel import col

from undercroft.core.auth.permissions import TeamRole
from undercroft.core.db.repository import Repository, Slice
from undercroft.modules.teams.errors import MemberNotFound, TeamNotFound
from undercroft.modules.teams.models import Membership, Team
from undercroft.modules.users import User


class Belonging(Struct, frozen=True):
    """A team together with the role that somebody has in it."""

    team: Team
    role: str


class TeamRepository(Repository[Team]):
    model = Team
    not_found = TeamNotFound
    searchable = ("name", "slug")
    sortable = ("created_at", "name")

    async def of_user(
        self, user_id: UUID, *, page: int, size: int, sort: str | None
    ) -> tuple[Sequence[Belonging], int]:
        """The teams that somebody belongs to, one page of them, and how many there are."""
        joined = (
            self._query()
            .join(Membership, col(Membership.team_id) == col(Team.id))
            .where(col(Membership.user_id) == user_id)
        )
        total = select(func.count()).select_from(joined.subquery()).scalar_subquery()
        query = joined.order_by(*self._order(sort)).limit(size).offset((page - 1) * size)
        rows: Sequence[Any] = (await self._session.execute(query.add_columns(col(Membership.role), total))).all()
        if rows:
            return [Belonging(row[0], row[1]) for row in rows], rows[0][2]
        return [], await self._count(joined) if page > 1 else 0

    async def belonging(self, team_id: UUID, user_id: UUID) -> Belonging:
        """A team as one of its members sees it. Raises `TeamNotFound` to everybody else."""
        query = (
            self._query()
            .add_columns(col(Membership.role))
            .join(Membership, col(Membership.team_id) == col(Team.id))
            .where(col(Team.id) == team_id, col(Membership.user_id) == user_id)
        )
        row: Any = (await self._session.execute(query)).first()
        if row is None:
            raise TeamNotFound
        return Belonging(row[0], row[1])

    async def slug_exists(self, slug: str) -> bool:
        return await self.count(col(Team.slug) == slug) > 0

    async def personal_of(self, user_id: UUID) -> Team | None:
        return await self.get_by(personal_user_id=user_id)


class MembershipRepository(Repository[Membership]):
    model = Membership
    not_found = MemberNotFound

    async def members(self, team_id: UUID, *, page: int, size: int) -> Slice[Any]:
        """Members with their users, the earliest first: rows of (membership, email, full name)."""
        where = col(Membership.team_id) == team_id
        total = select(func.count()).select_from(Membership).where(where).scalar_subquery()
        query = (
            select(Membership, col(User.email), col(User.full_name), total)
            .join(User, col(User.id) == col(Membership.user_id))
            .where(where)
            .order_by(col(Membership.created_at), col(Membership.id))
            .limit(size)
            .offset((page - 1) * size)
        )
        rows: Sequence[Any] = (await self._session.execute(query)).all()
        return Slice(rows, rows[0][3] if rows else await self.count(where))

    async def lock_member(self, team_id: UUID, user_id: UUID) -> Membership:
        """One membership, held until the transaction ends. Raises `MemberNotFound`."""
        query = self._query().where(col(Membership.team_id) == team_id, col(Membership.user_id) == user_id)
        member = await self._first(query.with_for_update().execution_options(populate_existing=True))
        if member is None:
            raise MemberNotFound
        return member

    async def lock_owners(self, team_id: UUID) -> Sequence[Membership]:
        """All owners of a team, held until the transaction ends, so that two cannot leave at once."""
        query = self._query().where(col(Membership.team_id) == team_id, col(Membership.role) == TeamRole.OWNER.value)
        locked = query.order_by(col(Membership.id)).with_for_update().execution_options(populate_existing=True)
        return (await self._session.scalars(locked)).all()
