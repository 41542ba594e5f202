"""Reactions of teams to events of other modules, and notifications of owners."""

from uuid import UUID

from undercroft.core.audit import Entry, on_action
from undercroft.core.auth.permissions import PermissionsRemoved
from undercroft.core.db import Session
from undercroft.core.events import subscribe
from undercroft.modules.teams.models import TeamRole
from undercroft.modules.teams.repository.members import MembershipRepository, revoke_permissions
from undercroft.modules.teams.repository.teams import TeamRepository
from undercroft.modules.teams.service.domains import revoke_user_claims
from undercroft.modules.teams.service.members import leave_all_teams
from undercroft.modules.teams.service.role_permissions import exceeds_member_role, get_role_permissions
from undercroft.modules.teams.service.teams import create_team, purge_abandoned
from undercroft.modules.users import EmailChanged, UserDeactivated, UserDeleted, UserErased, UserRegistered, notify


@subscribe(UserRegistered)
async def create_personal_team(session: Session, event: UserRegistered) -> None:
    """Create the user's personal team, so that all data belongs to a team from the start."""
    await create_team(
        session,
        name="Personal",
        slug=f"personal-{event.user_id.hex[-12:]}",
        owner_id=event.user_id,
        personal=True,
    )


@subscribe(EmailChanged)
async def revoke_claims_on_email_change(session: Session, event: EmailChanged) -> None:
    """Revoke domains that were claimed with the previous address."""
    await revoke_user_claims(session, event.user_id)


@subscribe(UserDeactivated)
async def revoke_claims_on_deactivation(session: Session, event: UserDeactivated) -> None:
    """Revoke the domains claimed by a user who can no longer sign in."""
    await revoke_user_claims(session, event.user_id)


@subscribe(PermissionsRemoved)
async def revoke_grants(session: Session, event: PermissionsRemoved) -> None:
    """Remove the permissions from all custom roles."""
    await revoke_permissions(session, event.names)


@subscribe(UserDeleted)
async def leave_teams(session: Session, event: UserDeleted) -> None:
    """Remove the user from all teams. Raises `LastOwner` when a team would lose its only owner."""
    await leave_all_teams(session, event.user_id)


@subscribe(UserErased)
async def purge_teams(session: Session, event: UserErased) -> None:  # noqa: ARG001 - purges all teams without members
    """Purge teams whose only member was the user. Data that the user created in other teams stays."""
    await purge_abandoned(session)


@on_action("member.role_changed", "invitation.accepted", "team.transferred")
async def notify_privileged_member(session: Session, entry: Entry) -> None:
    """Notify owners of a member with more permissions than the member role, for any role and way to receive it."""
    role = str(entry.after.get("role", ""))
    assert entry.team_id is not None
    if exceeds_member_role(await get_role_permissions(session, entry.team_id, role) or ()):
        await _notify_owners(session, entry, "member", role=role)


@on_action("role.created", "role.changed")
async def notify_privileged_role(session: Session, entry: Entry) -> None:
    if exceeds_member_role(set(entry.after.get("permissions", ())) - set(entry.before.get("permissions", ()))):
        await _notify_owners(session, entry, "role", role=str(entry.after.get("name", "")))


@on_action("team.changed")
async def notify_relaxed_access(session: Session, entry: Entry) -> None:
    """Notify owners when more users may join or MFA is no longer required."""
    domains = set(entry.after.get("auto_join_domains", ())) - set(entry.before.get("auto_join_domains", ()))
    if domains or "auto_join_role" in entry.after or entry.after.get("require_mfa") is False:
        await _notify_owners(session, entry, "team")


async def _notify_owners(session: Session, entry: Entry, what: str, *, role: str = "") -> None:
    """Notify all owners and the former one, as a thief may have transferred the team."""
    assert entry.team_id is not None
    team = await TeamRepository(session).get(entry.team_id)
    owners = set(await MembershipRepository(session).users_with_role(entry.team_id, TeamRole.OWNER))
    if "owner" in entry.before:
        owners.add(UUID(entry.before["owner"]))
    for user_id in sorted(owners):
        await notify(session, user_id, "teams/team_access_changed", what=what, role=role, team=team.name)
