"""Teams themselves."""

from typing import Annotated
from uuid import UUID

from fastapi import Response
from pydantic import Field

from undercroft.core.auth import (
    CurrentPrincipal,
    Router,
    StepUpRequired,
    require_permission,
    require_recent_proof,
)
from undercroft.core.auth.proof import MfaEnrollmentRequired, MfaRequiredByTeam
from undercroft.core.auth.routing import Surface
from undercroft.core.auth.widening import grants_nothing, requires_proof_when
from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.db.repository import UnknownSort
from undercroft.core.http.errors import responses
from undercroft.core.http.pagination import Page, PageQuery
from undercroft.core.http.query import query
from undercroft.core.http.tags import Tag
from undercroft.modules.teams.access import NAMED_TEAM, require_in_deleted_team
from undercroft.modules.teams.errors import (
    DomainNotProven,
    MemberNotFound,
    PersonalTeam,
    PublicMailDomain,
    SlugTaken,
    TeamNotFound,
    TeamRoleTooWeak,
    TeamWithoutOwner,
    UnknownRole,
)
from undercroft.modules.teams.repository import Belonging, TeamRepository
from undercroft.modules.teams.schemas import TeamCreate, TeamRead, TeamUpdate, Transfer
from undercroft.modules.teams.service import TeamReads, TeamService

TEAMS = Tag("Teams", "Who works together.", group="Account")

mine = Router(surface="app", prefix="/teams", tag=TEAMS, personal=True)
teams = Router(surface="app", prefix="/teams/{team_id}", tag=TEAMS, dependencies=[NAMED_TEAM])
deleted = Router(surface="app", prefix="/teams/{deleted_team_id}", tag=TEAMS)


class TeamQuery(PageQuery):
    sortable = TeamRepository.sortable

    deleted: bool = Field(False, description="Those that were deleted and can still be restored, instead.")


@mine.get("", response_model=Page[TeamRead], summary="List one's teams", responses=responses(UnknownSort))
async def list_teams(
    query: Annotated[TeamQuery, query(TeamQuery)], principal: CurrentPrincipal, session: ReadSessionDep
) -> Page[TeamRead]:
    """Those that one belongs to."""
    found, total = await TeamReads(session, principal).list(
        page=query.page, size=query.size, sort=query.sort, deleted=query.deleted
    )
    return Page.of([team_read(each) for each in found], total=total, page=query.page, size=query.size)


@mine.post("", status_code=201, response_model=TeamRead, summary="Make a team", responses=responses(SlugTaken))
@grants_nothing("A new team has nothing in it and nobody else.")
async def create_team(
    body: TeamCreate, principal: CurrentPrincipal, session: SessionDep, response: Response
) -> TeamRead:
    """Whoever makes a team is its owner."""
    made = await TeamService(session, principal).create(body)
    response.headers["Location"] = f"{Surface.APP.prefix}/teams/{made.team.id}"
    return team_read(made)


@teams.get(
    "",
    response_model=TeamRead,
    summary="Read a team",
    dependencies=[require_permission("teams:read")],
    responses=responses(TeamNotFound),
)
async def read_team(principal: CurrentPrincipal, session: ReadSessionDep) -> TeamRead:
    """With the role that one has in it."""
    return team_read(await TeamReads(session, principal).read())


@teams.patch(
    "",
    response_model=TeamRead,
    summary="Change a team",
    dependencies=[require_permission("teams:write")],
    responses=responses(
        TeamNotFound,
        TeamRoleTooWeak,
        SlugTaken,
        PersonalTeam,
        UnknownRole,
        DomainNotProven,
        PublicMailDomain,
        MfaEnrollmentRequired,
        MfaRequiredByTeam,
        StepUpRequired,
    ),
)
@requires_proof_when("a domain is claimed, joining by it changes, or two-step sign-in is asked for or not")
async def update_team(body: TeamUpdate, principal: CurrentPrincipal, session: SessionDep) -> TeamRead:
    """Only the fields that are given are changed. Who joins by a domain is for owners to say, with a fresh proof.

    So is `require_mfa`, for those who have passed two-step sign-in: to all others the team is closed with their next
    request.
    """
    return team_read(await TeamService(session, principal).change(body))


@teams.post(
    "/transfer",
    status_code=204,
    summary="Hand a team over",
    dependencies=[require_permission("owners:write"), require_recent_proof()],
    responses=responses(TeamNotFound, MemberNotFound, TeamRoleTooWeak, PersonalTeam, StepUpRequired),
)
async def transfer_team(body: Transfer, principal: CurrentPrincipal, session: SessionDep) -> None:
    """A member becomes the owner in your place; you stay as an admin."""
    await TeamService(session, principal).transfer(body.user_id)


@teams.delete(
    "",
    status_code=204,
    summary="Delete a team",
    dependencies=[require_permission("teams:delete"), require_recent_proof()],
    responses=responses(TeamNotFound, TeamRoleTooWeak, PersonalTeam, StepUpRequired),
)
async def delete_team(principal: CurrentPrincipal, session: SessionDep) -> None:
    """From the next request on nobody reaches it or what it owns. It can be restored for 30 days."""
    await TeamService(session, principal).delete()


@deleted.post(
    "/restore",
    response_model=TeamRead,
    summary="Restore a deleted team",
    dependencies=[require_in_deleted_team("teams:delete")],
    responses=responses(TeamNotFound, TeamRoleTooWeak, TeamWithoutOwner, SlugTaken),
)
@grants_nothing("Members get back the access that they had.")
async def restore_team(deleted_team_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> TeamRead:
    """With all that it owned, under another slug when its own was taken meanwhile."""
    return team_read(await TeamService(session, principal).restore(deleted_team_id))


def team_read(belonging: Belonging) -> TeamRead:
    team = belonging.team
    return TeamRead(**team.model_dump(), role=belonging.role, is_personal=team.personal_user_id is not None)
