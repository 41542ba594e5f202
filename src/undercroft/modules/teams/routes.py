"""Teams and their members over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Response

from undercroft.core.auth import CurrentPrincipal, Router, StepUpRequired
from undercroft.core.auth.proof import MfaEnrollmentRequired, MfaRequiredByTeam
from undercroft.core.auth.routing import Surface
from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.db.repository import UnknownSort
from undercroft.core.http.errors import responses
from undercroft.core.http.pagination import Page, PageQuery
from undercroft.core.http.query import query
from undercroft.core.http.tags import Tag
from undercroft.modules.teams.errors import (
    LastOwner,
    MemberNotFound,
    PersonalTeam,
    SlugTaken,
    TeamNotFound,
    TeamRoleTooWeak,
)
from undercroft.modules.teams.repository import Belonging
from undercroft.modules.teams.schemas import MemberRead, MemberUpdate, TeamCreate, TeamRead, TeamUpdate
from undercroft.modules.teams.service import TeamReads, TeamService

TEAMS = Tag("Teams", "Who works together.", group="Account")

router = Router(surface="app", prefix="/teams", tag=TEAMS, personal=True)


@router.get("", response_model=Page[TeamRead], summary="List one's teams", responses=responses(UnknownSort))
async def list_teams(
    query: Annotated[PageQuery, query(PageQuery)], principal: CurrentPrincipal, session: ReadSessionDep
) -> Page[TeamRead]:
    found, total = await TeamReads(session, principal).list(page=query.page, size=query.size, sort=query.sort)
    return Page.of([_read(each) for each in found], total=total, page=query.page, size=query.size)


@router.post("", status_code=201, response_model=TeamRead, summary="Make a team", responses=responses(SlugTaken))
async def create_team(
    body: TeamCreate, principal: CurrentPrincipal, session: SessionDep, response: Response
) -> TeamRead:
    """Whoever makes a team is its owner."""
    made = await TeamService(session, principal).create(body)
    response.headers["Location"] = f"{Surface.APP.prefix}/teams/{made.team.id}"
    return _read(made)


@router.get(
    "/{team_id}", response_model=TeamRead, summary="Read a team", responses=responses(TeamNotFound, TeamRoleTooWeak)
)
async def read_team(team_id: UUID, principal: CurrentPrincipal, session: ReadSessionDep) -> TeamRead:
    return _read(await TeamReads(session, principal).read(team_id))


@router.patch(
    "/{team_id}",
    response_model=TeamRead,
    summary="Change a team",
    responses=responses(
        TeamNotFound, TeamRoleTooWeak, SlugTaken, PersonalTeam, MfaEnrollmentRequired, MfaRequiredByTeam, StepUpRequired
    ),
)
async def update_team(team_id: UUID, body: TeamUpdate, principal: CurrentPrincipal, session: SessionDep) -> TeamRead:
    """Only the fields that are given are changed.

    `require_mfa` is for owners who have passed two-step sign-in; from the next request on the team is closed to others.
    """
    return _read(await TeamService(session, principal).change(team_id, body))


@router.delete(
    "/{team_id}",
    status_code=204,
    summary="Delete a team",
    responses=responses(TeamNotFound, TeamRoleTooWeak, PersonalTeam),
)
async def delete_team(team_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
    """From the next request on nobody reaches it or what it owns."""
    await TeamService(session, principal).delete(team_id)


@router.get(
    "/{team_id}/members",
    response_model=Page[MemberRead],
    summary="List a team's members",
    responses=responses(TeamNotFound, TeamRoleTooWeak),
)
async def list_members(
    team_id: UUID, query: Annotated[PageQuery, query(PageQuery)], principal: CurrentPrincipal, session: ReadSessionDep
) -> Page[MemberRead]:
    found = await TeamReads(session, principal).members(team_id, page=query.page, size=query.size)
    members = [
        MemberRead(
            user_id=member.user_id, email=email, full_name=full_name, role=member.role, joined_at=member.created_at
        )
        for member, email, full_name, _ in found.items
    ]
    return Page.of(members, total=found.total, page=query.page, size=query.size)


@router.patch(
    "/{team_id}/members/{user_id}",
    status_code=204,
    summary="Change a member's role",
    responses=responses(TeamNotFound, MemberNotFound, TeamRoleTooWeak, LastOwner, PersonalTeam),
)
async def update_member(
    team_id: UUID, user_id: UUID, body: MemberUpdate, principal: CurrentPrincipal, session: SessionDep
) -> None:
    """Only owners make and unmake owners; a team keeps at least one."""
    await TeamService(session, principal).change_role(team_id, user_id, body.role)


@router.delete(
    "/{team_id}/members/{user_id}",
    status_code=204,
    summary="Remove a member, or leave",
    responses=responses(TeamNotFound, MemberNotFound, TeamRoleTooWeak, LastOwner, PersonalTeam),
)
async def remove_member(team_id: UUID, user_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
    await TeamService(session, principal).remove(team_id, user_id)


def _read(belonging: Belonging) -> TeamRead:
    team = belonging.team
    return TeamRead(
        id=team.id,
        name=team.name,
        slug=team.slug,
        role=belonging.role,
        is_personal=team.personal_user_id is not None,
        require_mfa=team.require_mfa,
        created_at=team.created_at,
        updated_at=team.updated_at,
    )
