"""The use cases of administrators: list, change and reset the rules of flags."""

from collections.abc import Mapping, Sequence
from typing import Any

from undercroft.core.audit import Entry, changes, record
from undercroft.core.db import Database, ReadSession
from undercroft.core.errors import PreconditionFailed
from undercroft.modules.flags.errors import FlagNotFound, InvalidFlagSchedule
from undercroft.modules.flags.live import rules
from undercroft.modules.flags.models import Flag, FlagRule, RuleBase
from undercroft.modules.flags.repository import FlagRuleRepository, new_rule
from undercroft.modules.flags.service.evaluation import declared_flags

UNSET_VERSION = 0
"""The version of a rule without a row."""


class FlagRuleService:
    """Pass a `Session` to change rules, a `ReadSession` to list them."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session
        self._rules = FlagRuleRepository(session)

    async def list(self) -> Sequence[FlagRule]:
        """List the rules of all flags by key, also of those that the code no longer declares."""
        found = {row.key: row for row in await self._rules.all()}
        for key, flag in declared_flags().items():
            if key not in found:
                found[key] = _missing_rule(flag)
        return [row for _, row in sorted(found.items())]

    async def read(self, key: str) -> FlagRule:
        """Return the rule of a flag. Raises `FlagNotFound`."""
        row = await self._rules.get_by(key=key)
        if row is None and key in declared_flags():
            row = _missing_rule(declared_flags()[key])
        if row is None:
            raise FlagNotFound
        return row

    async def change(self, key: str, values: Mapping[str, Any], *, versions: Sequence[int] | None = None) -> FlagRule:
        """Change the given fields of a rule.

        Raises `FlagNotFound`, `InvalidFlagSchedule`, and `PreconditionFailed` unless it is at one of `versions`.
        """
        row = await self._lock(key, versions)
        before, after = changes(row, values)
        if after or row.is_default:
            await self.save(row, before, after)
        return row

    async def save(self, row: FlagRule, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Change a locked rule, record it, and announce it to all processes. Raises `InvalidFlagSchedule`."""
        starts_at, ends_at = (after.get(name, getattr(row, name)) for name in ("starts_at", "ends_at"))
        if starts_at is not None and ends_at is not None and starts_at >= ends_at:
            raise InvalidFlagSchedule
        await self._rules.update(row, {**after, "is_default": False})
        await self._record("flag.changed", row, before=before, after=after)

    async def reset(self, key: str, *, versions: Sequence[int] | None = None) -> None:
        """Return a flag to the default of the code; delete the rule of a flag that the code no longer declares.

        Raises as `change` does.
        """
        row = await self._lock(key, versions)
        flag = declared_flags().get(key)
        if flag is None:
            await self._rules.delete(row)
            await self._record("flag.deleted", row)
        elif not row.is_default:
            initial = new_rule(flag)
            before, after = changes(row, {name: getattr(initial, name) for name in RuleBase.model_fields})
            await self._rules.update(row, {**after, "is_default": True})
            await self._record("flag.reset", row, before=before, after=after)

    async def _lock(self, key: str, versions: Sequence[int] | None) -> FlagRule:
        flag = declared_flags().get(key)
        if flag is not None and await self._rules.get_by(key=key) is None:
            if versions is not None and UNSET_VERSION not in versions:
                raise PreconditionFailed
            await self._rules.add_missing([flag])
            versions = None if versions is None else (*versions, FlagRule.model_fields["version"].default)
        row = await self._rules.lock_key(key)
        if versions is not None and row.version not in versions:
            raise PreconditionFailed(details={"version": row.version})
        return row

    async def _record(self, action: str, row: FlagRule, **values: Any) -> None:
        await record(self._session.writable, Entry(action, None, "flag", row.id, details={"flag": row.key}, **values))
        await rules.announce(self._session.writable)


def _missing_rule(flag: Flag) -> FlagRule:
    rule = new_rule(flag)
    rule.version = UNSET_VERSION
    return rule


async def store_declared_flags(database: Database) -> None:
    """Store what the code declares about its flags. Rules that administrators set stay, also those of other flags."""
    flags = declared_flags()
    async with database.read_session() as read_session:
        stored = {row.key: row for row in await FlagRuleRepository(read_session).all()}
    unused = [key for key, row in stored.items() if key not in flags and row.is_declared]
    changed = [flag for key, flag in flags.items() if key in stored and not _is_current(stored[key], flag)]
    missing = [flag for key, flag in flags.items() if key not in stored]
    if not (unused or changed or missing):
        return
    async with database.session() as session:
        rows = FlagRuleRepository(session)
        await rows.add_missing(missing)
        for flag in sorted(changed, key=lambda each: each.key):
            await rows.mark_declared(flag)
        if unused:
            await rows.mark_unused(unused)


def _is_current(row: FlagRule, flag: Flag) -> bool:
    enabled = flag.default if row.is_default else row.enabled
    return (row.description, row.is_declared, row.enabled) == (flag.description, True, enabled)
