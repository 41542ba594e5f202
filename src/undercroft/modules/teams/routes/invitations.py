"""Routes to invite users to a team, and to join one through an invitation or a verified domain."""

from uuid import UUID

from undercroft.core.auth import StepUpRequired
from undercroft.core.db import ReadSessionDep, SessionDep, utc_now
from undercroft.core.http import Audit, CurrentPrincipal, Exempt, Page, PageNumberQueryDep, PageQueryDep, Router, When
from undercroft.modules.teams.dependencies import TEAM_FROM_PATH
from undercroft.modules.teams.errors import (
    AlreadyMember,
    InvitationEmailMismatch,
    InvitationInvalid,
    InvitationNotFound,
    JoinOfferNotFound,
    PersonalTeam,
    SeatLimitReached,
    TeamNotFound,
    TeamRoleTooWeak,
    UnknownRole,
)
from undercroft.modules.teams.limits import enforce_invitation_limits
from undercroft.modules.teams.models import Invitation
from undercroft.modules.teams.routes.teams import to_team_read
from undercroft.modules.teams.schemas import (
    InvitationCreate,
    InvitationPreview,
    InvitationRead,
    InvitationTokenBody,
    JoinOffer,
    JoinOfferAccept,
    TeamRead,
)
from undercroft.modules.teams.service.invitations import InvitationService
from undercroft.modules.teams.service.joining import JoinService

invitations = Router(
    surface="app",
    prefix="/teams/{team_id}/invitations",
    tag="Teams",
    dependencies=[TEAM_FROM_PATH],
    errors=(TeamNotFound,),
)
invitation_acceptance = Router(surface="app", prefix="/invitations", tag="Teams", team_independent=True)
public_invitations = Router(surface="public", prefix="/invitations", tag="Teams")
offers = Router(surface="app", prefix="/join-offers", tag="Teams", team_independent=True)


@invitations.get("", permission="invitations:read", summary="List a team's invitations")
async def list_invitations(
    query: PageQueryDep, principal: CurrentPrincipal, session: ReadSessionDep
) -> Page[InvitationRead]:
    """Returns invitations that have not been accepted, newest first. `q` searches email addresses."""
    listed = await InvitationService(session, principal).list(query.paging)
    return Page.of(listed, lambda row: _read(row[0], row[1] or ""))


@invitations.post(
    "",
    status_code=201,
    permission="invitations:write",
    audit="invitation.created",
    step_up=When("the role has permissions that members do not have"),
    summary="Invite a user",
    errors=(TeamRoleTooWeak, UnknownRole, AlreadyMember, SeatLimitReached, PersonalTeam, StepUpRequired),
)
async def create_invitation(body: InvitationCreate, principal: CurrentPrincipal, session: SessionDep) -> InvitationRead:
    """Emails a link with which the owner of this address can join. Revokes an earlier invitation of the address.

    The caller must have all permissions of the role; inviting an owner requires recent authentication. The response
    does not reveal whether the address has an account.
    """
    await enforce_invitation_limits(principal, body.email)
    created = await InvitationService(session, principal).create(body)
    return _read(created, principal.subject["full_name"])


@invitations.post(
    "/{invitation_id}/resend",
    permission="invitations:write",
    audit="invitation.resent",
    step_up=When("the role has permissions that members do not have"),
    summary="Resend an invitation",
    errors=(TeamRoleTooWeak, UnknownRole, InvitationNotFound, StepUpRequired),
)
async def resend_invitation(invitation_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> InvitationRead:
    """Emails a new link, extends the expiry, and invalidates earlier links."""
    sent = await InvitationService(session, principal).resend(invitation_id)
    await enforce_invitation_limits(principal, sent.email)
    return _read(sent, principal.subject["full_name"])


@invitations.delete(
    "/{invitation_id}",
    status_code=204,
    permission="invitations:write",
    audit="invitation.revoked",
    step_up=Exempt("It only removes access."),
    summary="Revoke an invitation",
    errors=(TeamRoleTooWeak, InvitationNotFound, StepUpRequired),
)
async def revoke_invitation(invitation_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
    """Deletes a pending invitation. The emailed link stops working."""
    await InvitationService(session, principal).revoke(invitation_id)


@invitation_acceptance.post(
    "/accept",
    audit=Audit("invitation.accepted", none_when="the user is already a member"),
    step_up=Exempt("The team granted the access with the link emailed to the caller."),
    summary="Accept an invitation",
    errors=(InvitationInvalid, InvitationEmailMismatch, SeatLimitReached),
)
async def accept_invitation(body: InvitationTokenBody, principal: CurrentPrincipal, session: SessionDep) -> TeamRead:
    """Adds the current user, who must have the invited address, to the team. Repeating it changes nothing."""
    return to_team_read(await JoinService(session).accept_invitation(body.token.get_secret_value(), principal.user_id))


@public_invitations.post(
    "/lookup",
    audit=Exempt("It only reads."),
    idempotency=Exempt("it changes nothing; the token is in the body so that it is not logged"),
    summary="Look up an invitation",
    errors=(InvitationInvalid,),
)
async def preview_invitation(body: InvitationTokenBody, session: ReadSessionDep) -> InvitationPreview:
    """Returns the invitation of an emailed link. The token authorizes the request."""
    opened = await JoinService(session).get_invitation(body.token.get_secret_value())
    shown = {"team_name": opened.details.team_name, "inviter": opened.details.inviter}
    return InvitationPreview(**opened.details.invitation.model_dump(), **shown, has_account=opened.has_account)


@offers.get("", summary="List join offers")
async def list_join_offers(
    query: PageNumberQueryDep, principal: CurrentPrincipal, session: ReadSessionDep
) -> Page[JoinOffer]:
    """Returns teams that users with the verified domain of the current user may join, oldest first.

    Excludes teams to which the user belongs and teams that removed the user.
    """
    domain, teams = await JoinService(session).list_offers(principal.user_id, query.paging)
    return Page.of(teams, lambda team: JoinOffer(id=team.id, name=team.name, domain=domain, role=team.auto_join_role))


@offers.post(
    "/accept",
    audit=Audit("member.joined", on_failure=("team.domains_revoked",), none_when="the user is already a member"),
    step_up=Exempt("The team granted the access to verified addresses of its domain."),
    summary="Accept a join offer",
    errors=(JoinOfferNotFound, SeatLimitReached),
)
async def accept_join_offer(body: JoinOfferAccept, principal: CurrentPrincipal, session: SessionDep) -> TeamRead:
    """Makes the current user a member of a team that is currently offered, and emails the team's owners.

    Repeating it changes nothing while the user is a member.
    """
    return to_team_read(await JoinService(session).accept_offer(body.team_id, principal.user_id))


def _read(invitation: Invitation, inviter: str) -> InvitationRead:
    return InvitationRead(**invitation.model_dump(), inviter=inviter, expired=invitation.expires_at <= utc_now())
