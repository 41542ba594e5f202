"""Who belongs to a team."""

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
    """The earliest first."""
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
@step_up_when("the role may do more than a member")
async def update_member(user_id: UUID, body: MemberUpdate, principal: CurrentPrincipal, session: SessionDep) -> None:
    """To a built-in role or one of the team's own, from the next request on.

    Nobody gives or takes a role that may do more than they may; a team keeps at least one owner. What the member has
    offered by invitations that were not accepted yet, and could not offer in the new role, is void.
    To make and to unmake an owner takes a fresh proof.
    """
    await MemberService(session, principal).change_role(user_id, body.role)


@member_removal.delete(
    "/{user_id}",
    status_code=204,
    summary="Remove a member, or leave",
    dependencies=[require_permission_unless_self("members:write")],
    responses=responses(TeamNotFound, MemberNotFound, TeamRoleTooWeak, LastOwner, PersonalTeam, StepUpRequired),
)
@step_up_exempt("It takes access away.")
async def remove_member(user_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
    """From the next request on. Everybody may leave, but the last owner. To remove an owner takes a fresh proof."""
    await MemberService(session, principal).remove(user_id)
