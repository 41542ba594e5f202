"""Queries for the rules of flags."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Uuid, case, cast, func, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from undercroft.core.db import Repository
from undercroft.modules.flags.errors import FlagNotFound
from undercroft.modules.flags.models import Flag, FlagRule


class FlagRuleRepository(Repository[FlagRule]):
    model = FlagRule
    not_found = FlagNotFound

    async def all(self) -> Sequence[FlagRule]:
        """List all rules, by key."""
        return (await self._session.scalars(self._query().order_by(col(FlagRule.key)))).all()

    async def list_set(self) -> Sequence[FlagRule]:
        """List the rules that administrators have set."""
        return (await self._session.scalars(self._query().where(~col(FlagRule.is_default)))).all()

    async def lock_key(self, key: str) -> FlagRule:
        """Lock the rule of a flag until the transaction ends. Raises `FlagNotFound`."""
        query = self._query().where(col(FlagRule.key) == key).with_for_update()
        row = await self._first(query.execution_options(populate_existing=True))
        if row is None:
            raise FlagNotFound
        return row

    async def add_missing(self, flags: Collection[Flag]) -> None:
        """Create a row for each of these flags that has none."""
        if flags:
            rows = [new_rule(flag).model_dump() for flag in sorted(flags, key=lambda each: each.key)]
            await self._session.execute(insert(FlagRule).values(rows).on_conflict_do_nothing(index_elements=["key"]))

    async def mark_declared(self, flag: Flag) -> None:
        """Store what the code declares about a flag; a rule that an administrator set stays."""
        enabled = case((col(FlagRule.is_default), flag.default), else_=col(FlagRule.enabled))
        values = {"description": flag.description, "is_declared": True, "enabled": enabled}
        await self._session.execute(update(FlagRule).where(col(FlagRule.key) == flag.key).values(values))

    async def mark_unused(self, keys: Collection[str]) -> None:
        """Store that the code does not declare the flags with these keys anymore."""
        await self._session.execute(update(FlagRule).where(col(FlagRule.key).in_(keys)).values(is_declared=False))

    async def remove_user(self, user_id: UUID) -> int:
        """Remove a user from the lists of all rules; returns the number of rules."""
        without = func.array_remove(col(FlagRule.users), cast(user_id, Uuid()))
        return await self._update(col(FlagRule.users).contains([user_id]), users=without)

    async def remove_team(self, team_id: UUID) -> int:
        """Remove a team from the lists of all rules; returns the number of rules."""
        without = func.array_remove(col(FlagRule.teams), cast(team_id, Uuid()))
        return await self._update(col(FlagRule.teams).contains([team_id]), teams=without)

    async def delete_prefix(self, prefix: str) -> int:
        """Delete the rules of all flags whose keys begin with this prefix; returns the number of rules."""
        return await self._delete(col(FlagRule.key).startswith(prefix, autoescape=True))


def new_rule(flag: Flag) -> FlagRule:
    """Return the rule of a flag that no administrator has changed."""
    return FlagRule(key=flag.key, description=flag.description, enabled=flag.default)
