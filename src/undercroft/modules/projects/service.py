"""The use cases of projects, within one team."""

from collections.abc import Sequence
from uuid import UUID

from asyncpg import Record
from sqlalchemy import ColumnElement
from sqlalchemy.orm.exc import StaleDataError
from sqlmodel import col

from undercroft.core.auth import Principal
from undercroft.core.db import ReadSession
from undercroft.core.db.repository import Position, Slice, Stretch
from undercroft.core.errors import Conflict, PreconditionFailed
from undercroft.modules.projects.models import Project, ProjectStatus
from undercroft.modules.projects.repository import ProjectRepository
from undercroft.modules.projects.schemas import ProjectCreate, ProjectUpdate


class ProjectService:
    """Give it a `Session` to change projects, a `ReadSession` to look at them."""

    def __init__(self, session: ReadSession, principal: Principal) -> None:
        self._principal = principal
        self._projects = ProjectRepository(session, principal.team_id)

    async def newest(self, *, page: int, size: int) -> tuple[Sequence[Record], int]:
        """One page of all projects, newest first, and how many there are."""
        rows = await self._projects.newest(page=page, size=size)
        if rows:
            return rows, rows[0]["total"]
        return rows, await self._projects.count() if page > 1 else 0

    async def list(
        self, *, q: str | None, status: ProjectStatus | None, sort: str | None, page: int, size: int
    ) -> Slice[Project]:
        """One page of the projects that match."""
        return await self._projects.list(*_with(status), q=q, sort=sort, page=page, size=size)

    async def stretch(
        self, *, q: str | None, status: ProjectStatus | None, after: Position | None, limit: int
    ) -> Stretch[Project]:
        """The next projects that match, newest first, without counting."""
        return await self._projects.stretch(*_with(status), q=q, after=after, limit=limit)

    async def read(self, project_id: UUID) -> Record:
        return await self._projects.record(project_id)

    async def create(self, data: ProjectCreate) -> Record:
        return await self._projects.insert(data.model_dump(), created_by=self._principal.person_id)

    async def change(self, project_id: UUID, data: ProjectUpdate, *, versions: Sequence[int] | None) -> Project:
        """Change what is given. Raises `PreconditionFailed` when it is at none of `versions`, `Conflict` in a race."""
        project = await self._at(project_id, versions)
        try:
            return await self._projects.update(project, data.model_dump(exclude_unset=True))
        except StaleDataError as error:
            raise (Conflict() if versions is None else PreconditionFailed()) from error

    async def delete(self, project_id: UUID, *, versions: Sequence[int] | None) -> None:
        """Hide a project; deleting one that is deleted is `ProjectNotFound`."""
        project = await self._projects.lock(project_id)
        _require(project, versions)
        await self._projects.soft_delete(project)

    async def restore(self, project_id: UUID) -> Project:
        """Show a deleted project again. Raises `ProjectNotFound` when there is no such deleted project."""
        return await self._projects.restore(await self._projects.lock(project_id, deleted=True))

    async def _at(self, project_id: UUID, versions: Sequence[int] | None) -> Project:
        project = await self._projects.get(project_id)
        _require(project, versions)
        return project


def _require(project: Project, versions: Sequence[int] | None) -> None:
    if versions is not None and project.version not in versions:
        raise PreconditionFailed(details={"version": project.version})


def _with(status: ProjectStatus | None) -> Sequence[ColumnElement[bool]]:
    return [] if status is None else [col(Project.status) == status.value]
