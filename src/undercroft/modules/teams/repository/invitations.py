"""Queries of invitations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Executable, Select, and_, delete, func, select
from sqlmodel import col

from undercroft.core.auth.permissions import resolve_permissions
from undercroft.core.db import OwnedRepository, Paging, Repository, RowPage
from undercroft.modules.teams.errors import InvitationNotFound
from undercroft.modules.teams.models import Invitation, InvitationToken, Membership, Team
from undercroft.modules.teams.repository.members import CUSTOM_ROLE_PERMISSIONS
from undercroft.modules.users import User


class Sender(Struct, frozen=True):
    """The sender of an invitation into `role`; `permissions` is empty if the sender is not a member."""

    invitation_id: UUID
    role: str
    is_active: bool
    permissions: frozenset[str]


class InvitationRepository(OwnedRepository[Invitation]):
    """Pending invitations of one team."""

    model = Invitation
    not_found = InvitationNotFound
    owner_column = "team_id"
    searchable = ("email",)

    async def with_inviters(self, paging: Paging) -> RowPage[Any]:
        """List one page, newest first: rows of (invitation, inviter's name). `q` searches addresses."""
        pending = self._query().where(*self._search_filters(paging.q))
        query = (
            pending.outerjoin(User, col(User.id) == col(Invitation.invited_by))
            .add_columns(col(User.full_name))
            .order_by(col(Invitation.created_at).desc(), col(Invitation.id).desc())
        )
        return (await self._page(query, paging, counted=pending)).map(lambda row: row[:2])

    async def get_pending(self, email: str) -> Invitation | None:
        """Return the invitation that an address can still accept."""
        query = self._query().where(col(Invitation.email) == email, col(Invitation.expires_at) > func.now())
        return await self._first(query)

    async def delete_pending(self, email: str) -> UUID | None:
        removed = delete(Invitation).where(*self._accessible([col(Invitation.email) == email]))
        invitation_id: UUID | None = await self._write_session.scalar(removed.returning(col(Invitation.id)))
        return invitation_id

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
            .where(*self._accessible(()))
        )
        if invitation_id is not None:
            query = query.where(col(Invitation.id) == invitation_id)
        rows: Sequence[Any] = (await self._session.execute(query)).all()
        return [
            Sender(row[0], row[1], row[2], resolve_permissions(row[3], row[4]) if row[3] else frozenset())
            for row in rows
        ]

    async def revoke(self, invitation_ids: Sequence[UUID]) -> int:
        return await self._delete(col(Invitation.id).in_(invitation_ids)) if invitation_ids else 0

    async def rename_role(self, before: str, after: str) -> None:
        await self._update(col(Invitation.role) == before, role=after)

    def _query(self, *, deleted: bool = False) -> Select[Any]:
        return super()._query(deleted=deleted).where(col(Invitation.accepted_at).is_(None))


class InvitationDetails(Struct, frozen=True):
    """An invitation with its team and inviter."""

    invitation: Invitation
    team_name: str
    inviter: str
    inviter_email: str


_DETAILS = (
    select(Invitation, col(Team.name), func.coalesce(col(User.full_name), ""), func.coalesce(col(User.email), ""))
    .join(Team, and_(col(Team.id) == col(Invitation.team_id), col(Team.deleted_at).is_(None)))
    .outerjoin(User, col(User.id) == col(Invitation.invited_by))
)


class InvitationTokenRepository(Repository[InvitationToken]):
    """Invitations by the token of a link, across teams."""

    model = InvitationToken

    async def get_by_token_hash(self, token_hash: bytes) -> InvitationDetails | None:
        """Return the invitation of a link with team and inviter; None if unknown or the team is deleted."""
        query = _DETAILS.join(InvitationToken, col(InvitationToken.invitation_id) == col(Invitation.id))
        return await self._details(query.where(col(InvitationToken.token_hash) == token_hash))

    async def lock_for_sending(self, invitation_id: UUID) -> InvitationDetails | None:
        """Lock a pending invitation of an active team; return it with the data for its email."""
        query = _DETAILS.where(col(Invitation.id) == invitation_id, col(Invitation.accepted_at).is_(None))
        return await self._details(query.with_for_update(of=Invitation, key_share=True))

    async def delete_old(self, before: datetime) -> int:
        over = (col(Invitation.accepted_at) < before) | (col(Invitation.expires_at) < before)
        return await self._write_session.rowcount(delete(Invitation).where(over))

    async def delete_accepted_by(self, user_id: UUID) -> None:
        await self._write_session.execute(delete(Invitation).where(col(Invitation.accepted_by) == user_id))

    async def _details(self, query: Executable) -> InvitationDetails | None:
        row: Any = (await self._session.execute(query.execution_options(populate_existing=True))).first()
        return None if row is None else InvitationDetails(*row)
