"""What comes in and goes out about API keys."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints

from undercroft.core.auth.principal import API_KEY_PREFIX
from undercroft.core.validation import Name, Schema
from undercroft.modules.api_keys.models import SCOPE_LENGTH, ApiKey, KeyKind

EXAMPLE: Any = {"name": "Nightly import", "scopes": ["projects:read"], "expires_at": "2027-11-21T00:00:00Z"}

Scope = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.-]+:[a-z0-9_.-]+$", max_length=SCOPE_LENGTH)]
Scopes = Annotated[
    list[Scope],
    Field(
        max_length=200,
        description="Names of permissions, which the key has as long as the role that it acts in has them. When left "
        "out, a user's key has all that the user's role allows, a team's key all that its maker has at this moment.",
    ),
]
KeyName = Annotated[Name, Field(max_length=100, description="What it is for.")]
Expiry = Annotated[AwareDatetime, Field(description="From then on the key is refused; never when empty.")]


class ApiKeyCreate(Schema):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    name: KeyName
    kind: KeyKind = Field(
        KeyKind.USER, description="`user` acts for you, in any of your teams; `team` belongs to the current team."
    )
    scopes: Scopes | None = None
    expires_at: Expiry | None = None


class ApiKeyUpdate(Schema):
    """Only the fields that are given are changed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"scopes": ["projects:read"]}]})

    name: KeyName = ""
    scopes: Scopes | None = None
    expires_at: Expiry | None = None


class ApiKeyRotate(Schema):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"overlap_hours": 24}]})

    overlap_hours: float | None = Field(
        None, ge=0, le=720, description="For how long the earlier key goes on; API_KEY_OVERLAP_HOURS when left out."
    )


class ApiKeyRead(Schema):
    id: UUID
    name: str
    kind: KeyKind
    prefix: str = Field(description="How the key begins.", examples=["uc_3kTq9ZbW1xYc"])
    team_id: UUID | None = Field(description="The team that it belongs to; empty for a user's key.")
    scopes: list[str] | None = Field(description="Empty: whatever the user's role allows.")
    created_by: UUID | None = Field(description="Who made it; empty once they are gone.")
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    previous_until: datetime | None = Field(description="Until when the key before the last rotation goes on.")
    last_used_at: datetime | None = Field(description="To within half a minute.")
    last_used_ip: str

    @classmethod
    def of(cls, row: ApiKey, **more: Any) -> Self:
        fields = {name: getattr(row, name) for name in ApiKeyRead.model_fields}
        fields["prefix"] = API_KEY_PREFIX + row.prefix
        fields["previous_until"] = row.previous_until if row.overlaps else None
        return cls(**fields, **more)


class ApiKeyWithSecret(ApiKeyRead):
    """A key with its secret, which is told here and never again."""

    key: str = Field(description="What is sent as `Authorization: Bearer …`. Keep it now: it is not shown again.")
