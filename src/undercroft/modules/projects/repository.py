"""Queries for projects. Frequent ones are compiled once."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from asyncpg import Record
from sqlalchemy import BigInteger, bindparam, func, insert, select
from sqlmodel import col

from undercroft.core.audit import Entry, write_one
from undercroft.core.db import Statement, utc_now
from undercroft.core.db.repository import TenantRepository
from undercroft.modules.projects.errors import ProjectNotFound
from undercroft.modules.projects.models import Project
from undercroft.modules.projects.schemas import ProjectRead

COLUMNS = [col(getattr(Project, name)) for name in ProjectRead.model_fields]
TEAM_FILTER = (col(Project.team_id) == bindparam("team_id"), col(Project.deleted_at).is_(None))

SELECT_BY_ID = Statement(select(*COLUMNS).where(col(Project.id) == bindparam("id"), *TEAM_FILTER))
SELECT_NEWEST = Statement(
    select(*COLUMNS, select(func.count()).select_from(Project).where(*TEAM_FILTER).scalar_subquery().label("total"))
    .where(*TEAM_FILTER)
    .order_by(col(Project.created_at).desc(), col(Project.id).desc())
    .limit(bindparam("size", type_=BigInteger))
    .offset(bindparam("offset", type_=BigInteger))
)
INSERT = Statement(
    insert(Project)
    .values({name: bindparam(name) for name in (*ProjectRead.model_fields, "team_id")})
    .returning(col(Project.id))
)


class ProjectRepository(TenantRepository[Project]):
    model = Project
    not_found = ProjectNotFound
    searchable = ("name", "description")
    sortable = ("created_at", "updated_at", "name", "status")

    async def get_by_id(self, key: UUID) -> Record:
        """Return a project as a database row. Raises `ProjectNotFound`."""
        row = await self._session.fetchrow(SELECT_BY_ID, id=key, team_id=self.team_id)
        if row is None:
            raise ProjectNotFound
        return row

    async def list_newest(self, *, page: int, size: int) -> Sequence[Record]:
        """List one page of all projects, newest first; each row also has the `total`."""
        return await self._session.fetch(SELECT_NEWEST, team_id=self.team_id, size=size, offset=(page - 1) * size)

    async def insert(self, values: Mapping[str, Any], entry: Entry, *, created_by: UUID | None) -> Mapping[str, Any]:
        """Insert a project and its audit entry in one statement; return the new row.

        This method fills in the columns: constructing a `Project` costs as much as the statement. The row is built here
        and not read back, as the statement may wait until the session ends (see `Session.write_one`).
        """
        now = utc_now()
        row = {
            "id": entry.target_id,
            "team_id": self.team_id,
            "created_by": created_by,
            "created_at": now,
            "updated_at": now,
            "version": 1,
            **values,
        }
        await write_one(self._write_session, INSERT, entry, **row)
        return row
