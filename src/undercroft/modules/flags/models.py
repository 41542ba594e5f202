"""Declared flags, and the table of the rules that administrators set for them."""

import re
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import CheckConstraint, DateTime, String, Uuid
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from undercroft.core.db import Identified, Privacy, Timestamped, Versioned

KEY_LENGTH = 100
DESCRIPTION_LENGTH = 500
MAX_LISTED = 1000
_KEY = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_TIMESTAMP: Any = DateTime(timezone=True)
_IDS: Any = ARRAY(Uuid())


class Flag(Struct, frozen=True):
    """A feature that can be off. `key` is `<module>.<feature>`; `default` applies until an administrator sets a rule.

    Raises `ValueError` for an invalid key.
    """

    key: str
    description: str
    default: bool = False

    def __post_init__(self) -> None:
        if not _KEY.fullmatch(self.key) or len(self.key) > KEY_LENGTH:
            raise ValueError(f"{self.key!r} is not a key of a flag. Write <module>.<feature>, such as hotel.beta.")


class FlagUnit(StrEnum):
    """The unit of which a share has the feature."""

    USER = "user"
    TEAM = "team"


class RuleBase(SQLModel):
    """Between its times, the feature is on for a share of the users or teams, and for all that are listed."""

    enabled: bool = Field(description="Whether the feature is on at all.")
    percentage: float = Field(
        default=100,
        ge=0,
        le=100,
        description="Percentage of the users or teams that have the feature. The same ones stay when it grows.",
        schema_extra={"examples": [25]},
    )
    unit: FlagUnit = Field(
        default=FlagUnit.USER, sa_type=String(10), description="`user` or `team`: what `percentage` is a share of."
    )
    users: list[UUID] = Field(
        default_factory=list, sa_type=_IDS, max_length=MAX_LISTED, description="Users that always have the feature."
    )
    teams: list[UUID] = Field(
        default_factory=list, sa_type=_IDS, max_length=MAX_LISTED, description="Teams that always have the feature."
    )
    starts_at: datetime | None = Field(
        default=None, sa_type=_TIMESTAMP, description="Time before which the feature is off; null for no limit."
    )
    ends_at: datetime | None = Field(
        default=None, sa_type=_TIMESTAMP, description="Time from which the feature is off; null for no limit."
    )


class FlagRule(RuleBase, Identified, Timestamped, Versioned, table=True):
    """The rule of a flag. There is a row for each declared flag, so that `/admin` lists them.

    While `is_default` is true, no administrator has set the rule, and the default of the code applies.
    """

    __tablename__ = "flag_rules"
    __privacy__ = Privacy(
        "listed users, by ID", "until the account is deleted", non_personal=("key", "description", "unit")
    )
    __table_args__: Any = (
        CheckConstraint("percentage BETWEEN 0 AND 100", "percentage"),
        CheckConstraint("starts_at < ends_at", "starts_before_end"),
    )

    key: str = Field(max_length=KEY_LENGTH, unique=True)
    description: str = Field(default="", max_length=DESCRIPTION_LENGTH)
    is_default: bool = True
    is_declared: bool = True
