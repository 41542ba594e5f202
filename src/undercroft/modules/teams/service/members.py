"""Members of a team: their roles, seats, and the deletion of their accounts."""

from typing import Any, Protocol
from uuid import UUID

from undercroft.core.audit import Entry, record
from undercroft.core.auth import Principal
from undercroft.core.context import current_context
from undercroft.core.db import Paging, ReadSession, RowPage, Session
from undercroft.core.overrides import Service, call_super
from undercroft.core.settings import load
from undercroft.modules.teams.errors import LastOwner, PersonalTeam, SeatLimitReached
from undercroft.modules.teams.models import Membership, Team, TeamRole
from undercroft.modules.teams.repository.invitations import InvitationTokenRepository
from undercroft.modules.teams.repository.members import MembershipRepository
from undercroft.modules.teams.repository.teams import TeamRepository
from undercroft.modules.teams.service.domains import revoke_stale_claims
from undercroft.modules.teams.service.locked_team import LockedTeam, lock_team
from undercroft.modules.teams.service.role_permissions import revoke_unauthorized_invitations
from undercroft.modules.teams.settings import TeamSettings


class MemberService(Service):
    """Members of the current team. Pass a `Session` to change them, a `ReadSession` to list them."""

    def __init__(self, session: ReadSession, principal: Principal) -> None:
        self._session = session
        self._principal = principal
        self._members = MembershipRepository(session)

    async def list(self, paging: Paging) -> RowPage[Any]:
        """List members, earliest first by default: rows of (membership, email, full name)."""
        return await self._members.members(self._principal.team_id, paging)

    @call_super
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

    @call_super
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
            await self._members.mark_removed(locked.team.id, user_id)
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
        if await is_only_owner(self._members, member):
            raise LastOwner


async def is_only_owner(members: MembershipRepository, member: Membership) -> bool:
    return member.role == TeamRole.OWNER and await members.count_owners(member.team_id) == 1


class SeatLimit(Protocol):
    """A component that knows the number of seats of a team.

    It depends on billing, which this module does not know. Another module adds a function in its `lifespan.py`:

        async def seats_of_plan(session: Session, team_id: UUID) -> int | None: ...

        context.add(SeatLimit, seats_of_plan)

    It is called with the team locked, before a user joins. Without it the setting TEAM_SEAT_LIMIT applies to all teams.

    A member takes a seat, a pending invitation does not: a team may invite more users than it has seats, and the first
    to accept get them. It cannot invite while all seats are taken.
    """

    async def __call__(self, session: Session, team_id: UUID) -> int | None:
        """Return the number of seats of a team; None means unlimited."""


async def require_seat(session: Session, team_id: UUID) -> None:
    """Raises `SeatLimitReached` when all seats are taken. The caller has locked the team, so the count is stable."""
    seat_limit = current_context().find(SeatLimit)
    if seat_limit is None:
        limit = load(TeamSettings).team_seat_limit or None
    else:
        limit = await seat_limit(session, team_id)
    if limit is not None and await MembershipRepository(session).size(team_id) >= limit:
        raise SeatLimitReached(details={"seats": limit})


async def add_member(session: Session, team: Team, user_id: UUID, role: str) -> bool:
    """Add a user to a locked team; return False if already a member. Raises `SeatLimitReached`."""
    members = MembershipRepository(session)
    if await members.get_by(team_id=team.id, user_id=user_id) is not None:
        return False
    await require_seat(session, team.id)
    await members.create(Membership(team_id=team.id, user_id=user_id, role=role))
    await members.clear_removed(team.id, user_id)
    return True


async def leave_all_teams(session: Session, user_id: UUID) -> None:
    """Remove a user who deletes the account from all teams.

    Teams without other members are deleted, and purged after the restore period. Raises `LastOwner`, with the ids of
    the teams that have other members but no other owner.
    """
    orphaned = await list_orphaned_teams(session, user_id)
    if orphaned:
        raise LastOwner(details={"teams": [str(team_id) for team_id in orphaned]})
    for team_id in await MembershipRepository(session).for_user(user_id):
        await _leave_team(session, await TeamRepository(session).lock_with_deleted(team_id), user_id)
    await InvitationTokenRepository(session).delete_accepted_by(user_id)


async def list_orphaned_teams(session: Session, user_id: UUID) -> list[UUID]:
    """Lock all teams of a user; return those that have other members but no other owner."""
    members, teams = MembershipRepository(session), TeamRepository(session)
    orphaned: list[UUID] = []
    for team_id in await members.for_user(user_id):
        team = await teams.lock_with_deleted(team_id)
        member = await members.member(team_id, user_id)
        if team.deleted_at is None and await is_only_owner(members, member) and await members.size(team_id) > 1:
            orphaned.append(team_id)
    return orphaned


async def _leave_team(session: Session, team: Team, user_id: UUID) -> None:
    """Remove a user from a locked team which has another owner or no other members."""
    members = MembershipRepository(session)
    member = await members.member(team.id, user_id)
    active, alone = team.deleted_at is None, await members.size(team.id) == 1
    await members.delete(member)
    await revoke_unauthorized_invitations(session, team.id)
    await revoke_stale_claims(session, team)
    if active and alone:
        await TeamRepository(session).soft_delete(team)
        deletion = Entry("team.deleted", user_id, "team", team.id, team.id, {"deleted": False}, {"deleted": True})
        await record(session, deletion)
    else:
        before = {"role": member.role}
        await record(session, Entry("member.left", user_id, "user", user_id, team.id, before=before))
