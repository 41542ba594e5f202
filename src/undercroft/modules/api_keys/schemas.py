"""Request and response schemas of API keys."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints

from undercroft.core.auth.principal import API_KEY_PREFIX
from undercroft.core.validation import NOT_GIVEN, Name, Schema, UpdateSchema
from undercroft.modules.api_keys.models import SCOPE_LENGTH, ApiKey, KeyKind

EXAMPLE: Any = {"name": "Nightly import", "scopes": ["projects:read"], "expires_at": "2027-11-21T00:00:00Z"}

Scope = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.-]+:[a-z0-9_.-]+$", max_length=SCOPE_LENGTH)]
Scopes = Annotated[
    list[Scope],
    Field(
        max_length=200,
        description="Permission names. A scope is effective while the role in which the key acts has the permission. "
        "By default a user's key has all permissions of the user's role, a team's key those that its creator has now.",
    ),
]
KeyName = Annotated[Name, Field(max_length=100, description="Purpose of the key, at most 100 characters.")]
Expiry = Annotated[AwareDatetime, Field(description="Expiry time; null if the key does not expire.")]


class ApiKeyCreate(Schema):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    name: KeyName
    kind: KeyKind = Field(
        KeyKind.USER, description="`user`: acts for the current user in all teams; `team`: belongs to the current team."
    )
    scopes: Scopes | None = None
    expires_at: Expiry | None = None


class ApiKeyUpdate(UpdateSchema):
    """Only the given fields are changed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"scopes": ["projects:read"]}]})

    name: KeyName = NOT_GIVEN
    scopes: Scopes | None = NOT_GIVEN
    expires_at: Expiry | None = NOT_GIVEN


class ApiKeyRotate(Schema):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"overlap_hours": 24}]})

    overlap_hours: float | None = Field(
        None, ge=0, le=720, description="Hours until the previous key expires. Default: API_KEY_OVERLAP_HOURS."
    )


class ApiKeyRead(Schema):
    id: UUID
    name: str
    kind: KeyKind
    prefix: str = Field(description="First characters of the key, for identification.", examples=["uc_3kTq9ZbW1xYc"])
    team_id: UUID | None = Field(description="ID of the team; null for a user's key.")
    scopes: list[str] | None = Field(
        description="Permission names; null if the key has all permissions of the user's role.",
        examples=[["projects:read"]],
    )
    created_by: UUID | None = Field(description="ID of the user who created the key; null if the account was deleted.")
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    previous_until: datetime | None = Field(description="Time until which the previous key is valid.")
    last_used_at: datetime | None = Field(description="Time of the last request, accurate to 30 seconds.")
    last_used_ip: str = Field(description="IP address of the last use.", examples=["192.0.2.1"])

    @classmethod
    def of(cls, row: ApiKey, **more: Any) -> Self:
        fields = {name: getattr(row, name) for name in ApiKeyRead.model_fields}
        fields["prefix"] = API_KEY_PREFIX + row.prefix
        fields["previous_until"] = row.previous_until if row.overlaps else None
        return cls(**fields, **more)


class ApiKeyWithSecret(ApiKeyRead):
    """An API key with its secret, which only this response contains."""

    key: str = Field(
        description="Key to send as `Authorization: Bearer …`. Store it now: it is not shown again.",
        examples=["uc_3kTq9ZbW1xYcV7mP2sRfGh4jKnL8aQdE"],
    )
