"""Decides whether a feature is on for a user or a team."""

from datetime import datetime
from hashlib import sha256
from uuid import UUID

from msgspec import Struct

from undercroft.core.db import utc_now
from undercroft.modules.flags.models import FlagRule, FlagUnit

EVERYONE = 100.0


class Rule(Struct, frozen=True):
    """A `FlagRule` in the form in which it is evaluated."""

    key: str
    enabled: bool
    percentage: float
    unit: FlagUnit
    users: frozenset[UUID]
    teams: frozenset[UUID]
    starts_at: datetime | None
    ends_at: datetime | None

    @classmethod
    def of(cls, row: FlagRule) -> "Rule":
        return cls(
            row.key,
            row.enabled,
            row.percentage,
            FlagUnit(row.unit),
            frozenset(row.users),
            frozenset(row.teams),
            row.starts_at,
            row.ends_at,
        )

    def includes(self, user_id: UUID | None, team_id: UUID | None) -> bool:
        """Whether the feature is on now. Without a user and a team, it is on only if it is on for everyone."""
        if not self.enabled or not self._is_scheduled():
            return False
        if self.percentage >= EVERYONE or user_id in self.users or team_id in self.teams:
            return True
        # A team's API key has no user: it counts as the team.
        unit_id = team_id if self.unit is FlagUnit.TEAM or user_id is None else user_id
        return unit_id is not None and position(self.key, unit_id) < self.percentage

    def _is_scheduled(self) -> bool:
        if self.starts_at is None and self.ends_at is None:
            return True
        now = utc_now()
        return (self.starts_at is None or self.starts_at <= now) and (self.ends_at is None or now < self.ends_at)


def position(key: str, unit_id: UUID) -> float:
    """Return where a unit lies in the order in which it gets a feature, from 0 to below 100.

    It depends on the key, so that not always the same users get new features first. It never changes, so that a
    growing share removes no one.
    """
    digest = sha256(key.encode() + unit_id.bytes).digest()
    return int.from_bytes(digest[:6]) / 2**48 * EVERYONE
