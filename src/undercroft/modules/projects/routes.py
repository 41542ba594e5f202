"""Routes of projects."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Response

from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.db.repository import UnknownSort
from undercroft.core.errors import Conflict, PreconditionFailed
from undercroft.core.http import CurrentPrincipal, Router, require_permission
from undercroft.core.http.conditional import IfMatch, InvalidIfMatch, etag
from undercroft.core.http.errors import responses
from undercroft.core.http.pagination import CursorPage, InvalidCursor, ListQuery, Page, encode_cursor, pages
from undercroft.core.http.query import query
from undercroft.core.http.responses import json_response
from undercroft.core.http.router import Surface
from undercroft.core.http.step_up_policy import step_up_exempt
from undercroft.core.http.tags import Tag
from undercroft.modules.projects.errors import ProjectNotFound
from undercroft.modules.projects.models import Project, ProjectStatus
from undercroft.modules.projects.repository import ProjectRepository
from undercroft.modules.projects.schemas import ProjectCreate, ProjectRead, ProjectUpdate
from undercroft.modules.projects.service import ProjectService

router = Router(
    surface="app", prefix="/projects", tag=Tag("Projects", "Projects of the current team.", group="Product")
)

READ = [require_permission("projects:read")]
WRITE = [require_permission("projects:write")]
FIELDS = tuple(ProjectRead.model_fields)
ETAG_RESPONSES: dict[int | str, dict[str, Any]] = {200: {"headers": {"ETag": {"schema": {"type": "string"}}}}}


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
    """Returns projects, newest first unless `sort` is given.

    Offset pages with a total count, or cursor pages when `cursor` or `limit` is given.
    """
    projects = ProjectService(session, principal)
    if query.uses_cursor:
        page = await projects.list_after(q=query.q, status=query.status, after=query.position, limit=query.limit or 20)
        return json_response(
            {"items": [_project_to_dict(each) for each in page.items], "next_cursor": encode_cursor(page.next)}
        )
    if query.q or query.status or query.sort:
        found = await projects.list(q=query.q, status=query.status, sort=query.sort, page=query.page, size=query.size)
        return _page_response([_project_to_dict(each) for each in found.items], found.total, query)
    rows, total = await projects.list_newest(page=query.page, size=query.size)
    return _page_response([_row_to_dict(row) for row in rows], total, query)


@router.post("", status_code=201, response_model=ProjectRead, summary="Create a project", dependencies=WRITE)
@step_up_exempt("A project grants no access.")
async def create_project(body: ProjectCreate, principal: CurrentPrincipal, session: SessionDep) -> Response:
    """Creates a project of the current team."""
    created = await ProjectService(session, principal).create(body)
    location = f"{Surface.APP.prefix}/projects/{created['id']}"
    return json_response(
        _row_to_dict(created), status=201, headers={"Location": location, "ETag": etag(created["version"])}
    )


@router.get(
    "/{project_id}",
    response_model=ProjectRead,
    summary="Get a project",
    responses=ETAG_RESPONSES | responses(ProjectNotFound),
    dependencies=READ,
)
async def read_project(project_id: UUID, principal: CurrentPrincipal, session: ReadSessionDep) -> Response:
    """Returns a project with its version as the ETag."""
    found = await ProjectService(session, principal).read(project_id)
    return json_response(_row_to_dict(found), headers={"ETag": etag(found["version"])})


@router.patch(
    "/{project_id}",
    response_model=ProjectRead,
    summary="Update a project",
    responses=ETAG_RESPONSES | responses(ProjectNotFound, Conflict, PreconditionFailed, InvalidIfMatch),
    dependencies=WRITE,
)
@step_up_exempt("A project grants no access.")
async def update_project(
    project_id: UUID, body: ProjectUpdate, principal: CurrentPrincipal, session: SessionDep, versions: IfMatch
) -> Response:
    """Changes only the given fields. With `If-Match`, fails if the project has changed since that version."""
    changed = await ProjectService(session, principal).update(project_id, body, versions=versions)
    return json_response(_project_to_dict(changed), headers={"ETag": etag(changed.version)})


@router.delete(
    "/{project_id}",
    status_code=204,
    summary="Delete a project",
    responses=responses(ProjectNotFound, PreconditionFailed, InvalidIfMatch),
    dependencies=WRITE,
)
@step_up_exempt("A project grants no access.")
async def delete_project(project_id: UUID, principal: CurrentPrincipal, session: SessionDep, versions: IfMatch) -> None:
    """Deletes a project, which can be restored. With `If-Match`, fails if it has changed since that version."""
    await ProjectService(session, principal).delete(project_id, versions=versions)


@router.post(
    "/{project_id}/restore",
    response_model=ProjectRead,
    summary="Restore a deleted project",
    responses=ETAG_RESPONSES | responses(ProjectNotFound),
    dependencies=WRITE,
)
@step_up_exempt("A project grants no access.")
async def restore_project(project_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> Response:
    """Restores a deleted project."""
    restored = await ProjectService(session, principal).restore(project_id)
    return json_response(_project_to_dict(restored), headers={"ETag": etag(restored.version)})


def _page_response(items: list[dict[str, Any]], total: int, query: ProjectQuery) -> Response:
    counted = {"total": total, "page": query.page, "size": query.size, "pages": pages(total, query.size)}
    return json_response({"items": items, **counted})


def _project_to_dict(project: Project) -> dict[str, Any]:
    return {name: getattr(project, name) for name in FIELDS}


def _row_to_dict(row: Any) -> dict[str, Any]:
    return {name: row[name] for name in FIELDS}
