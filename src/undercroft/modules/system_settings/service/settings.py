"""List, change and reset settings."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct

from undercroft.core.audit import Entry, record
from undercroft.core.db import Database, ReadSession
from undercroft.core.errors import PreconditionFailed
from undercroft.core.runtime_settings import RuntimeSetting, check_value, format_setting, runtime_settings
from undercroft.modules.system_settings import live
from undercroft.modules.system_settings.errors import InvalidSetting, SettingNotFound
from undercroft.modules.system_settings.models import VALUE_LENGTH, SystemSetting
from undercroft.modules.system_settings.repository import SystemSettingRepository, new_row

UNSET_VERSION = 0
"""The version of a setting without a row."""


class StoredSetting(Struct, frozen=True):
    """A setting as the code declares it, its row, the value in force as JSON, and who has set it."""

    declared: RuntimeSetting
    row: SystemSetting
    value: Any
    changed_by_email: str | None


class SettingService:
    """Pass a `Session` to change settings, a `ReadSession` to list them."""

    def __init__(self, session: ReadSession, by: UUID | None = None) -> None:
        self._session = session
        self._by = by
        self._rows = SystemSettingRepository(session)

    async def list(self) -> Sequence[StoredSetting]:
        """List all settings that can change at runtime, by name."""
        rows = {row.name: row for row in await self._rows.all()}
        values = {name: row.value for name, row in rows.items() if row.value is not None}
        emails = await self._rows.read_emails(rows.values())
        return [
            _stored(each, rows.get(name) or _missing_row(each), values, emails)
            for name, each in sorted(runtime_settings().items())
        ]

    async def read(self, name: str) -> StoredSetting:
        """Return a setting. Raises `SettingNotFound`."""
        declared = get_setting(name)
        row = await self._rows.get_by(name=declared.name) or _missing_row(declared)
        return await self._with_value(declared, row)

    async def change(self, name: str, value: Any, *, versions: Sequence[int] | None = None) -> StoredSetting:
        """Set a JSON value.

        Raises `SettingNotFound`, `InvalidSetting`, and `PreconditionFailed` unless it is at one of `versions`.
        """
        declared = get_setting(name)
        row = await self._lock(declared, versions)
        await self.save(declared, row, self._format(declared, value))
        return await self._with_value(declared, row)

    async def save(self, declared: RuntimeSetting, row: SystemSetting, text: str) -> None:
        """Set a locked setting to a value in the notation of the environment. Raises `InvalidSetting`."""
        if len(text) > VALUE_LENGTH:
            raise InvalidSetting(f"{declared.name} is too long: at most {VALUE_LENGTH} characters.")
        if text == row.value:
            return
        try:
            check_value(declared, text, await self._rows.read_values())
        except ValueError as error:
            raise InvalidSetting(str(error)) from None
        await self._store("setting.changed", row, text)

    async def reset(self, name: str, *, versions: Sequence[int] | None = None) -> None:
        """Return to the value of the environment, also of a setting that the code no longer declares.

        Raises `SettingNotFound`, `PreconditionFailed`.
        """
        declared = runtime_settings().get(name.upper())
        await self.reset_row(
            await (self._rows.lock_name(name.upper()) if declared is None else self._lock(declared, versions))
        )

    async def reset_row(self, row: SystemSetting) -> None:
        """Return a locked setting to the value of the environment."""
        if row.value is not None:
            await self._store("setting.reset", row, None)

    async def _store(self, action: str, row: SystemSetting, text: str | None) -> None:
        before, after = {"value": row.value}, {"value": text}
        await self._rows.update(row, {**after, "changed_by": self._by})
        entry = Entry(
            action, self._by, "setting", row.id, before=before, after=after, details={"setting": row.name.lower()}
        )
        await record(self._session.writable, entry)
        await live.values.announce(self._session.writable)

    async def _lock(self, declared: RuntimeSetting, versions: Sequence[int] | None) -> SystemSetting:
        """Lock the row of a setting, which is created if it does not exist."""
        if await self._rows.get_by(name=declared.name) is None:
            if versions is not None and UNSET_VERSION not in versions:
                raise PreconditionFailed
            await self._rows.add_missing([declared])
            versions = None if versions is None else (*versions, SystemSetting.model_fields["version"].default)
        row = await self._rows.lock_name(declared.name)
        if versions is not None and row.version not in versions:
            raise PreconditionFailed(details={"version": row.version})
        return row

    async def _with_value(self, declared: RuntimeSetting, row: SystemSetting) -> StoredSetting:
        return _stored(declared, row, await self._rows.read_values(), await self._rows.read_emails([row]))

    @staticmethod
    def _format(declared: RuntimeSetting, value: Any) -> str:
        try:
            return format_setting(declared, value)
        except ValueError as error:
            raise InvalidSetting(str(error)) from None


def get_setting(name: str) -> RuntimeSetting:
    """Return a setting that can change at runtime. Raises `SettingNotFound`."""
    found = runtime_settings().get(name.upper())
    if found is None:
        raise SettingNotFound
    return found


async def list_changes(database: Database) -> Mapping[str, tuple[str, str]]:
    """Return the values that administrators have set, by name, each with who set it and when."""
    async with database.read_session() as session:
        rows = SystemSettingRepository(session)
        values, changes = await rows.read_values(), await rows.list_changes()
    return {
        name: (values[name], f"changed at runtime by {email or 'a command'}, {changed_at:%Y-%m-%d %H:%M} UTC")
        for name, changed_at, email in changes
        if name in values
    }


async def store_declared_settings(database: Database) -> None:
    """Store what the code declares about its settings. Values that administrators set stay."""
    declared = runtime_settings()
    async with database.read_session() as read_session:
        rows = {row.name: row for row in await SystemSettingRepository(read_session).all()}
    missing = [each for name, each in declared.items() if name not in rows]
    changed = [each for name, each in declared.items() if name in rows and not _is_current(rows[name], each)]
    unused = [name for name, row in rows.items() if name not in declared and row.value is None]
    if not (missing or changed or unused):
        return
    async with database.session() as session:
        repository = SystemSettingRepository(session)
        await repository.add_missing(missing)
        for each in sorted(changed, key=lambda each: each.name):
            await repository.describe(each)
        if unused:
            await repository.delete_unset(unused)


def _is_current(row: SystemSetting, declared: RuntimeSetting) -> bool:
    return (row.section, row.description) == (declared.section, declared.description)


def _stored(
    declared: RuntimeSetting, row: SystemSetting, values: Mapping[str, str], emails: Mapping[UUID, str]
) -> StoredSetting:
    email = None if row.value is None or row.changed_by is None else emails.get(row.changed_by)
    return StoredSetting(declared, row, declared.value_with(values), email)


def _missing_row(declared: RuntimeSetting) -> SystemSetting:
    row = new_row(declared)
    row.version = UNSET_VERSION
    return row
