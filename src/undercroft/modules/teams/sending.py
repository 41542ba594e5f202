"""Whether an invitation could still be sent by its sender: no invitation outlives the right to send it."""

from uuid import UUID

from undercroft.core.auth.permissions import BUILT_IN, granted, permissions_of
from undercroft.core.db import Session
from undercroft.modules.teams.models import Invitation
from undercroft.modules.teams.repository import InvitationRepository, RoleRepository, Sender

SENDING = "invitations:write"


async def may_be_sent(session: Session, invitation: Invitation) -> bool:
    """Whether the sender is an active member who may invite into the role as both are at this moment."""
    senders = await InvitationRepository(session, invitation.team_id).senders(invitation.id)
    roles = await _own_roles(session, invitation.team_id)
    return any(sender.is_active and _may_send(sender, roles) for sender in senders)


async def revoke_unsendable(session: Session, team_id: UUID) -> int:
    """Revoke the pending invitations that their senders could not send in their role now; how many there were.

    The team is locked. What may be done with an invitation of a sender whose account is deactivated waits for the
    account.
    """
    invitations = InvitationRepository(session, team_id)
    senders = await invitations.senders()
    if not senders:
        return 0
    roles = await _own_roles(session, team_id)
    return await invitations.revoke([each.invitation_id for each in senders if not _may_send(each, roles)])


async def _own_roles(session: Session, team_id: UUID) -> dict[str, frozenset[str]]:
    return {role.name: granted(" ".join(role.permissions)) for role in await RoleRepository(session, team_id).all()}


def _may_send(sender: Sender, roles: dict[str, frozenset[str]]) -> bool:
    offered = permissions_of(sender.offered) if sender.offered in BUILT_IN else roles.get(sender.offered)
    return offered is not None and {SENDING, *offered} <= sender.permissions
