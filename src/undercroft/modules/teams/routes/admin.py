"""Admin routes of teams."""

from typing import Annotated
from uuid import UUID

from undercroft.core.db import ReadSessionDep, SessionDep, UnknownSort
from undercroft.core.http import Audit, Exempt, InvalidCursor, Page, PageQueryDep, Router, Tag
from undercroft.core.http.extended_schemas import extended
from undercroft.core.http.query import query
from undercroft.modules.teams.errors import PersonalTeam, SlugTaken, TeamNotFound, TeamWithoutOwner
from undercroft.modules.teams.repository.teams import build_filters
from undercroft.modules.teams.schemas import MemberRead, TeamAdminQuery, TeamAdminRead
from undercroft.modules.teams.service.teams import TeamAdminService

ALL_TEAMS = Tag("All teams", "All teams, for administrators.", group="Administration")

admin = Router(surface="admin", prefix="/teams", tag=ALL_TEAMS)


@admin.get("", summary="List all teams", errors=(UnknownSort, InvalidCursor))
async def list_all_teams(
    query: Annotated[TeamAdminQuery, query(TeamAdminQuery)], session: ReadSessionDep
) -> Page[TeamAdminRead]:
    """Returns teams, newest first; `q` matches parts of names and slugs."""
    where = build_filters(is_personal=query.is_personal, is_deleted=query.is_deleted, member_id=query.member_id)
    teams = await TeamAdminService(session).list(query.filtered_paging, *where)
    return Page.of(teams, lambda row: extended(TeamAdminRead).of(*row))


@admin.get("/{team_id}", summary="Get any team", errors=(TeamNotFound,), operation_id="all_teams.read")
async def read_any_team(team_id: UUID, session: ReadSessionDep) -> TeamAdminRead:
    """Returns a team, deleted or not."""
    return extended(TeamAdminRead).of(*await TeamAdminService(session).get(team_id))


@admin.get(
    "/{team_id}/members",
    summary="List any team's members",
    operation_id="all_teams.list_members",
    errors=(TeamNotFound,),
)
async def list_any_team_members(team_id: UUID, query: PageQueryDep, session: ReadSessionDep) -> Page[MemberRead]:
    """Returns members with their roles, earliest first, also of a deleted team."""
    return Page.of(await TeamAdminService(session).members(team_id, query.paging), lambda row: MemberRead.of(*row))


@admin.delete(
    "/{team_id}",
    status_code=204,
    audit=Audit("team.deleted", none_when="nothing changed"),
    step_up=Exempt("It only removes access."),
    summary="Delete any team",
    operation_id="all_teams.delete",
    errors=(TeamNotFound, PersonalTeam),
)
async def delete_any_team(team_id: UUID, session: SessionDep) -> None:
    """Makes the team and its data inaccessible with the next request. It can be restored."""
    await TeamAdminService(session).delete(team_id)


@admin.post(
    "/{team_id}/restore",
    audit=Audit("team.restored", none_when="nothing changed"),
    step_up=Exempt("Members only regain the access that they had."),
    summary="Restore any team",
    operation_id="all_teams.restore",
    errors=(TeamNotFound, TeamWithoutOwner, SlugTaken),
)
async def restore_any_team(team_id: UUID, session: SessionDep) -> TeamAdminRead:
    """Restores the team with its members and data, with a new slug if its own was taken in the meantime."""
    return extended(TeamAdminRead).of(*await TeamAdminService(session).restore(team_id))
