"""Projects over HTTP."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Response

from undercroft.core.auth import CurrentPrincipal, Router, require_permission
from undercroft.core.auth.routing import Surface
from undercroft.core.auth.widening import grants_nothing
from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.db.repository import UnknownSort
from undercroft.core.errors import Conflict, PreconditionFailed
from undercroft.core.http.answers import json_answer
from undercroft.core.http.conditional import IfMatch, InvalidIfMatch, etag
from undercroft.core.http.errors import responses
from undercroft.core.http.pagination import CursorPage, InvalidCursor, ListQuery, Page, cursor_of, pages
from undercroft.core.http.query import query
from undercroft.core.http.tags import Tag
from undercroft.modules.projects.errors import ProjectNotFound
from undercroft.modules.projects.models import Project, ProjectStatus
from undercroft.modules.projects.repository import ProjectRepository
from undercroft.modules.projects.schemas import ProjectCreate, ProjectRead, ProjectUpdate
from undercroft.modules.projects.service import ProjectService

router = Router(surface="app", prefix="/projects", tag=Tag("Projects", "What a team works on.", group="Product"))

READ = [require_permission("projects:read")]
WRITE = [require_permission("projects:write")]
FIELDS = tuple(ProjectRead.model_fields)
TAGGED: dict[int | str, dict[str, Any]] = {200: {"headers": {"ETag": {"schema": {"type": "string"}}}}}


class ProjectQuery(ListQuery):
    sortable = ProjectRepository.sortable

    status: ProjectStatus | None = None


@router.get(
    "",
    response_model=Page[ProjectRead] | CursorPage[ProjectRead],
    summary="List the team's projects",
    responses=responses(UnknownSort, InvalidCursor),
    dependencies=READ,
)
async def list_projects(
    query: Annotated[ProjectQuery, query(ProjectQuery)], principal: CurrentPrincipal, session: ReadSessionDep
) -> Response:
    """By pages with a total, newest first unless `sort` says otherwise; with `cursor` or `limit` by stretches."""
    projects = ProjectService(session, principal)
    if query.by_cursor:
        stretch = await projects.stretch(q=query.q, status=query.status, after=query.position, limit=query.limit or 20)
        return json_answer({"items": [_read(each) for each in stretch.items], "next_cursor": cursor_of(stretch.next)})
    if query.q or query.status or query.sort:
        found = await projects.list(q=query.q, status=query.status, sort=query.sort, page=query.page, size=query.size)
        return _page([_read(each) for each in found.items], found.total, query)
    rows, total = await projects.newest(page=query.page, size=query.size)
    return _page([_picked(row) for row in rows], total, query)


@router.post("", status_code=201, response_model=ProjectRead, summary="Make a project", dependencies=WRITE)
@grants_nothing("Projects open nothing but themselves.")
async def create_project(body: ProjectCreate, principal: CurrentPrincipal, session: SessionDep) -> Response:
    made = await ProjectService(session, principal).create(body)
    location = f"{Surface.APP.prefix}/projects/{made['id']}"
    return json_answer(_picked(made), status=201, headers={"Location": location, "ETag": etag(made["version"])})


@router.get(
    "/{project_id}",
    response_model=ProjectRead,
    summary="Read a project",
    responses=TAGGED | responses(ProjectNotFound),
    dependencies=READ,
)
async def read_project(project_id: UUID, principal: CurrentPrincipal, session: ReadSessionDep) -> Response:
    found = await ProjectService(session, principal).read(project_id)
    return json_answer(_picked(found), headers={"ETag": etag(found["version"])})


@router.patch(
    "/{project_id}",
    response_model=ProjectRead,
    summary="Change a project",
    responses=TAGGED | responses(ProjectNotFound, Conflict, PreconditionFailed, InvalidIfMatch),
    dependencies=WRITE,
)
@grants_nothing("Projects open nothing but themselves.")
async def update_project(
    project_id: UUID, body: ProjectUpdate, principal: CurrentPrincipal, session: SessionDep, versions: IfMatch
) -> Response:
    """Only the fields that are given are changed. With `If-Match` only if nobody else changed it meanwhile."""
    changed = await ProjectService(session, principal).change(project_id, body, versions=versions)
    return json_answer(_read(changed), headers={"ETag": etag(changed.version)})


@router.delete(
    "/{project_id}",
    status_code=204,
    summary="Delete a project",
    responses=responses(ProjectNotFound, PreconditionFailed, InvalidIfMatch),
    dependencies=WRITE,
)
@grants_nothing("Projects open nothing but themselves.")
async def delete_project(project_id: UUID, principal: CurrentPrincipal, session: SessionDep, versions: IfMatch) -> None:
    """It can be restored."""
    await ProjectService(session, principal).delete(project_id, versions=versions)


@router.post(
    "/{project_id}/restore",
    response_model=ProjectRead,
    summary="Restore a deleted project",
    responses=TAGGED | responses(ProjectNotFound),
    dependencies=WRITE,
)
@grants_nothing("Projects open nothing but themselves.")
async def restore_project(project_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> Response:
    restored = await ProjectService(session, principal).restore(project_id)
    return json_answer(_read(restored), headers={"ETag": etag(restored.version)})


def _page(items: list[dict[str, Any]], total: int, query: ProjectQuery) -> Response:
    counted = {"total": total, "page": query.page, "size": query.size, "pages": pages(total, query.size)}
    return json_answer({"items": items, **counted})


def _read(project: Project) -> dict[str, Any]:
    return {name: getattr(project, name) for name in FIELDS}


def _picked(row: Any) -> dict[str, Any]:
    return {name: row[name] for name in FIELDS}
