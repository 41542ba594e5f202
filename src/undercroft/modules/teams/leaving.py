"""What becomes of teams whose member gives up the account."""

from uuid import UUID

from undercroft.core.audit import Entry, record
from undercroft.core.auth.permissions import TeamRole
from undercroft.core.db import Session
from undercroft.modules.teams.domains import revoke_stale_claims
from undercroft.modules.teams.errors import LastOwner
from undercroft.modules.teams.models import Team
from undercroft.modules.teams.repository import InvitationTokenRepository, MembershipRepository, TeamRepository
from undercroft.modules.teams.sending import revoke_unsendable


async def leave_all(session: Session, user_id: UUID) -> None:
    """Take somebody out of all teams. Those that have nobody else are deleted, and purged when their time is over.

    Raises `LastOwner` with the teams that others belong to and nobody else owns.
    """
    members, teams = MembershipRepository(session), TeamRepository(session)
    orphaned: list[UUID] = []
    for team_id in await members.of_user(user_id):
        team = await teams.hold_any(team_id)
        if not await _leave(session, team, user_id):
            orphaned.append(team_id)
    if orphaned:
        raise LastOwner(details={"teams": [str(team_id) for team_id in orphaned]})
    await InvitationTokenRepository(session).forget_person(user_id)


async def _leave(session: Session, team: Team, user_id: UUID) -> bool:
    """Take somebody out of a team that is held; False when it needs them."""
    members = MembershipRepository(session)
    member = await members.member(team.id, user_id)
    living, alone = team.deleted_at is None, await members.size(team.id) == 1
    if living and not alone and member.role == TeamRole.OWNER and await members.owners(team.id) == 1:
        return False
    await members.delete(member)
    await revoke_unsendable(session, team.id)
    await revoke_stale_claims(session, team)
    if living and alone:
        await TeamRepository(session).soft_delete(team)
        gone = Entry("team.deleted", user_id, "team", team.id, team.id, {"deleted": False}, {"deleted": True})
        await record(session, gone)
    else:
        before = {"role": member.role}
        await record(session, Entry("member.left", user_id, "user", user_id, team.id, before=before))
    return True
