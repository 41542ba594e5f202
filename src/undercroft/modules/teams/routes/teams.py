"""Routes of teams and their members."""

from typing import Annotated
from uuid import UUID

from fastapi import Response

from undercroft.core.auth import StepUpRequired
from undercroft.core.auth.step_up import MfaEnrollmentRequired, MfaRequiredByTeam
from undercroft.core.db import ReadSessionDep, SessionDep, UnknownSort
from undercroft.core.db.entity_fields import extra_values
from undercroft.core.errors import PreconditionFailed
from undercroft.core.http import (
    Audit,
    CurrentPrincipal,
    Exempt,
    IfMatch,
    InvalidIfMatch,
    Page,
    Router,
    Surface,
    Tag,
    When,
)
from undercroft.core.http.extended_schemas import extended
from undercroft.core.http.query import query
from undercroft.modules.teams.dependencies import TEAM_FROM_PATH, require_in_deleted_team
from undercroft.modules.teams.errors import (
    DomainNotVerified,
    LastOwner,
    MemberNotFound,
    PersonalTeam,
    PublicEmailDomain,
    SlugTaken,
    TeamNotFound,
    TeamRoleTooWeak,
    TeamWithoutOwner,
    UnknownRole,
)
from undercroft.modules.teams.repository.teams import UserTeam
from undercroft.modules.teams.schemas import (
    MemberQuery,
    MemberRead,
    MemberUpdate,
    TeamCreate,
    TeamQuery,
    TeamRead,
    TeamTransfer,
    TeamUpdate,
)
from undercroft.modules.teams.service.members import MemberService
from undercroft.modules.teams.service.teams import TeamService

TEAMS = Tag("Teams", "Teams, members, invitations and roles.", group="Account")

user_teams = Router(surface="app", prefix="/teams", tag=TEAMS, team_independent=True)
teams = Router(
    surface="app", prefix="/teams/{team_id}", tag=TEAMS, dependencies=[TEAM_FROM_PATH], errors=(TeamNotFound,)
)
deleted_teams = Router(surface="app", prefix="/teams/{deleted_team_id}", tag=TEAMS, errors=(TeamNotFound,))


@user_teams.get("", summary="List teams", errors=(UnknownSort,))
async def list_teams(
    query: Annotated[TeamQuery, query(TeamQuery)], principal: CurrentPrincipal, session: ReadSessionDep
) -> Page[TeamRead]:
    """Returns the teams of the current user."""
    found = await TeamService(session, principal).list(query.filtered_paging, deleted=query.deleted)
    return Page.of(found, to_team_read)


@user_teams.post(
    "",
    status_code=201,
    audit="team.created",
    step_up=Exempt("A new team has no data and no other members."),
    summary="Create a team",
    errors=(SlugTaken,),
)
async def create_team(
    body: TeamCreate, principal: CurrentPrincipal, session: SessionDep, response: Response
) -> TeamRead:
    """Makes the current user the owner of the new team."""
    created = await TeamService(session, principal).create(body)
    response.headers["Location"] = f"{Surface.APP.prefix}/teams/{created.team.id}"
    return to_team_read(created)


@teams.get("", permission="teams:read", summary="Get a team")
async def read_team(principal: CurrentPrincipal, session: ReadSessionDep) -> TeamRead:
    """Returns the team with the role of the current user."""
    return to_team_read(await TeamService(session, principal).read())


@teams.patch(
    "",
    permission="teams:write",
    audit=Audit("team.changed", optional=("team.domains_revoked",), none_when="nothing changed"),
    step_up=When("join domains, their role or the MFA requirement change"),
    summary="Update a team",
    errors=(
        TeamRoleTooWeak,
        SlugTaken,
        PersonalTeam,
        UnknownRole,
        DomainNotVerified,
        PublicEmailDomain,
        MfaEnrollmentRequired,
        MfaRequiredByTeam,
        StepUpRequired,
        PreconditionFailed,
        InvalidIfMatch,
    ),
)
async def update_team(
    body: TeamUpdate, principal: CurrentPrincipal, session: SessionDep, versions: IfMatch
) -> TeamRead:
    """Changes only the given fields. Only owners can change `auto_join_domains` and `auto_join_role`, with recent
    authentication.

    The same applies to `require_mfa`; to enable it the owner needs a session with MFA. Members without MFA lose access
    with their next request. With `If-Match`, such as `"3"` for `version` 3, fails if the team has changed since.
    """
    return to_team_read(await TeamService(session, principal).update(body, versions=versions))


