"""Who belongs to a team, in which role."""

from typing import Any
from uuid import UUID

from undercroft.core.auth import Principal
from undercroft.core.auth.permissions import TeamRole
from undercroft.core.db import ReadSession, Session
from undercroft.core.db.repository import Slice
from undercroft.modules.teams.acting import Acting, hold_team
from undercroft.modules.teams.errors import LastOwner, PersonalTeam
from undercroft.modules.teams.models import Membership
from undercroft.modules.teams.repository import MembershipRepository, RemovalRepository


async def list_members(session: ReadSession, team_id: UUID, *, page: int, size: int) -> Slice[Any]:
    """One page, the earliest first: rows of (membership, email, full name)."""
    return await MembershipRepository(session).members(team_id, page=page, size=size)


class MemberService:
    """What somebody may do with the members of their current team, in one transaction."""

    def __init__(self, session: Session, principal: Principal) -> None:
        self._session = session
        self._principal = principal
        self._members = MembershipRepository(session)

    async def change_role(self, user_id: UUID, role: str) -> None:
        """Raises `MemberNotFound`, `UnknownRole`, `TeamRoleTooWeak`, `LastOwner`, `PersonalTeam`.

        Nobody gives a role that may do more than they may, or takes one away. Invitations that the member could not
        send in the new role are revoked.
        """
        acting = await hold_team(self._session, self._principal)
        member = await self._members.member(acting.team.id, user_id)
        acting.require("members:write")
        before = member.role
        await acting.require_to_give(role)
        if before == role:
            return
        await self._require_changeable(acting, member)
        await self._members.update(member, {"role": role})
        await acting.record(
            "member.role_changed",
            target=("user", user_id),
            before={"role": before},
            after={"role": role},
            details=await acting.revoke_unsendable(),
        )

    async def remove(self, user_id: UUID) -> None:
        """Remove a member; everybody may leave. Invitations that the member sent are revoked.

        Raises `MemberNotFound`, `TeamRoleTooWeak`, `LastOwner`, `PersonalTeam`.
        """
        acting = await hold_team(self._session, self._principal)
        member = await self._members.member(acting.team.id, user_id)
        leaving = user_id == acting.user_id
        if not leaving:
            acting.require("members:write")
        await self._require_changeable(acting, member, leaving=leaving)
        await self._members.delete(member)
        if not leaving:
            await RemovalRepository(self._session).add(acting.team.id, user_id)
        await acting.record(
            "member.left" if leaving else "member.removed",
            target=("user", user_id),
            before={"role": member.role},
            details=await acting.revoke_unsendable(),
        )

    async def _require_changeable(self, acting: Acting, member: Membership, *, leaving: bool = False) -> None:
        """Only the as strong touch somebody's role; a team keeps an owner, and a personal team its own."""
        if not leaving:
            await acting.require_to_take(member.role)
        if acting.team.personal_user_id == member.user_id:
            raise PersonalTeam
        if member.role == TeamRole.OWNER and await self._members.owners(acting.team.id) == 1:
            raise LastOwner
