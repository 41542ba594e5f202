"""Request and response schemas of users."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from undercroft.core.auth import PlatformRole
from undercroft.core.validation import Locale, Schema, TimeZone, Url, single_line
from undercroft.modules.users.models import NAME_LENGTH, URL_LENGTH, UserBase

FullName = Annotated[str, single_line(NAME_LENGTH, min_length=0)]
AvatarUrl = Annotated[
    Url,
    Field(max_length=URL_LENGTH, pattern="^https://", description="HTTPS URL of a picture, at most 2000 characters."),
]
Topic = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]{0,59}$")]
Notifications = Annotated[dict[Topic, bool], Field(max_length=50, examples=[{"news": False}])]


class UserRead(UserBase):
    """A user, as shown to that user and to administrators."""

    model_config = {"from_attributes": True}

    id: UUID
    email: str
    role: PlatformRole
    email_verified: bool
    created_at: datetime
    updated_at: datetime


class ProfileRead(UserRead):
    """The current user."""

    impersonated_by: UUID | None = Field(None, description="ID of the administrator who impersonates the user, if any.")


class UserAdminRead(UserRead):
    """A user, as shown to administrators."""

    is_active: bool


class UserUpdate(Schema):
    """Profile changes of the current user; only the given fields are changed."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"full_name": "Ada Lovelace", "timezone": "Europe/London"}]}
    )

    full_name: FullName = ""
    locale: Locale = "en"
    timezone: TimeZone = "UTC"
    avatar_url: AvatarUrl | None = None
    notifications: Notifications = {}


class UserAdminUpdate(Schema):
    """Changes of a user by an administrator; only the given fields are changed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"role": "admin"}]})

    full_name: FullName = ""
    locale: Locale = "en"
    timezone: TimeZone = "UTC"
    role: PlatformRole = PlatformRole.USER
    email_verified: bool = Field(True, description="Whether the email address is verified.")
