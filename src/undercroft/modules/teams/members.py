"""Members of a team and their roles."""

from typing import Any
from uuid import UUID

from undercroft.core.auth import Principal
from undercroft.core.auth.permissions import TeamRole
from undercroft.core.db import ReadSession, Session
from undercroft.core.db.repository import OffsetPage
from undercroft.modules.teams.errors import LastOwner, PersonalTeam
from undercroft.modules.teams.locked_team import LockedTeam, lock_team
from undercroft.modules.teams.models import Membership
from undercroft.modules.teams.repository import MembershipRepository, RemovedMemberRepository


async def list_members(session: ReadSession, team_id: UUID, *, page: int, size: int) -> OffsetPage[Any]:
    """List one page of members, earliest first: rows of (membership, email, full name)."""
    return await MembershipRepository(session).members(team_id, page=page, size=size)


class MemberService:
    """Changes of the current team's members, in one transaction."""

    def __init__(self, session: Session, principal: Principal) -> None:
        self._session = session
        self._principal = principal
        self._members = MembershipRepository(session)

    async def change_role(self, user_id: UUID, role: str) -> None:
        """Change a member's role; the current user needs all permissions of the old and the new role.

        Invitations that the member could not send in the new role are revoked.
        Raises `MemberNotFound`, `UnknownRole`, `TeamRoleTooWeak`, `LastOwner`, `PersonalTeam`.
        """
        locked = await lock_team(self._session, self._principal)
        member = await self._members.member(locked.team.id, user_id)
        locked.require("members:write")
        before = member.role
        await locked.require_can_assign_role(role)
        if before == role:
            return
        await self._require_changeable(locked, member)
        await self._members.update(member, {"role": role})
        await locked.record(
            "member.role_changed",
            target=("user", user_id),
            before={"role": before},
            after={"role": role},
            details=await locked.revoke_unauthorized_invitations(),
        )

    async def remove(self, user_id: UUID) -> None:
        """Remove a member; every member may leave. Invitations that the member sent are revoked.

        Raises `MemberNotFound`, `TeamRoleTooWeak`, `LastOwner`, `PersonalTeam`.
        """
        locked = await lock_team(self._session, self._principal)
        member = await self._members.member(locked.team.id, user_id)
        leaving = user_id == locked.user_id
        if not leaving:
            locked.require("members:write")
        await self._require_changeable(locked, member, leaving=leaving)
        await self._members.delete(member)
        if not leaving:
            await RemovedMemberRepository(self._session).add(locked.team.id, user_id)
        await locked.record(
            "member.left" if leaving else "member.removed",
            target=("user", user_id),
            before={"role": member.role},
            details=await locked.revoke_unauthorized_invitations(),
        )

    async def _require_changeable(self, locked: LockedTeam, member: Membership, *, leaving: bool = False) -> None:
        """Require permission over the member's role, a team other than the member's personal one, and another owner."""
        if not leaving:
            await locked.require_can_change_role(member.role)
        if locked.team.personal_user_id == member.user_id:
            raise PersonalTeam
        if member.role == TeamRole.OWNER and await self._members.count_owners(locked.team.id) == 1:
            raise LastOwner
