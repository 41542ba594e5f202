"""Table of API keys, which stores the prefix and the hash of each key, not the key."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, Index, LargeBinary, String, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from undercroft.core.db import Erasure, Identified, Privacy, Timestamped, utc_now
from undercroft.core.validation import Name

TIMESTAMP: Any = DateTime(timezone=True)
SCOPE_LENGTH = 100
PREFIX_LENGTH = 12


class KeyKind(StrEnum):
    """A key acts for its user, in any of the user's teams, or for one team, independent of its members."""

    USER = "user"
    TEAM = "team"


class ApiKey(Identified, Timestamped, table=True):
    """API key of a user or a team. Revoking a key deletes the row.

    After a rotation, `previous_hash` stays valid until `previous_until`. If `scopes` is NULL, the key has all
    permissions of the user's role; the key of a team always has a list.
    """

    __tablename__ = "api_keys"
    __privacy__ = Privacy(
        "the user, or the team of a team's key",
        "until it is revoked",
        personal=("name", "last_used_ip"),
        non_personal=("prefix", "scopes"),
        erasures=(Erasure("user_id"), Erasure("created_by", values={"last_used_ip": ""})),
    )
    __table_args__: Any = (
        CheckConstraint("(user_id IS NULL) <> (team_id IS NULL)", "owner"),
        CheckConstraint("team_id IS NULL OR scopes IS NOT NULL", "scopes"),
        CheckConstraint("(previous_hash IS NULL) = (previous_until IS NULL)", "previous"),
        Index("ix_api_keys_user_id", "user_id", postgresql_where=text("user_id IS NOT NULL")),
        Index("ix_api_keys_team_id", "team_id", postgresql_where=text("team_id IS NOT NULL")),
    )

    name: Name = Field(max_length=100, description="Purpose of the key, at most 100 characters.")
    expires_at: datetime | None = Field(
        default=None, sa_type=TIMESTAMP, description="Expiry time; null if the key does not expire."
    )
    prefix: str = Field(
        max_length=PREFIX_LENGTH, unique=True, description="Characters after `uc_`, which identify the key."
    )
    secret_hash: bytes = Field(sa_type=LargeBinary, repr=False)
    previous_hash: bytes | None = Field(default=None, sa_type=LargeBinary, repr=False)
    previous_until: datetime | None = Field(default=None, sa_type=TIMESTAMP)
    user_id: UUID | None = Field(default=None, foreign_key="users.id", ondelete="CASCADE")
    team_id: UUID | None = Field(default=None, foreign_key="teams.id", ondelete="CASCADE")
    created_by: UUID | None = Field(default=None, foreign_key="users.id", ondelete="SET NULL")
    scopes: list[str] | None = Field(default=None, sa_type=ARRAY(String(SCOPE_LENGTH)))
    last_used_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)
    last_used_ip: str = Field(default="", max_length=45)

    @property
    def kind(self) -> KeyKind:
        return KeyKind.USER if self.team_id is None else KeyKind.TEAM

    @property
    def overlaps(self) -> bool:
        """Whether the previous secret is still valid."""
        return self.previous_until is not None and self.previous_until > utc_now()
