"""Tables of the audit log, partitioned by month. Migrations add the triggers and privileges that protect rows."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Index, String, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from undercroft.core.db import Privacy

TIMESTAMP: Any = DateTime(timezone=True)
PARTITION_BY_MONTH = {"postgresql_partition_by": "RANGE (occurred_at)"}


class PersonalPart(StrEnum):
    """Kinds of personal values: origin of the request, personal fields, and free text."""

    ORIGIN = "origin"
    FIELDS = "fields"
    TEXTS = "texts"


class AuditEntry(SQLModel, table=True):
    """An action with its actor and target. It has ids and no personal values, so that it never has to change."""

    __tablename__ = "audit_entries"
    __privacy__ = Privacy(
        "the platform and its teams; personal values and texts of users are in audit_personal",
        "AUDIT_RETENTION_MONTHS",
        non_personal=("action", "actor_kind", "target_type", "request_id", "before", "after", "details"),
    )
    __table_args__: Any = (
        Index("ix_audit_entries_team_id", "team_id", "occurred_at", "id"),
        Index("ix_audit_entries_user_id", "user_id", "occurred_at", "id"),
        Index("ix_audit_entries_target_id", "target_id", "occurred_at", "id"),
        Index("ix_audit_entries_action", "action", "occurred_at", "id"),
        *(
            Index(f"ix_audit_entries_{name}", name, postgresql_where=text(f"{name} IS NOT NULL"))
            for name in ("impersonator_id", "api_key_id", "job_id")
        ),
        PARTITION_BY_MONTH,
    )

    occurred_at: datetime = Field(sa_type=TIMESTAMP, primary_key=True)
    id: UUID = Field(primary_key=True, description="UUIDv7, sorted by time.")
    action: str = Field(sa_type=Text, description="Name in the form `noun.verb`, with the verb in the past tense.")
    actor_kind: str = Field(
        sa_type=String(16), description="Kind of actor, such as a user, an API key, a job or a command."
    )
    user_id: UUID | None = Field(default=None, description="User who acted, or in whose name the actor did.")
    session_id: UUID | None = None
    api_key_id: UUID | None = None
    impersonator_id: UUID | None = Field(default=None, description="Administrator who impersonated the user.")
    job_id: UUID | None = None
    target_type: str | None = Field(default=None, sa_type=Text)
    target_id: UUID | None = None
    team_id: UUID | None = Field(default=None, description="Team that owns the affected data.")
    request_id: str | None = Field(default=None, sa_type=Text)
    before: dict[str, Any] = Field(sa_type=JSONB, description="Changed fields before the action.")
    after: dict[str, Any] = Field(sa_type=JSONB, description="Changed fields after the action.")
    details: dict[str, Any] = Field(sa_type=JSONB)


class AuditPersonalData(SQLModel, table=True):
    """Personal values of an entry about one user or team. They are erased without changing the entry."""

    __tablename__ = "audit_personal"
    __privacy__ = Privacy(
        "the user or the team of person_id",
        "until the account is deleted or the team is purged, at most AUDIT_RETENTION_MONTHS",
        personal=("values",),
        non_personal=("part",),
        erasure_note="erased by the function audit_erase, as no role may delete from it",
    )
    __table_args__: Any = (Index("ix_audit_personal_person_id", "person_id"), PARTITION_BY_MONTH)

    occurred_at: datetime = Field(sa_type=TIMESTAMP, primary_key=True)
    entry_id: UUID = Field(primary_key=True)
    part: str = Field(sa_type=String(8), primary_key=True)
    person_id: UUID | None = Field(default=None, description="User or team that the values are about.")
    values: dict[str, Any] = Field(sa_type=JSONB)
