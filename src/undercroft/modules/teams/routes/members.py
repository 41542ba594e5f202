"""Routes of team members."""

from typing import Annotated
from uuid import UUID

from undercroft.core.auth import StepUpRequired
from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.http import CurrentPrincipal, Router, require_permission, require_permission_unless_self
from undercroft.core.http.errors import responses
from undercroft.core.http.pagination import Page, PageQuery
from undercroft.core.http.query import query
from undercroft.core.http.step_up_policy import step_up_exempt, step_up_when
from undercroft.modules.teams.dependencies import TEAM_FROM_PATH
from undercroft.modules.teams.errors import (
    LastOwner,
    MemberNotFound,
    PersonalTeam,
    TeamNotFound,
    TeamRoleTooWeak,
    UnknownRole,
)
from undercroft.modules.teams.members import MemberService
from undercroft.modules.teams.members import list_members as members_of
from undercroft.modules.teams.schemas import MemberRead, MemberUpdate

members = Router(surface="app", prefix="/teams/{team_id}/members", tag="Teams", dependencies=[TEAM_FROM_PATH])
member_removal = Router(
    surface="app", prefix="/teams/{team_id}/members", tag="Teams", dependencies=[TEAM_FROM_PATH], team_independent=True
)


@members.get(
    "",
    response_model=Page[MemberRead],
    summary="List a team's members",
    dependencies=[require_permission("teams:read")],
    responses=responses(TeamNotFound),
)
async def list_members(
    query: Annotated[PageQuery, query(PageQuery)], principal: CurrentPrincipal, session: ReadSessionDep
) -> Page[MemberRead]:
    """Returns members with their roles, earliest first."""
    found = await members_of(session, principal.team_id, page=query.page, size=query.size)
    listed = [
        MemberRead(
            user_id=member.user_id, email=email, full_name=full_name, role=member.role, joined_at=member.created_at
        )
        for member, email, full_name, _ in found.items
    ]
    return Page.of(listed, total=found.total, page=query.page, size=query.size)


@members.patch(
    "/{user_id}",
    status_code=204,
    summary="Change a member's role",
    dependencies=[require_permission("members:write")],
    responses=responses(
        TeamNotFound, MemberNotFound, TeamRoleTooWeak, LastOwner, PersonalTeam, UnknownRole, StepUpRequired
    ),
)
@step_up_when("the role has permissions that members do not have")
async def update_member(user_id: UUID, body: MemberUpdate, principal: CurrentPrincipal, session: SessionDep) -> None:
    """Assigns a built-in or custom role, effective with the member's next request.

    The caller must have all permissions of the old and the new role, and a team keeps at least one owner. Pending
    invitations that the member could not send in the new role are revoked. Assigning or removing the owner role
    requires recent authentication.
    """
    await MemberService(session, principal).change_role(user_id, body.role)


@member_removal.delete(
    "/{user_id}",
    status_code=204,
    summary="Remove a member or leave a team",
    dependencies=[require_permission_unless_self("members:write")],
    responses=responses(TeamNotFound, MemberNotFound, TeamRoleTooWeak, LastOwner, PersonalTeam, StepUpRequired),
)
@step_up_exempt("It only removes access.")
async def remove_member(user_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
    """Takes effect with the next request. Every member may leave except the last owner.

    Removing an owner requires recent authentication.
    """
    await MemberService(session, principal).remove(user_id)
