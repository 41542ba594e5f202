"""Queries of teams."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, Text, Uuid, and_, cast, func, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from undercroft.core.db import Paging, Repository, RowPage
from undercroft.modules.teams.errors import TeamNotFound
from undercroft.modules.teams.models import Membership, RemovedMember, Team, TeamRole
from undercroft.modules.users import User


class UserTeam(Struct, frozen=True):
    """A team with a user's role in it."""

    team: Team
    role: str


_Claimant, _ClaimantMembership = aliased(User), aliased(Membership)
_DOMAIN: Any = func.unnest(col(Team.auto_join_domains), type_=Text).column_valued("domain")
_CLAIM_IS_VALID = and_(
    cast(col(Team.auto_join_claims)[_DOMAIN].astext, Uuid) == col(_Claimant.id),
    col(_Claimant.is_active),
    col(_Claimant.deleted_at).is_(None),
    col(_Claimant.email_verified_at).is_not(None),
    func.right(col(_Claimant.email), func.length(_DOMAIN) + 1) == func.concat("@", _DOMAIN),
    col(_ClaimantMembership.team_id) == col(Team.id),
    col(_ClaimantMembership.user_id) == col(_Claimant.id),
    col(_ClaimantMembership.role) == TeamRole.OWNER.value,
)
"""Whether the claimant of a team's domain is still an owner with a verified address there."""


class TeamRepository(Repository[Team]):
    model = Team
    not_found = TeamNotFound
    searchable = ("name", "slug")
    sortable = ("created_at", "name")

    async def for_user(
        self, user_id: UUID, paging: Paging, *, deleted_since: datetime | None = None
    ) -> RowPage[UserTeam]:
        """List a user's teams; with `deleted_since`, the teams deleted since then instead."""
        joined = (
            self._query(deleted=deleted_since is not None)
            .join(Membership, col(Membership.team_id) == col(Team.id))
            .where(col(Membership.user_id) == user_id, *self.matching(**paging.filters))
        )
        if deleted_since is not None:
            joined = joined.where(col(Team.deleted_at) >= deleted_since)
        query = joined.order_by(*self._order(paging.sort)).add_columns(col(Membership.role))
        return (await self._page(query, paging)).map(lambda row: UserTeam(*list(row)[:2]))

    async def lock_no_key(self, team_id: UUID, *, deleted: bool = False) -> Team:
        """Lock a team against concurrent changes until the transaction ends. Raises `TeamNotFound`.

        Inserts of rows that only refer to the team, such as projects, do not wait (`FOR NO KEY UPDATE`).
        """
        return await self.lock(team_id, deleted=deleted, no_key=True)

    async def lock_with_deleted(self, team_id: UUID) -> Team:
        """Lock a team, deleted or not, in the same way. Raises `TeamNotFound`."""
        return await TeamAdminRepository(self._session).lock(team_id, no_key=True)

    async def list_names_requiring_mfa(self, user_id: UUID) -> Sequence[str]:
        query = (
            select(col(Team.name))
            .join(Membership, col(Membership.team_id) == col(Team.id))
            .where(col(Membership.user_id) == user_id, col(Team.require_mfa), col(Team.deleted_at).is_(None))
        )
        return (await self._session.scalars(query.order_by(col(Team.name)))).all()

    async def slug_exists(self, slug: str) -> bool:
        return await self.count_by(slug=slug) > 0

    async def get_personal(self, user_id: UUID) -> Team | None:
        return await self.get_by(personal_user_id=user_id)

    async def valid_domains(self, team_id: UUID) -> Sequence[str]:
        """List the domains of a team that their claimants could claim now."""
        query = select(col(Team.id), _DOMAIN).where(_CLAIM_IS_VALID, col(Team.id) == team_id)
        rows: Sequence[Any] = (await self._session.execute(query.order_by(_DOMAIN))).all()
        return [row[1] for row in rows]

    async def list_offered(self, domain: str, user_id: UUID, paging: Paging) -> RowPage[Team]:
        """List the teams that a user of a domain may join and has not joined, oldest first."""
        query = self._offered_query(domain, user_id).order_by(col(Team.created_at), col(Team.id))
        return (await self._page(query, paging)).map(lambda row: row[0])

    async def is_offered(self, team_id: UUID, domain: str, user_id: UUID) -> bool:
        return await self._first(self._offered_query(domain, user_id).where(col(Team.id) == team_id)) is not None

    def _offered_query(self, domain: str, user_id: UUID) -> Select[Any]:
        excluded = [
            select(col(model.team_id)).where(col(model.team_id) == col(Team.id), col(model.user_id) == user_id).exists()
            for model in (Membership, RemovedMember)
        ]
        return (
            self._query()
            .where(col(Team.auto_join_domains).contains([domain]), domain == _DOMAIN, _CLAIM_IS_VALID)
            .where(*(~each for each in excluded))
        )

    async def list_ids(self) -> Sequence[UUID]:
        """List all teams, the oldest first."""
        query = self._query().with_only_columns(col(Team.id)).order_by(col(Team.created_at))
        return (await self._session.scalars(query)).all()

    async def list_abandoned(self) -> Sequence[UUID]:
        """List deleted teams without members, in lock order."""
        members = select(col(Membership.id)).where(col(Membership.team_id) == col(Team.id)).exists()
        query = self._query(deleted=True).where(~members).with_only_columns(col(Team.id)).order_by(col(Team.id))
        return (await self._session.scalars(query)).all()

    async def deleted_before(self, moment: datetime, limit: int) -> Sequence[UUID]:
        query = self._query(deleted=True).where(col(Team.deleted_at) < moment)
        return (await self._session.scalars(query.with_only_columns(col(Team.id)).limit(limit))).all()


class TeamAdminRepository(Repository[Team]):
    """All teams, deleted or not, independent of membership."""

    model = Team
    not_found = TeamNotFound
    searchable = ("name", "slug")
    sortable = ("created_at", "name", "slug", "deleted_at")

    def _query(self, *, deleted: bool = False) -> Select[Any]:  # noqa: ARG002 - always includes deleted teams
        return select(Team)


def build_filters(
    *, is_personal: bool | None, is_deleted: bool | None, member_id: UUID | None = None
) -> list[ColumnElement[bool]]:
    filters = ((col(Team.personal_user_id), is_personal), (col(Team.deleted_at), is_deleted))
    found: list[ColumnElement[bool]] = [
        column.is_not(None) if value else column.is_(None) for column, value in filters if value is not None
    ]
    if member_id is not None:
        memberships = select(col(Membership.team_id)).where(col(Membership.user_id) == member_id)
        found.append(col(Team.id).in_(memberships))
    return found
