"""Teams over HTTP, for administrators."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from undercroft.core.auth import Router
from undercroft.core.auth.widening import grants_nothing
from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.db.repository import UnknownSort
from undercroft.core.http.errors import responses
from undercroft.core.http.pagination import CursorPage, InvalidCursor, ListQuery, Page, PageQuery, cursor_of
from undercroft.core.http.query import query
from undercroft.core.http.tags import Tag
from undercroft.modules.team_admin.repository import AllTeams, matching
from undercroft.modules.team_admin.schemas import TeamAdminRead
from undercroft.modules.team_admin.service import TeamControl, TeamDirectory
from undercroft.modules.teams import MemberRead, PersonalTeam, SlugTaken, TeamNotFound, TeamWithoutOwner

ALL_TEAMS = Tag("All teams", "Every team there is.", group="Administration")

router = Router(surface="admin", prefix="/teams", tag=ALL_TEAMS)


class TeamQuery(ListQuery):
    sortable = AllTeams.sortable

    is_personal: bool | None = Field(None, description="Whether it is somebody's personal team.")
    is_deleted: bool | None = Field(False, description="Whether nobody reaches it; give nothing for both.")


@router.get(
    "",
    response_model=Page[TeamAdminRead] | CursorPage[TeamAdminRead],
    summary="List all teams",
    responses=responses(UnknownSort, InvalidCursor),
)
async def list_all_teams(
    query: Annotated[TeamQuery, query(TeamQuery)], session: ReadSessionDep
) -> Page[TeamAdminRead] | CursorPage[TeamAdminRead]:
    """`q` finds parts of names and slugs. By pages with a total; with `cursor` or `limit` by stretches."""
    teams, where = TeamDirectory(session), matching(is_personal=query.is_personal, is_deleted=query.is_deleted)
    if query.by_cursor:
        found, following = await teams.stretch(*where, q=query.q, after=query.position, limit=query.limit or 20)
        return CursorPage(items=[TeamAdminRead.of(*each) for each in found], next_cursor=cursor_of(following))
    found, total = await teams.list(*where, q=query.q, sort=query.checked_sort, page=query.page, size=query.size)
    return Page.of([TeamAdminRead.of(*each) for each in found], total=total, page=query.page, size=query.size)


@router.get("/{team_id}", response_model=TeamAdminRead, summary="Read any team", responses=responses(TeamNotFound))
async def read_any_team(team_id: UUID, session: ReadSessionDep) -> TeamAdminRead:
    """A deleted one as well."""
    return TeamAdminRead.of(*await TeamDirectory(session).get(team_id))


@router.get(
    "/{team_id}/members",
    response_model=Page[MemberRead],
    summary="List any team's members",
    responses=responses(TeamNotFound),
)
async def list_any_teams_members(
    team_id: UUID, query: Annotated[PageQuery, query(PageQuery)], session: ReadSessionDep
) -> Page[MemberRead]:
    """The earliest first."""
    found = await TeamDirectory(session).members(team_id, page=query.page, size=query.size)
    members = [
        MemberRead(user_id=each.user_id, email=email, full_name=name, role=each.role, joined_at=each.created_at)
        for each, email, name, _ in found.items
    ]
    return Page.of(members, total=found.total, page=query.page, size=query.size)


@router.delete(
    "/{team_id}", status_code=204, summary="Delete any team", responses=responses(TeamNotFound, PersonalTeam)
)
@grants_nothing("It takes access away.")
async def delete_any_team(team_id: UUID, session: SessionDep) -> None:
    """From the next request on nobody reaches it or what it owns. It can be restored."""
    await TeamControl(session).delete(team_id)


@router.post(
    "/{team_id}/restore",
    response_model=TeamAdminRead,
    summary="Restore any team",
    responses=responses(TeamNotFound, TeamWithoutOwner, SlugTaken),
)
@grants_nothing("Members get back the access that they had.")
async def restore_any_team(team_id: UUID, session: SessionDep) -> TeamAdminRead:
    """With its members and all that it owns; under another slug when its own was taken meanwhile."""
    return TeamAdminRead.of(*await TeamControl(session).restore(team_id))
