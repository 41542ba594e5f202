"""Routes to create, list, revoke and accept invitations."""

from typing import Annotated
from uuid import UUID

from fastapi import Request

from undercroft.core.auth import StepUpRequired
from undercroft.core.db import ReadSessionDep, SessionDep, utc_now
from undercroft.core.http import CurrentPrincipal, Router, require_permission
from undercroft.core.http.errors import responses
from undercroft.core.http.idempotency import idempotency_exempt
from undercroft.core.http.pagination import Page, PageQuery
from undercroft.core.http.query import query
from undercroft.core.http.step_up_policy import step_up_exempt, step_up_when
from undercroft.modules.teams.dependencies import TEAM_FROM_PATH
from undercroft.modules.teams.errors import (
    AlreadyMember,
    InvitationEmailMismatch,
    InvitationInvalid,
    InvitationNotFound,
    PersonalTeam,
    SeatLimitReached,
    TeamNotFound,
    TeamRoleTooWeak,
    UnknownRole,
)
from undercroft.modules.teams.invitation_acceptance import accept_invitation as accept
from undercroft.modules.teams.invitation_acceptance import get_open_invitation
from undercroft.modules.teams.invitations import InvitationService
from undercroft.modules.teams.invitations import list_invitations as invitations_of
from undercroft.modules.teams.limits import enforce_invitation_limits
from undercroft.modules.teams.models import Invitation
from undercroft.modules.teams.routes.teams import to_team_read
from undercroft.modules.teams.schemas import (
    InvitationCreate,
    InvitationPreview,
    InvitationRead,
    InvitationTokenBody,
    TeamRead,
)

invitations = Router(surface="app", prefix="/teams/{team_id}/invitations", tag="Teams", dependencies=[TEAM_FROM_PATH])
invitation_acceptance = Router(surface="app", prefix="/invitations", tag="Teams", team_independent=True)
public_invitations = Router(surface="public", prefix="/invitations", tag="Teams")


@invitations.get(
    "",
    response_model=Page[InvitationRead],
    summary="List a team's invitations",
    dependencies=[require_permission("invitations:read")],
    responses=responses(TeamNotFound),
)
async def list_invitations(
    query: Annotated[PageQuery, query(PageQuery)], principal: CurrentPrincipal, session: ReadSessionDep
) -> Page[InvitationRead]:
    """Returns invitations that have not been accepted, newest first."""
    found = await invitations_of(session, principal.team_id, page=query.page, size=query.size)
    listed = [_read(invitation, inviter or "") for invitation, inviter, _ in found.items]
    return Page.of(listed, total=found.total, page=query.page, size=query.size)


@invitations.post(
    "",
    status_code=201,
    response_model=InvitationRead,
    summary="Invite a user",
    dependencies=[require_permission("invitations:write")],
    responses=responses(
        TeamNotFound, TeamRoleTooWeak, UnknownRole, AlreadyMember, SeatLimitReached, PersonalTeam, StepUpRequired
    ),
)
@step_up_when("the role has permissions that members do not have")
async def create_invitation(
    body: InvitationCreate, request: Request, principal: CurrentPrincipal, session: SessionDep
) -> InvitationRead:
    """Emails a link with which the owner of this address can join. Revokes an earlier invitation of the address.

    The caller must have all permissions of the role; inviting an owner requires recent authentication. The response
    does not reveal whether the address has an account.
    """
    await enforce_invitation_limits(request, principal, body.email)
    created = await InvitationService(session, principal).create(body)
    return _read(created, principal.subject["full_name"])


@invitations.post(
    "/{invitation_id}/resend",
    response_model=InvitationRead,
    summary="Resend an invitation",
    dependencies=[require_permission("invitations:write")],
    responses=responses(TeamNotFound, TeamRoleTooWeak, UnknownRole, InvitationNotFound, StepUpRequired),
)
@step_up_when("the role has permissions that members do not have")
async def resend_invitation(
    invitation_id: UUID, request: Request, principal: CurrentPrincipal, session: SessionDep
) -> InvitationRead:
    """Emails a new link, extends the expiry, and invalidates earlier links."""
    sent = await InvitationService(session, principal).resend(invitation_id)
    await enforce_invitation_limits(request, principal, sent.email)
    return _read(sent, principal.subject["full_name"])


@invitations.delete(
    "/{invitation_id}",
    status_code=204,
    summary="Revoke an invitation",
    dependencies=[require_permission("invitations:write")],
    responses=responses(TeamNotFound, TeamRoleTooWeak, InvitationNotFound, StepUpRequired),
)
@step_up_exempt("It only removes access.")
async def revoke_invitation(invitation_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
    """Deletes a pending invitation. The emailed link stops working."""
    await InvitationService(session, principal).revoke(invitation_id)


@invitation_acceptance.post(
    "/accept",
    response_model=TeamRead,
    summary="Accept an invitation",
    responses=responses(InvitationInvalid, InvitationEmailMismatch, SeatLimitReached),
)
@step_up_exempt("The team granted the access with the link emailed to the caller.")
async def accept_invitation(body: InvitationTokenBody, principal: CurrentPrincipal, session: SessionDep) -> TeamRead:
    """Adds the current user, who must have the invited address, to the team. Repeating it changes nothing."""
    return to_team_read(await accept(session, body.token.get_secret_value(), principal.user_id))


@public_invitations.post(
    "/lookup",
    response_model=InvitationPreview,
    summary="Look up an invitation",
    responses=responses(InvitationInvalid),
)
@idempotency_exempt("it changes nothing; the token is in the body so that it is not logged")
async def preview_invitation(body: InvitationTokenBody, session: ReadSessionDep) -> InvitationPreview:
    """Returns the invitation of an emailed link. The token authorizes the request."""
    found = await get_open_invitation(session, body.token.get_secret_value())
    invited = found.details
    return InvitationPreview(
        team_name=invited.team_name,
        inviter=invited.inviter,
        email=found.email,
        role=invited.invitation.role,
        expires_at=invited.invitation.expires_at,
        has_account=found.has_account,
    )


def _read(invitation: Invitation, inviter: str) -> InvitationRead:
    return InvitationRead(**invitation.model_dump(), inviter=inviter, expired=invitation.expires_at <= utc_now())
