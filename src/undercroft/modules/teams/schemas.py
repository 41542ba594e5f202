"""What comes in and goes out about teams."""

from datetime import datetime
from uuid import UUID

from pydantic import ConfigDict
from sqlmodel import Field, SQLModel

from undercroft.core.auth.permissions import TeamRole
from undercroft.core.validation import Name, Slug
from undercroft.modules.teams.models import TeamFields


class TeamCreate(TeamFields):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "Acme"}]})  # type: ignore[assignment]

    slug: Slug | None = Field(default=None, max_length=60, description="Made from the name when left out.")


class TeamUpdate(SQLModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "Acme Ltd"}]})  # type: ignore[assignment]

    name: Name | None = Field(default=None, max_length=100)
    slug: Slug | None = Field(default=None, max_length=60)
    require_mfa: bool | None = Field(
        default=None, description="Whether the team lets in only who passed two-step sign-in; for owners to say."
    )


class TeamRead(TeamFields):
    id: UUID
    slug: str
    role: str = Field(description="Your role in it.")
    is_personal: bool
    require_mfa: bool
    created_at: datetime
    updated_at: datetime


class MemberRead(SQLModel):
    user_id: UUID
    email: str
    full_name: str
    role: str
    joined_at: datetime


class MemberUpdate(SQLModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"role": "admin"}]})  # type: ignore[assignment]

    role: TeamRole