@teams.post(
    "/transfer",
    status_code=204,
    permission="owners:write",
    audit=Audit("team.transferred", optional=("team.domains_revoked",), none_when="the user is already the owner"),
    step_up=True,
    summary="Transfer a team",
    errors=(MemberNotFound, TeamRoleTooWeak, PersonalTeam, StepUpRequired),
)
async def transfer_team(body: TeamTransfer, principal: CurrentPrincipal, session: SessionDep) -> None:
    """Makes a member the owner; the current user becomes an admin."""
    await TeamService(session, principal).transfer(body.user_id)


@teams.delete(
    "",
    status_code=204,
    permission="teams:delete",
    audit="team.deleted",
    step_up=True,
    summary="Delete a team",
    errors=(TeamRoleTooWeak, PersonalTeam, StepUpRequired),
)
async def delete_team(principal: CurrentPrincipal, session: SessionDep) -> None:
    """Makes the team and its data inaccessible with the next request. It can be restored for 30 days."""
    await TeamService(session, principal).delete()


@deleted_teams.post(
    "/restore",
    permission="teams:delete",
    guard=require_in_deleted_team,
    audit="team.restored",
    step_up=Exempt("Members only regain the access that they had."),
    summary="Restore a deleted team",
    errors=(TeamRoleTooWeak, TeamWithoutOwner, SlugTaken),
)
async def restore_team(deleted_team_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> TeamRead:
    """Restores the team with all its data, with a new slug if its own was taken in the meantime."""
    return to_team_read(await TeamService(session, principal).restore(deleted_team_id))


@teams.get("/members", permission="teams:read", summary="List a team's members", errors=(UnknownSort,))
async def list_members(
    query: Annotated[MemberQuery, query(MemberQuery)], principal: CurrentPrincipal, session: ReadSessionDep
) -> Page[MemberRead]:
    """Returns members with their roles, earliest first by default. `q` searches names and email addresses."""
    listed = await MemberService(session, principal).list(query.filtered_paging)
    return Page.of(listed, lambda row: MemberRead.of(*row))


@teams.patch(
    "/members/{user_id}",
    status_code=204,
    permission="members:write",
    audit=Audit("member.role_changed", optional=("team.domains_revoked",), none_when="nothing changed"),
    step_up=When("the role has permissions that members do not have"),
    summary="Change a member's role",
    errors=(MemberNotFound, TeamRoleTooWeak, LastOwner, PersonalTeam, UnknownRole, StepUpRequired),
)
async def update_member(user_id: UUID, body: MemberUpdate, principal: CurrentPrincipal, session: SessionDep) -> None:
    """Assigns a built-in or custom role, effective with the member's next request.

    The caller must have all permissions of the old and the new role, and a team keeps at least one owner. Pending
    invitations that the member could not send in the new role are revoked. Assigning or removing the owner role
    requires recent authentication.
    """
    await MemberService(session, principal).change_role(user_id, body.role)


@teams.delete(
    "/members/{user_id}",
    status_code=204,
    permission="members:write",
    or_self="user_id",
    audit=Audit("member.removed", "member.left", optional=("team.domains_revoked",)),
    step_up=Exempt("It only removes access."),
    summary="Remove a member or leave a team",
    errors=(MemberNotFound, TeamRoleTooWeak, LastOwner, PersonalTeam, StepUpRequired),
)
async def remove_member(user_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
    """Takes effect with the next request. Every member may leave except the last owner.

    Removing an owner requires recent authentication.
    """
    await MemberService(session, principal).remove(user_id)


def to_team_read(user_team: UserTeam) -> TeamRead:
    team = user_team.team
    values = {**team.model_dump(), **extra_values(team), "is_personal": team.personal_user_id is not None}
    return extended(TeamRead)(**values, role=user_team.role)
