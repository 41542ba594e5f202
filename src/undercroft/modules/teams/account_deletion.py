"""Remove a user who deletes the account from all teams."""

from uuid import UUID

from undercroft.core.audit import Entry, record
from undercroft.core.auth.permissions import TeamRole
from undercroft.core.db import Session
from undercroft.modules.teams.domains import revoke_stale_claims
from undercroft.modules.teams.errors import LastOwner
from undercroft.modules.teams.models import Team
from undercroft.modules.teams.repository import InvitationTokenRepository, MembershipRepository, TeamRepository
from undercroft.modules.teams.sender_permissions import revoke_unauthorized_invitations


async def leave_all_teams(session: Session, user_id: UUID) -> None:
    """Remove a user from all teams. Teams without other members are deleted, and purged after the restore period.

    Raises `LastOwner`, with the ids of the teams that have other members but no other owner.
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
        is_only_owner = member.role == TeamRole.OWNER and await members.count_owners(team_id) == 1
        if team.deleted_at is None and is_only_owner and await members.size(team_id) > 1:
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
