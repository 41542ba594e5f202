"""Queries for the values of settings."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from undercroft.core.db import Repository
from undercroft.core.runtime_settings import RuntimeSetting
from undercroft.modules.system_settings.errors import SettingNotFound
from undercroft.modules.system_settings.models import SystemSetting
from undercroft.modules.users import User


class SystemSettingRepository(Repository[SystemSetting]):
    model = SystemSetting
    not_found = SettingNotFound

    async def all(self) -> Sequence[SystemSetting]:
        """List all rows, by name."""
        return (await self._session.scalars(self._query().order_by(col(SystemSetting.name)))).all()

    async def read_values(self) -> Mapping[str, str]:
        """Return the values that administrators have set, by name."""
        query = select(col(SystemSetting.name), col(SystemSetting.value)).where(col(SystemSetting.value).is_not(None))
        rows: Sequence[Any] = (await self._session.execute(query)).all()
        return dict(map(tuple, rows))

    async def lock_values(self, names: Collection[str]) -> Mapping[str, str]:
        """Return the values that administrators have set, and prevent changes of them until the transaction ends."""
        query = self._query().where(col(SystemSetting.name).in_(names)).order_by(col(SystemSetting.name))
        rows: Sequence[SystemSetting] = (await self._session.scalars(query.with_for_update(read=True))).all()
        return {row.name: row.value for row in rows if row.value is not None}

    async def list_changes(self) -> Sequence[tuple[str, datetime, str | None]]:
        """Return name, time and administrator's email address of the values that administrators have set."""
        columns: Any = (col(SystemSetting.name), col(SystemSetting.updated_at), col(User.email))
        query = select(*columns).outerjoin(User, col(User.id) == col(SystemSetting.changed_by))
        rows: Sequence[Any] = (await self._session.execute(query.where(col(SystemSetting.value).is_not(None)))).all()
        return [(name, changed_at, email) for name, changed_at, email in rows]

    async def read_emails(self, rows: Collection[SystemSetting]) -> Mapping[UUID, str]:
        """Return the email addresses of the administrators who have set these values, by their IDs."""
        ids = {row.changed_by for row in rows if row.value is not None and row.changed_by is not None}
        if not ids:
            return {}
        query = select(col(User.id), col(User.email)).where(col(User.id).in_(ids))
        found: Sequence[Any] = (await self._session.execute(query)).all()
        return dict(map(tuple, found))

    async def lock_name(self, name: str) -> SystemSetting:
        """Lock a setting until the transaction ends. Raises `SettingNotFound` if it has no row."""
        query = self._query().where(col(SystemSetting.name) == name).with_for_update()
        row = await self._first(query.execution_options(populate_existing=True))
        if row is None:
            raise SettingNotFound
        return row

    async def add_missing(self, settings: Collection[RuntimeSetting]) -> None:
        """Create a row for each of these settings that has none."""
        if settings:
            rows = [new_row(each).model_dump() for each in sorted(settings, key=lambda each: each.name)]
            statement = insert(SystemSetting).values(rows)
            await self._session.execute(statement.on_conflict_do_nothing(index_elements=["name"]))

    async def describe(self, setting: RuntimeSetting) -> None:
        """Store the section and description that the code declares."""
        values = {"section": setting.section, "description": setting.description}
        await self._session.execute(update(SystemSetting).where(col(SystemSetting.name) == setting.name).values(values))

    async def delete_unset(self, names: Collection[str]) -> None:
        """Delete the rows of settings that the code no longer declares and no administrator has set."""
        await self._delete(col(SystemSetting.name).in_(names), col(SystemSetting.value).is_(None))

    async def delete_prefix(self, prefix: str) -> int:
        """Delete all settings whose names begin with this prefix; returns their number."""
        return await self._delete(col(SystemSetting.name).startswith(prefix, autoescape=True))


def new_row(setting: RuntimeSetting) -> SystemSetting:
    """Return the row of a setting that no administrator has changed."""
    return SystemSetting(name=setting.name, section=setting.section, description=setting.description)
