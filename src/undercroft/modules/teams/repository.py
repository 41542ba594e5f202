"""Queries for teams, members, roles and invitations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Select, Text, Uuid, and_, case, cast, delete, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased
from sqlmodel import col

from undercroft.core.auth.permissions import TeamRole, resolve_permissions
from undercroft.core.db import Session, utc_now
from undercroft.core.db.repository import OffsetPage, Repository
from undercroft.modules.teams.errors import (
    InvitationNotFound,
    MemberNotFound,
    RoleNotFound,
    TeamNotFound,
)
from undercroft.modules.teams.models import CustomRole, Invitation, InvitationToken, Membership, RemovedMember, Team
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
        self, user_id: UUID, *, page: int, size: int, sort: str | None, deleted_since: datetime | None = None
    ) -> tuple[Sequence[UserTeam], int]:
        """List a page of a user's teams with the total; with `deleted_since`, the teams deleted since then instead."""
        joined = (
            self._query(deleted=deleted_since is not None)
            .join(Membership, col(Membership.team_id) == col(Team.id))
            .where(col(Membership.user_id) == user_id)
        )
        if deleted_since is not None:
            joined = joined.where(col(Team.deleted_at) >= deleted_since)
        total = select(func.count()).select_from(joined.subquery()).scalar_subquery()
        query = joined.order_by(*self._order(sort)).limit(size).offset((page - 1) * size)
        rows: Sequence[Any] = (await self._session.execute(query.add_columns(col(Membership.role), total))).all()
        if rows:
            return [UserTeam(row[0], row[1]) for row in rows], rows[0][2]
        return [], await self._count(joined) if page > 1 else 0

    async def lock_no_key(self, team_id: UUID, *, deleted: bool = False) -> Team:
        """Lock a team against concurrent changes until the transaction ends. Raises `TeamNotFound`.

        Inserts of rows that only refer to the team, such as projects, do not wait (`FOR NO KEY UPDATE`).
        """
        return await self._lock_no_key(self._query(deleted=deleted), team_id)

    async def lock_with_deleted(self, team_id: UUID) -> Team:
        """Lock a team, deleted or not, in the same way. Raises `TeamNotFound`."""
        return await self._lock_no_key(select(Team), team_id)

    async def _lock_no_key(self, query: Select[Any], team_id: UUID) -> Team:
        locking = query.where(col(Team.id) == team_id).with_for_update(key_share=True)
        team = await self._first(locking.execution_options(populate_existing=True))
        if team is None:
            raise TeamNotFound
        return team

    async def list_names_requiring_mfa(self, user_id: UUID) -> Sequence[str]:
        """List the names of a user's teams that require MFA."""
        query = (
            select(col(Team.name))
            .join(Membership, col(Membership.team_id) == col(Team.id))
            .where(col(Membership.user_id) == user_id, col(Team.require_mfa), col(Team.deleted_at).is_(None))
        )
        return (await self._session.scalars(query.order_by(col(Team.name)))).all()

    async def slug_exists(self, slug: str) -> bool:
        return await self.count(col(Team.slug) == slug) > 0

    async def get_personal(self, user_id: UUID) -> Team | None:
        return await self.get_by(personal_user_id=user_id)

    async def valid_domains(self, team_id: UUID) -> Sequence[str]:
        """List the domains of a team that their claimants could claim now."""
        query = select(col(Team.id), _DOMAIN).where(_CLAIM_IS_VALID, col(Team.id) == team_id)
        rows: Sequence[Any] = (await self._session.execute(query.order_by(_DOMAIN))).all()
        return [row[1] for row in rows]

    async def list_offered(self, domain: str, user_id: UUID, *, page: int, size: int) -> OffsetPage[Team]:
        """List the teams that a user of a domain may join and has not joined, oldest first."""
        query = self._offered_query(domain, user_id)
        total = select(func.count()).select_from(query.subquery()).scalar_subquery()
        listed = query.add_columns(total).order_by(col(Team.created_at), col(Team.id)).limit(size)
        rows: Sequence[Any] = (await self._session.execute(listed.offset((page - 1) * size))).all()
        if rows:
            return OffsetPage([row[0] for row in rows], rows[0][1])
        return OffsetPage([], await self._count(query) if page > 1 else 0)

    async def is_offered(self, team_id: UUID, domain: str, user_id: UUID) -> bool:
        """Whether this team is offered to the user."""
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

    async def list_abandoned(self) -> Sequence[UUID]:
        """List deleted teams without members, in lock order."""
        members = select(col(Membership.id)).where(col(Membership.team_id) == col(Team.id)).exists()
        query = self._query(deleted=True).where(~members).with_only_columns(col(Team.id)).order_by(col(Team.id))
        return (await self._session.scalars(query)).all()

    async def deleted_before(self, moment: datetime, limit: int) -> Sequence[UUID]:
        query = self._query(deleted=True).where(col(Team.deleted_at) < moment)
        return (await self._session.scalars(query.with_only_columns(col(Team.id)).limit(limit))).all()


