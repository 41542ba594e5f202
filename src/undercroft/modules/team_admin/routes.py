"""Admin routes of teams."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.db.repository import UnknownSort
from undercroft.core.http import Router
from undercroft.core.http.errors import responses
from undercroft.core.http.pagination import CursorPage, InvalidCursor, ListQuery, Page, PageQuery, encode_cursor
from undercroft.core.http.query import query
from undercroft.core.http.step_up_policy import step_up_exempt
from undercroft.core.http.tags import Tag
from undercroft.modules.team_admin.repository import TeamAdminRepository, build_filters
from undercroft.modules.team_admin.schemas import TeamAdminRead
from undercroft.modules.team_admin.service import TeamAdminReadService, TeamAdminService
from undercroft.modules.teams import MemberRead, PersonalTeam, SlugTaken, TeamNotFound, TeamWithoutOwner

ALL_TEAMS = Tag("All teams", "All teams, for administrators.", group="Administration")

router = Router(surface="admin", prefix="/teams", tag=ALL_TEAMS)


class TeamQuery(ListQuery):
    sortable = TeamAdminRepository.sortable

    is_personal: bool | None = Field(None, description="Whether to return only personal teams or only other teams.")
    is_deleted: bool | None = Field(
        False, description="Whether to return only deleted teams. An empty value returns deleted and other teams."
    )


@router.get(
    "",
    response_model=Page[TeamAdminRead] | CursorPage[TeamAdminRead],
    summary="List all teams",
    responses=responses(UnknownSort, InvalidCursor),
)
async def list_all_teams(
    query: Annotated[TeamQuery, query(TeamQuery)], session: ReadSessionDep
) -> Page[TeamAdminRead] | CursorPage[TeamAdminRead]:
    """Returns teams, newest first; `q` matches parts of names and slugs.

    Offset pages with a total count, or cursor pages when `cursor` or `limit` is given.
    """
    teams, where = (
        TeamAdminReadService(session),
        build_filters(is_personal=query.is_personal, is_deleted=query.is_deleted),
    )
    if query.uses_cursor:
        found, following = await teams.list_after(*where, q=query.q, after=query.position, limit=query.limit or 20)
        return CursorPage(items=[TeamAdminRead.of(*each) for each in found], next_cursor=encode_cursor(following))
    found, total = await teams.list(*where, q=query.q, sort=query.checked_sort, page=query.page, size=query.size)
    return Page.of([TeamAdminRead.of(*each) for each in found], total=total, page=query.page, size=query.size)


@router.get("/{team_id}", response_model=TeamAdminRead, summary="Get any team", responses=responses(TeamNotFound))
async def read_any_team(team_id: UUID, session: ReadSessionDep) -> TeamAdminRead:
    """Returns a team, deleted or not."""
    return TeamAdminRead.of(*await TeamAdminReadService(session).get(team_id))


@router.get(
    "/{team_id}/members",
    response_model=Page[MemberRead],
    summary="List any team's members",
    responses=responses(TeamNotFound),
)
async def list_any_team_members(
    team_id: UUID, query: Annotated[PageQuery, query(PageQuery)], session: ReadSessionDep
) -> Page[MemberRead]:
    """Returns members with their roles, earliest first, also of a deleted team."""
    found = await TeamAdminReadService(session).members(team_id, page=query.page, size=query.size)
    members = [
        MemberRead(user_id=each.user_id, email=email, full_name=name, role=each.role, joined_at=each.created_at)
        for each, email, name, _ in found.items
    ]
    return Page.of(members, total=found.total, page=query.page, size=query.size)


@router.delete(
    "/{team_id}", status_code=204, summary="Delete any team", responses=responses(TeamNotFound, PersonalTeam)
)
@step_up_exempt("It only removes access.")
async def delete_any_team(team_id: UUID, session: SessionDep) -> None:
    """Makes the team and its data inaccessible with the next request. It can be restored."""
    await TeamAdminService(session).delete(team_id)


@router.post(
    "/{team_id}/restore",
    response_model=TeamAdminRead,
    summary="Restore any team",
    responses=responses(TeamNotFound, TeamWithoutOwner, SlugTaken),
)
@step_up_exempt("Members only regain the access that they had.")
async def restore_any_team(team_id: UUID, session: SessionDep) -> TeamAdminRead:
    """Restores the team with its members and data, with a new slug if its own was taken in the meantime."""
    return TeamAdminRead.of(*await TeamAdminService(session).restore(team_id))
