"""Request and response schemas of the audit log."""

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from undercroft.core.audit import ActorKind
from undercroft.core.http.pagination import CursorQuery
from undercroft.core.validation import Schema

_UNESCAPED_PLUS = re.compile(r"(\d) (\d\d:?\d\d)$")
ACTION_PATTERN = r"^[a-z][a-z0-9_]*\.([a-z][a-z0-9_]*|\*)$"
REQUEST_ID = "ID of the request, from the header `X-Request-ID`."
TARGET_PATTERN = r"^[a-z][a-z0-9_]*(:[0-9a-fA-F-]{36})?$|^[0-9a-fA-F-]{36}$"


def _restore_plus(value: Any) -> Any:
    """Restore an unescaped plus in an offset such as `+02:00`, which URL decoding turned into a space."""
    return _UNESCAPED_PLUS.sub(r"\1+\2", value) if isinstance(value, str) else value


def _ensure_aware(value: datetime) -> datetime:
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def _validate_target(value: str) -> str:
    identity = value.rpartition(":")[2]
    if len(identity) == 36:
        UUID(identity)
    return value


Timestamp = Annotated[datetime, BeforeValidator(_restore_plus), AfterValidator(_ensure_aware)]
Action = Annotated[str, Field(max_length=100, pattern=ACTION_PATTERN)]
Target = Annotated[str, Field(max_length=140, pattern=TARGET_PATTERN), AfterValidator(_validate_target)]


class AuditFilter(Schema):
    """Filters for entries. A filter that is not given matches all entries."""

    actor: UUID | ActorKind | None = Field(
        None, description="ID of a user, an API key or a job, or a kind of actor such as `command`."
    )
    action: Action | None = Field(
        None, description="Name of an action such as `project.created`, or a prefix such as `project.*`."
    )
    target: Target | None = Field(None, description="Type of the target (`project`), its ID, or both (`project:ID`).")
    request_id: str | None = Field(None, max_length=128, pattern=r"^[A-Za-z0-9._-]+$", description=REQUEST_ID)
    since: Timestamp | None = Field(
        None, alias="from", description="Earliest time, inclusive; UTC unless an offset is given."
    )
    until: Timestamp | None = Field(
        None, alias="to", description="Latest time, exclusive; UTC unless an offset is given."
    )

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ValueError("`from` must be before `to`.")
        return self

    def as_details(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, include=set(AuditFilter.model_fields))


class AuditQuery(AuditFilter, CursorQuery):
    """A list request for entries of one team."""


class AdminFilter(AuditFilter):
    team_id: UUID | None = Field(None, description="ID of the team that owns the affected data.")


class AdminAuditQuery(AdminFilter, CursorQuery):
    """A list request for all entries, including those without a team."""


class ExportFormat(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"


class ExportQuery(AuditFilter):
    format: ExportFormat = Field(
        ExportFormat.CSV, description="File format: `csv` (RFC 4180), or `jsonl` with one JSON object per line."
    )

    def as_details(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class AdminExportQuery(ExportQuery, AdminFilter):
    """An export of all entries."""


class ActorRead(Schema):
    kind: ActorKind = Field(description="Who or what acted.")
    user_id: UUID | None = Field(description="ID of the user who acted, or in whose name the actor did.")
    session_id: UUID | None
    api_key_id: UUID | None
    impersonator_id: UUID | None = Field(description="ID of the administrator who impersonated the user.")
    job_id: UUID | None
    email: str | None = Field(description="Current email address of the user; a team sees only those of its members.")
    full_name: str | None = Field(description="Current name of the user; a team sees only those of its members.")


EXAMPLE: Any = {
    "id": "0190f5c6-3b1e-7c5d-9a57-2a8d6d5f7e10",
    "occurred_at": "2026-11-21T14:03:07.123456Z",
    "action": "project.changed",
    "actor": {
        "kind": "user",
        "user_id": "0190f5c6-0000-7000-8000-000000000001",
        "session_id": "0190f5c6-0000-7000-8000-000000000002",
        "api_key_id": None,
        "impersonator_id": None,
        "job_id": None,
        "email": "ada@example.com",
        "full_name": "Ada Lovelace",
    },
    "target_type": "project",
    "target_id": "0190f5c6-0000-7000-8000-000000000003",
    "team_id": "0190f5c6-0000-7000-8000-000000000004",
    "request_id": "0190f5c6-0000-7000-8000-000000000005",
    "ip": "192.0.2.1",
    "user_agent": "Mozilla/5.0",
    "before": {"status": "active"},
    "after": {"status": "done"},
    "details": {},
}


class AuditEntryRead(Schema):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: UUID
    occurred_at: datetime = Field(description="Time of the action.")
    action: str = Field(description="Name of the action.")
    actor: ActorRead = Field(description="Who or what acted.")
    target_type: str | None = Field(description="Type of the object that the action affected.")
    target_id: UUID | None
    team_id: UUID | None
    request_id: str | None = Field(description=REQUEST_ID)
    ip: str | None = Field(description="IP address of the request; null if erased.")
    user_agent: str | None = Field(description="User-Agent header of the client.")
    before: dict[str, Any] = Field(
        description="Changed fields before the action; `[personal]` replaces an erased value."
    )
    after: dict[str, Any] = Field(description="Changed fields after the action.")
    details: dict[str, Any] = Field(description="More data, by action.")