class MembershipRepository(Repository[Membership]):
    model = Membership
    not_found = MemberNotFound

    async def members(self, team_id: UUID, *, page: int, size: int) -> OffsetPage[Any]:
        """List members with their users, earliest first: rows of (membership, email, full name)."""
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
        return OffsetPage(rows, rows[0][3] if rows else await self.count(where))

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
        """Whether a member has this address."""
        query = select(col(Membership.id)).join(User, col(User.id) == col(Membership.user_id))
        found = await self._session.scalar(query.where(col(Membership.team_id) == team_id, col(User.email) == email))
        return found is not None

    async def size(self, team_id: UUID) -> int:
        return await self.count(col(Membership.team_id) == team_id)

    async def count_owners(self, team_id: UUID) -> int:
        return await self.count_with_role(team_id, TeamRole.OWNER)

    async def users_with_role(self, team_id: UUID, role: str) -> Sequence[UUID]:
        query = select(col(Membership.user_id)).where(col(Membership.team_id) == team_id, col(Membership.role) == role)
        return (await self._session.scalars(query.order_by(col(Membership.user_id)))).all()

    async def count_with_role(self, team_id: UUID, role: str) -> int:
        return await self.count(col(Membership.team_id) == team_id, col(Membership.role) == role)

    async def rename_role(self, team_id: UUID, before: str, after: str) -> None:
        where = (col(Membership.team_id) == team_id, col(Membership.role) == before)
        await self._write_session.execute(update(Membership).where(*where).values(role=after))

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


