"""Routes of teams."""

from typing import Annotated
from uuid import UUID

from fastapi import Response
from pydantic import Field

from undercroft.core.auth import StepUpRequired
from undercroft.core.auth.step_up import MfaEnrollmentRequired, MfaRequiredByTeam
from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.db.repository import UnknownSort
from undercroft.core.http import CurrentPrincipal, Router, require_permission, require_step_up
from undercroft.core.http.errors import responses
from undercroft.core.http.pagination import Page, PageQuery
from undercroft.core.http.query import query
from undercroft.core.http.router import Surface
from undercroft.core.http.step_up_policy import step_up_exempt, step_up_when
from undercroft.core.http.tags import Tag
from undercroft.modules.teams.dependencies import TEAM_FROM_PATH, require_in_deleted_team
from undercroft.modules.teams.errors import (
    DomainNotVerified,
    MemberNotFound,
    PersonalTeam,
    PublicMailDomain,
    SlugTaken,
    TeamNotFound,
    TeamRoleTooWeak,
    TeamWithoutOwner,
    UnknownRole,
)
from undercroft.modules.teams.repository import TeamRepository, UserTeam
from undercroft.modules.teams.schemas import TeamCreate, TeamRead, TeamTransfer, TeamUpdate
from undercroft.modules.teams.service import TeamReadService, TeamService

TEAMS = Tag("Teams", "Teams, members, invitations and roles.", group="Account")

user_teams = Router(surface="app", prefix="/teams", tag=TEAMS, team_independent=True)
teams = Router(surface="app", prefix="/teams/{team_id}", tag=TEAMS, dependencies=[TEAM_FROM_PATH])
deleted_teams = Router(surface="app", prefix="/teams/{deleted_team_id}", tag=TEAMS)


class TeamQuery(PageQuery):
    sortable = TeamRepository.sortable

    deleted: bool = Field(False, description="Whether to return deleted teams that can still be restored instead.")


@user_teams.get("", response_model=Page[TeamRead], summary="List teams", responses=responses(UnknownSort))
async def list_teams(
    query: Annotated[TeamQuery, query(TeamQuery)], principal: CurrentPrincipal, session: ReadSessionDep
) -> Page[TeamRead]:
    """Returns the teams of the current user."""
    found, total = await TeamReadService(session, principal).list(
        page=query.page, size=query.size, sort=query.sort, deleted=query.deleted
    )
    return Page.of([to_team_read(each) for each in found], total=total, page=query.page, size=query.size)


@user_teams.post("", status_code=201, response_model=TeamRead, summary="Create a team", responses=responses(SlugTaken))
@step_up_exempt("A new team has no data and no other members.")
async def create_team(
    body: TeamCreate, principal: CurrentPrincipal, session: SessionDep, response: Response
) -> TeamRead:
    """Makes the current user the owner of the new team."""
    created = await TeamService(session, principal).create(body)
    response.headers["Location"] = f"{Surface.APP.prefix}/teams/{created.team.id}"
    return to_team_read(created)


@teams.get(
    "",
    response_model=TeamRead,
    summary="Get a team",
    dependencies=[require_permission("teams:read")],
    responses=responses(TeamNotFound),
)
async def read_team(principal: CurrentPrincipal, session: ReadSessionDep) -> TeamRead:
    """Returns the team with the role of the current user."""
    return to_team_read(await TeamReadService(session, principal).read())


@teams.patch(
    "",
    response_model=TeamRead,
    summary="Update a team",
    dependencies=[require_permission("teams:write")],
    responses=responses(
        TeamNotFound,
        TeamRoleTooWeak,
        SlugTaken,
        PersonalTeam,
        UnknownRole,
        DomainNotVerified,
        PublicMailDomain,
        MfaEnrollmentRequired,
        MfaRequiredByTeam,
        StepUpRequired,
    ),
)
@step_up_when("join domains, their role or the MFA requirement change")
async def update_team(body: TeamUpdate, principal: CurrentPrincipal, session: SessionDep) -> TeamRead:
    """Changes only the given fields. Only owners can change `auto_join_domains` and `auto_join_role`, with recent
    authentication.

    The same applies to `require_mfa`; to enable it the owner needs a session with MFA. Members without MFA lose access
    with their next request.
    """
    return to_team_read(await TeamService(session, principal).update(body))


@teams.post(
    "/transfer",
    status_code=204,
    summary="Transfer a team",
    dependencies=[require_permission("owners:write"), require_step_up()],
    responses=responses(TeamNotFound, MemberNotFound, TeamRoleTooWeak, PersonalTeam, StepUpRequired),
)
async def transfer_team(body: TeamTransfer, principal: CurrentPrincipal, session: SessionDep) -> None:
    """Makes a member the owner; the current user becomes an admin."""
    await TeamService(session, principal).transfer(body.user_id)


@teams.delete(
    "",
    status_code=204,
    summary="Delete a team",
    dependencies=[require_permission("teams:delete"), require_step_up()],
    responses=responses(TeamNotFound, TeamRoleTooWeak, PersonalTeam, StepUpRequired),
)
async def delete_team(principal: CurrentPrincipal, session: SessionDep) -> None:
    """Makes the team and its data inaccessible with the next request. It can be restored for 30 days."""
    await TeamService(session, principal).delete()


@deleted_teams.post(
    "/restore",
    response_model=TeamRead,
    summary="Restore a deleted team",
    dependencies=[require_in_deleted_team("teams:delete")],
    responses=responses(TeamNotFound, TeamRoleTooWeak, TeamWithoutOwner, SlugTaken),
)
@step_up_exempt("Members only regain the access that they had.")
async def restore_team(deleted_team_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> TeamRead:
    """Restores the team with all its data, with a new slug if its own was taken in the meantime."""
    return to_team_read(await TeamService(session, principal).restore(deleted_team_id))


def to_team_read(user_team: UserTeam) -> TeamRead:
    team = user_team.team
    return TeamRead(**team.model_dump(), role=user_team.role, is_personal=team.personal_user_id is not None)
