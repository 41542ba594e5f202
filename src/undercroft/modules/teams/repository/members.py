"""Queries of members and of custom roles."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import and_, case, delete, func, literal_column, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from undercroft.core.auth.permissions import resolve_permissions
from undercroft.core.db import OwnedRepository, Paging, Repository, RowPage, Session, Statement, utc_now
from undercroft.modules.teams.errors import MemberNotFound, RoleNotFound
from undercroft.modules.teams.models import CustomRole, Membership, RemovedMember, Team, TeamRole
from undercroft.modules.users import User

_IS_CUSTOM_ROLE = and_(*(col(Membership.role) != literal_column(f"'{role.value}'") for role in TeamRole))

CUSTOM_ROLE_PERMISSIONS: Any = case(
    (
        _IS_CUSTOM_ROLE,
        select(func.array_to_string(col(CustomRole.permissions), literal_column("' '")))
        .where(col(CustomRole.team_id) == col(Membership.team_id), col(CustomRole.name) == col(Membership.role))
        .correlate(Membership)
        .scalar_subquery(),
    )
)
"""Permissions of a membership's custom role, for `resolve_permissions`; NULL for a built-in role, without a lookup."""


_SEARCHED = (col(User.email), col(User.full_name))


class MembershipRepository(Repository[Membership]):
    model = Membership
    not_found = MemberNotFound
    sortable = ("created_at", "email", "full_name", "role")
    default_sort = "created_at"

    async def members(self, team_id: UUID, paging: Paging) -> RowPage[Any]:
        """List members with their users, earliest first by default: rows of (membership, email, full name).

        `q` searches names and addresses. Raises `UnknownSort`.
        """
        members = self._query().where(col(Membership.team_id) == team_id, *self.matching(**paging.filters))
        query = members.join(User, col(User.id) == col(Membership.user_id))
        if paging.q:
            members = query = query.where(or_(*(column.icontains(paging.q, autoescape=True) for column in _SEARCHED)))
        query = query.add_columns(col(User.email), col(User.full_name)).order_by(*self._order(paging.sort))
        return (await self._page(query, paging, counted=members)).map(lambda row: row[:3])

    def _sort_key(self, name: str) -> Any:
        if name == "full_name":
            return func.lower(func.coalesce(func.nullif(col(User.full_name), ""), col(User.email)))
        return col(User.email) if name == "email" else super()._sort_key(name)

    async def member(self, team_id: UUID, user_id: UUID) -> Membership:
        """Raises `MemberNotFound`."""
        member = await self.get_by(team_id=team_id, user_id=user_id)
        if member is None:
            raise MemberNotFound
        return member

    async def permissions(self, team_id: UUID, user_id: UUID) -> tuple[str, frozenset[str]] | None:
        """Return a user's role in a team and its permissions, or None if the user is not a member."""
        query = select(col(Membership.role), CUSTOM_ROLE_PERMISSIONS).where(
            col(Membership.team_id) == team_id, col(Membership.user_id) == user_id
        )
        row: Any = (await self._session.execute(query)).first()
        return None if row is None else (row[0], resolve_permissions(row[0], row[1]))

    async def has_address(self, team_id: UUID, email: str) -> bool:
        query = select(col(Membership.id)).join(User, col(User.id) == col(Membership.user_id))
        member = await self._session.scalar(query.where(col(Membership.team_id) == team_id, col(User.email) == email))
        return member is not None

    async def size(self, team_id: UUID) -> int:
        return await self.count_by(team_id=team_id)

    async def count_owners(self, team_id: UUID) -> int:
        return await self.count_with_role(team_id, TeamRole.OWNER)

    async def users_with_role(self, team_id: UUID, role: str) -> Sequence[UUID]:
        query = select(col(Membership.user_id)).where(col(Membership.team_id) == team_id, col(Membership.role) == role)
        return (await self._session.scalars(query.order_by(col(Membership.user_id)))).all()

    async def count_with_role(self, team_id: UUID, role: str) -> int:
        return await self.count_by(team_id=team_id, role=role)

    async def rename_role(self, team_id: UUID, before: str, after: str) -> None:
        await self._update(col(Membership.team_id) == team_id, col(Membership.role) == before, role=after)

    async def for_user(self, user_id: UUID) -> Sequence[UUID]:
        """List the ids of all teams of a user, in lock order."""
        query = select(col(Membership.team_id)).where(col(Membership.user_id) == user_id)
        return (await self._session.scalars(query.order_by(col(Membership.team_id)))).all()

    async def claiming_teams(self, user_id: UUID) -> Sequence[UUID]:
        """List the ids of a user's teams with join domains, in lock order."""
        query = (
            select(col(Membership.team_id))
            .join(Team, col(Team.id) == col(Membership.team_id))
            .where(col(Membership.user_id) == user_id, func.cardinality(col(Team.auto_join_domains)) > 0)
        )
        return (await self._session.scalars(query.order_by(col(Membership.team_id)))).all()

    async def count_by_team(self, team_ids: Sequence[UUID]) -> dict[UUID, int]:
        """Count the members of each of these teams in one statement; teams without members are missing."""
        query = select(col(Membership.team_id), func.count()).where(col(Membership.team_id).in_(team_ids))
        rows: Sequence[Any] = (await self._session.execute(query.group_by(col(Membership.team_id)))).all()
        return {row[0]: row[1] for row in rows}

    async def mark_removed(self, team_id: UUID, user_id: UUID) -> None:
        row = insert(RemovedMember).values(team_id=team_id, user_id=user_id, created_at=utc_now())
        await self._write_session.execute(row.on_conflict_do_nothing())

    async def clear_removed(self, team_id: UUID, user_id: UUID) -> None:
        where = (col(RemovedMember.team_id) == team_id, col(RemovedMember.user_id) == user_id)
        await self._write_session.execute(delete(RemovedMember).where(*where))


class RoleRepository(OwnedRepository[CustomRole]):
    """Custom roles of one team."""

    model = CustomRole
    not_found = RoleNotFound
    owner_column = "team_id"

    async def all(self) -> Sequence[CustomRole]:
        return (await self._session.scalars(self._query().order_by(col(CustomRole.name)))).all()


_REVOKE_PERMISSIONS = Statement(
    text(
        "UPDATE team_roles SET permissions = "
        "ARRAY(SELECT name FROM unnest(permissions) WITH ORDINALITY AS p (name, nr) "
        "WHERE name <> ALL (CAST(:names AS text[])) ORDER BY nr), updated_at = now() "
        "WHERE CAST(permissions AS text[]) && CAST(:names AS text[])"
    )
)


async def revoke_permissions(session: Session, names: Sequence[str]) -> None:
    """Remove permissions from the custom roles of all teams."""
    await session.fetch(_REVOKE_PERMISSIONS, names=list(names))