class RemovedMemberRepository:
    """Users removed from teams."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, team_id: UUID, user_id: UUID) -> None:
        row = insert(RemovedMember).values(team_id=team_id, user_id=user_id, created_at=utc_now())
        await self._session.execute(row.on_conflict_do_nothing())

    async def clear(self, team_id: UUID, user_id: UUID) -> None:
        where = (col(RemovedMember.team_id) == team_id, col(RemovedMember.user_id) == user_id)
        await self._session.execute(delete(RemovedMember).where(*where))


class RoleRepository(Repository[CustomRole]):
    """Custom roles of one team."""

    model = CustomRole
    not_found = RoleNotFound

    def __init__(self, session: Any, team_id: UUID) -> None:
        super().__init__(session)
        self._team_id = team_id

    async def all(self) -> Sequence[CustomRole]:
        return (await self._session.scalars(self._query().order_by(col(CustomRole.name)))).all()

    async def get_by_name(self, name: str) -> CustomRole | None:
        return await self.get_by(name=name)

    def _query(self, *, deleted: bool = False) -> Select[Any]:
        return super()._query(deleted=deleted).where(col(CustomRole.team_id) == self._team_id)


class Sender(Struct, frozen=True):
    """The sender of an invitation into `role`; `permissions` is empty if the sender is not a member."""

    invitation_id: UUID
    role: str
    is_active: bool
    permissions: frozenset[str]


class InvitationRepository(Repository[Invitation]):
    """Pending invitations of one team."""

    model = Invitation
    not_found = InvitationNotFound

    def __init__(self, session: Any, team_id: UUID) -> None:
        super().__init__(session)
        self._team_id = team_id

    async def with_inviters(self, *, page: int, size: int) -> OffsetPage[Any]:
        """List one page, newest first: rows of (invitation, inviter's name)."""
        pending = self._query()
        total = select(func.count()).select_from(pending.subquery()).scalar_subquery()
        query = (
            pending.add_columns(col(User.full_name), total)
            .outerjoin(User, col(User.id) == col(Invitation.invited_by))
            .order_by(col(Invitation.created_at).desc(), col(Invitation.id).desc())
            .limit(size)
            .offset((page - 1) * size)
        )
        rows: Sequence[Any] = (await self._session.execute(query)).all()
        return OffsetPage(rows, rows[0][2] if rows else await self.count())

    async def get_pending(self, email: str) -> Invitation | None:
        """Return the invitation that an address can still accept."""
        query = self._query().where(col(Invitation.email) == email, col(Invitation.expires_at) > func.now())
        return await self._first(query)

    async def delete_pending(self, email: str) -> UUID | None:
        """Delete the pending invitation of an address; return its id."""
        removed = delete(Invitation).where(*self._pending(), col(Invitation.email) == email)
        found: UUID | None = await self._write_session.scalar(removed.returning(col(Invitation.id)))
        return found

    async def senders(self, invitation_id: UUID | None = None) -> list[Sender]:
        """List the senders of all pending invitations, or of one, with their current permissions."""
        query = (
            select(
                col(Invitation.id),
                col(Invitation.role),
                func.coalesce(col(User.is_active), False),
                col(Membership.role),
                CUSTOM_ROLE_PERMISSIONS,
            )
            .outerjoin(User, col(User.id) == col(Invitation.invited_by))
            .outerjoin(
                Membership,
                and_(
                    col(Membership.team_id) == col(Invitation.team_id),
                    col(Membership.user_id) == col(Invitation.invited_by),
                ),
            )
            .where(*self._pending())
        )
        if invitation_id is not None:
            query = query.where(col(Invitation.id) == invitation_id)
        rows: Sequence[Any] = (await self._session.execute(query)).all()
        return [
            Sender(row[0], row[1], row[2], resolve_permissions(row[3], row[4]) if row[3] else frozenset())
            for row in rows
        ]

    async def revoke(self, invitation_ids: Sequence[UUID]) -> int:
        """Delete these pending invitations; return their number."""
        if not invitation_ids:
            return 0
        return await self._write_session.rowcount(
            delete(Invitation).where(*self._pending(), col(Invitation.id).in_(invitation_ids))
        )

    async def count_with_role(self, role: str) -> int:
        return await self.count(col(Invitation.role) == role)

    async def rename_role(self, before: str, after: str) -> None:
        renamed = update(Invitation).where(*self._pending(), col(Invitation.role) == before).values(role=after)
        await self._write_session.execute(renamed)

    def _pending(self) -> tuple[Any, ...]:
        return (col(Invitation.team_id) == self._team_id, col(Invitation.accepted_at).is_(None))

    def _query(self, *, deleted: bool = False) -> Select[Any]:
        return super()._query(deleted=deleted).where(*self._pending())


class InvitationDetails(Struct, frozen=True):
    """An invitation with its team and inviter."""

    invitation: Invitation
    team_name: str
    inviter: str
    inviter_email: str


class InvitationTokenRepository:
    """Invitations by the token of a link, across teams."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def get_by_token_hash(self, token_hash: bytes) -> InvitationDetails | None:
        """Return the invitation of a link with team and inviter; None if unknown or the team is deleted."""
        query = (
            select(
                Invitation, col(Team.name), func.coalesce(col(User.full_name), ""), func.coalesce(col(User.email), "")
            )
            .join(InvitationToken, col(InvitationToken.invitation_id) == col(Invitation.id))
            .join(Team, and_(col(Team.id) == col(Invitation.team_id), col(Team.deleted_at).is_(None)))
            .outerjoin(User, col(User.id) == col(Invitation.invited_by))
            .where(col(InvitationToken.token_hash) == token_hash)
            .execution_options(populate_existing=True)
        )
        row: Any = (await self._session.execute(query)).first()
        return None if row is None else InvitationDetails(*row)

    async def lock_for_sending(self, invitation_id: UUID) -> InvitationDetails | None:
        """Lock a pending invitation of an active team; return it with the data for its email."""
        query = (
            select(
                Invitation, col(Team.name), func.coalesce(col(User.full_name), ""), func.coalesce(col(User.email), "")
            )
            .join(Team, and_(col(Team.id) == col(Invitation.team_id), col(Team.deleted_at).is_(None)))
            .outerjoin(User, col(User.id) == col(Invitation.invited_by))
            .where(col(Invitation.id) == invitation_id, col(Invitation.accepted_at).is_(None))
            .with_for_update(of=Invitation, key_share=True)
        )
        row: Any = (await self._session.execute(query)).first()
        return None if row is None else InvitationDetails(*row)

    async def revoke_links(self, invitation_id: UUID) -> None:
        """Invalidate all links of an invitation."""
        await self._session.execute(delete(InvitationToken).where(col(InvitationToken.invitation_id) == invitation_id))

    async def delete_old(self, before: datetime) -> int:
        """Delete invitations that were accepted or expired before this time."""
        over = (col(Invitation.accepted_at) < before) | (col(Invitation.expires_at) < before)
        removed: int = await self._session.rowcount(delete(Invitation).where(over))
        return removed

    async def delete_accepted_by(self, user_id: UUID) -> None:
        """Delete the invitations that a user accepted."""
        await self._session.execute(delete(Invitation).where(col(Invitation.accepted_by) == user_id))
