"""Projects as other tests use them: their repository, and rows to insert."""

from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, insert
from sqlmodel import col

from tests.factories import UserRow
from undercroft.core.crud import CrudRepository
from undercroft.core.db import Statement, utc_now
from undercroft.core.ids import new_id
from undercroft.modules.projects.models import Project
from undercroft.modules.projects.resources import ProjectResource

ProjectCreate = ProjectResource.create_schema
ProjectNotFound = ProjectResource.not_found
ProjectRepository: type[CrudRepository[Project]] = ProjectResource.repository

INSERT = Statement(
    insert(Project).values({name: bindparam(name) for name in ProjectRepository.columns}).returning(col(Project.id))
)


def project_row(owner: UserRow, name: str = "deferred", *, project_id: UUID | None = None) -> dict[str, Any]:
    """The values of all columns of a new project."""
    now = utc_now()
    values = {"name": name, "description": "", "status": "active", "created_by": owner.user_id, "version": 1}
    key = project_id or new_id()
    return {"id": key, "team_id": owner.team_id, "created_at": now, "updated_at": now, **values}
