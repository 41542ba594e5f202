"""Read and change the projects of a team."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from asyncpg import Record
from sqlalchemy import ColumnElement
from sqlalchemy.orm.exc import StaleDataError
from sqlmodel import col

from undercroft.core.audit import Entry, changes, record
from undercroft.core.auth import Principal
from undercroft.core.db import ReadSession, Session
from undercroft.core.db.repository import KeysetPage, OffsetPage, Position
from undercroft.core.errors import Conflict, PreconditionFailed
from undercroft.core.ids import new_id
from undercroft.modules.projects.models import Project, ProjectStatus
from undercroft.modules.projects.repository import ProjectRepository
from undercroft.modules.projects.schemas import ProjectCreate, ProjectUpdate


class ProjectService:
    """Pass a `Session` to change projects, a `ReadSession` to read them."""

    def __init__(self, session: ReadSession, principal: Principal) -> None:
        self._session = session
        self._principal = principal
        self._projects = ProjectRepository(session, principal.team_id)

    async def list_newest(self, *, page: int, size: int) -> tuple[Sequence[Record], int]:
        """List one page of all projects, newest first, with the total count."""
        rows = await self._projects.list_newest(page=page, size=size)
        if rows:
            return rows, rows[0]["total"]
        return rows, await self._projects.count() if page > 1 else 0

    async def list(
        self, *, q: str | None, status: ProjectStatus | None, sort: str | None, page: int, size: int
    ) -> OffsetPage[Project]:
        """List one page of matching projects."""
        return await self._projects.list(*_status_filter(status), q=q, sort=sort, page=page, size=size)

    async def list_after(
        self, *, q: str | None, status: ProjectStatus | None, after: Position | None, limit: int
    ) -> KeysetPage[Project]:
        """List the next matching projects, newest first, without a count."""
        return await self._projects.list_after(*_status_filter(status), q=q, after=after, limit=limit)

    async def read(self, project_id: UUID) -> Record:
        return await self._projects.get_by_id(project_id)

    async def create(self, data: ProjectCreate) -> Mapping[str, Any]:
        values = data.model_dump()
        entry = self._entry("project.created", new_id(), after=values)
        return await self._projects.insert(values, entry, created_by=self._principal.user_id_or_none)

    async def update(self, project_id: UUID, data: ProjectUpdate, *, versions: Sequence[int] | None) -> Project:
        """Change the given fields. Raises `PreconditionFailed` unless at one of `versions`, `Conflict` on a race."""
        project = await self._get_at_version(project_id, versions)
        before, after = changes(project, data.model_dump(exclude_unset=True))
        if not after:
            return project
        try:
            await self._projects.update(project, after)
        except StaleDataError as error:
            raise (Conflict() if versions is None else PreconditionFailed()) from error
        await self._record("project.changed", project_id, before=before, after=after)
        return project

    async def delete(self, project_id: UUID, *, versions: Sequence[int] | None) -> None:
        """Delete a project. Raises `ProjectNotFound`, also if already deleted."""
        project = await self._projects.lock(project_id)
        _require_version(project, versions)
        await self._projects.soft_delete(project)
        await self._record("project.deleted", project_id, before={"deleted": False}, after={"deleted": True})

    async def restore(self, project_id: UUID) -> Project:
        """Restore a deleted project. Raises `ProjectNotFound` if there is no such deleted project."""
        project = await self._projects.restore(await self._projects.lock(project_id, deleted=True))
        await self._record("project.restored", project_id, before={"deleted": True}, after={"deleted": False})
        return project

    async def _get_at_version(self, project_id: UUID, versions: Sequence[int] | None) -> Project:
        project = await self._projects.get(project_id)
        _require_version(project, versions)
        return project

    async def _record(
        self, action: str, project_id: UUID, *, before: Mapping[str, Any], after: Mapping[str, Any]
    ) -> None:
        assert isinstance(self._session, Session)
        await record(self._session, self._entry(action, project_id, before=before, after=after))

    def _entry(
        self, action: str, project_id: UUID, *, after: Mapping[str, Any], before: Mapping[str, Any] | None = None
    ) -> Entry:
        user_id, team_id = self._principal.user_id_or_none, self._principal.team_id
        return Entry(action, user_id, "project", project_id, team_id, before=before or {}, after=after)


def _require_version(project: Project, versions: Sequence[int] | None) -> None:
    if versions is not None and project.version not in versions:
        raise PreconditionFailed(details={"version": project.version})


def _status_filter(status: ProjectStatus | None) -> Sequence[ColumnElement[bool]]:
    return [] if status is None else [col(Project.status) == status.value]
