"""Inviting people, and accepting."""

from typing import Annotated
from uuid import UUID

from fastapi import Request

from undercroft.core.auth import CurrentPrincipal, Router, StepUpRequired, require_permission
from undercroft.core.auth.widening import grants_nothing, requires_proof_when
from undercroft.core.db import ReadSessionDep, SessionDep, utc_now
from undercroft.core.http.errors import responses
from undercroft.core.http.idempotency import not_idempotent
from undercroft.core.http.pagination import Page, PageQuery
from undercroft.core.http.query import query
from undercroft.modules.teams.acceptance import accept_invitation as accept
from undercroft.modules.teams.acceptance import open_invitation
from undercroft.modules.teams.access import NAMED_TEAM
from undercroft.modules.teams.errors import (
    AlreadyMember,
    InvitationForAnother,
    InvitationInvalid,
    InvitationNotFound,
    PersonalTeam,
    SeatLimitReached,
    TeamNotFound,
    TeamRoleTooWeak,
    UnknownRole,
)
from undercroft.modules.teams.invitations import InvitationService
from undercroft.modules.teams.invitations import list_invitations as invitations_of
from undercroft.modules.teams.limits import count_invitation
from undercroft.modules.teams.models import Invitation
from undercroft.modules.teams.routes.teams import team_read
from undercroft.modules.teams.schemas import (
    InvitationCreate,
    InvitationPreview,
    InvitationRead,
    InvitationToken,
    TeamRead,
)

invitations = Router(surface="app", prefix="/teams/{team_id}/invitations", tag="Teams", dependencies=[NAMED_TEAM])
accepting = Router(surface="app", prefix="/invitations", tag="Teams", personal=True)
links = Router(surface="public", prefix="/invitations", tag="Teams")


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
    """Those that were not accepted yet, the newest first."""
    found = await invitations_of(session, principal.team_id, page=query.page, size=query.size)
    listed = [_read(invitation, inviter or "") for invitation, inviter, _ in found.items]
    return Page.of(listed, total=found.total, page=query.page, size=query.size)


@invitations.post(
    "",
    status_code=201,
    response_model=InvitationRead,
    summary="Invite somebody",
    dependencies=[require_permission("invitations:write")],
    responses=responses(
        TeamNotFound, TeamRoleTooWeak, UnknownRole, AlreadyMember, SeatLimitReached, PersonalTeam, StepUpRequired
    ),
)
@requires_proof_when("the role may do more than a member")
async def create_invitation(
    body: InvitationCreate, request: Request, principal: CurrentPrincipal, session: SessionDep
) -> InvitationRead:
    """Mails a link that lets this address join. An earlier invitation of the address is void.

    Nobody invites into a role that may do more than they may; inviting an owner takes a fresh proof. Whether the
    address has an account is not told.
    """
    await count_invitation(request, principal, body.email)
    made = await InvitationService(session, principal).create(body)
    return _read(made, principal.subject["full_name"])


@invitations.post(
    "/{invitation_id}/resend",
    response_model=InvitationRead,
    summary="Send an invitation once more",
    dependencies=[require_permission("invitations:write")],
    responses=responses(TeamNotFound, TeamRoleTooWeak, UnknownRole, InvitationNotFound, StepUpRequired),
)
@requires_proof_when("the role may do more than a member")
async def resend_invitation(
    invitation_id: UUID, request: Request, principal: CurrentPrincipal, session: SessionDep
) -> InvitationRead:
    """With a new link and a new time; the earlier link is void."""
    sent = await InvitationService(session, principal).resend(invitation_id)
    await count_invitation(request, principal, sent.email)
    return _read(sent, principal.subject["full_name"])


@invitations.delete(
    "/{invitation_id}",
    status_code=204,
    summary="Revoke an invitation",
    dependencies=[require_permission("invitations:write")],
    responses=responses(TeamNotFound, TeamRoleTooWeak, InvitationNotFound, StepUpRequired),
)
@grants_nothing("It takes access away.")
async def revoke_invitation(invitation_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
    """The link leads nowhere from now on."""
    await InvitationService(session, principal).revoke(invitation_id)


@accepting.post(
    "/accept",
    response_model=TeamRead,
    summary="Accept an invitation",
    responses=responses(InvitationInvalid, InvitationForAnother, SeatLimitReached),
)
@grants_nothing("The team grants it, by a link that was mailed to the caller.")
async def accept_invitation(body: InvitationToken, principal: CurrentPrincipal, session: SessionDep) -> TeamRead:
    """Only who has the invited address may. Doing it again changes nothing."""
    return team_read(await accept(session, body.token.get_secret_value(), principal.user_id))


@links.post(
    "/lookup",
    response_model=InvitationPreview,
    summary="Look at an invitation",
    responses=responses(InvitationInvalid),
)
@not_idempotent("it changes nothing; the token is in the body so that no log keeps it")
async def look_at_invitation(body: InvitationToken, session: ReadSessionDep) -> InvitationPreview:
    """What a mailed link leads to, for whoever holds it. Changes nothing."""
    found = await open_invitation(session, body.token.get_secret_value())
    invited = found.invited
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
