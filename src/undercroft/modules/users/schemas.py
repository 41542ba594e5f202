"""Request and response schemas of users."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from pydantic import ConfigDict, Field, StringConstraints

from undercroft.core.auth import PlatformRole
from undercroft.core.http import ListQuery
from undercroft.core.http.extended_schemas import extended
from undercroft.core.validation import NOT_GIVEN, Locale, TimeZone, UpdateSchema, Url, single_line
from undercroft.modules.users.models import NAME_LENGTH, URL_LENGTH, UserBase
from undercroft.modules.users.repository import EXTRA_PREFIX, UserRepository

FullName = Annotated[
    str, single_line(NAME_LENGTH, min_length=0), Field(description="Name of the user.", examples=["Ada Lovelace"])
]
UserLocale = Annotated[Locale, Field(description="Language tag (BCP 47) for emails and pages.")]
UserTimeZone = Annotated[TimeZone, Field(description="Time zone, a name in the IANA database.")]
AvatarUrl = Annotated[
    Url,
    Field(max_length=URL_LENGTH, pattern="^https://", description="HTTPS URL of a picture, at most 2000 characters."),
]
Topic = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]{0,59}$")]
Notifications = Annotated[
    dict[Topic, bool],
    Field(
        max_length=50, description="Notification topics, and whether the user wants them.", examples=[{"news": False}]
    ),
]

_encode = msgspec.json.Encoder().encode


class UserRead(UserBase):
    """A user, as shown to that user and to administrators."""

    model_config = {"from_attributes": True}

    id: UUID
    email: str
    role: PlatformRole = Field(description="Role of the user on the platform.")
    email_verified: bool = Field(description="Whether the email address is verified.")
    created_at: datetime
    updated_at: datetime


class ProfileRead(UserRead):
    """The current user."""

    has_password: bool = Field(
        description="Whether the user has a password. Without one, the user signs in at an identity provider."
    )
    impersonated_by: UUID | None = Field(None, description="ID of the administrator who impersonates the user, if any.")


def encode_profile(row: Mapping[str, Any], impersonated_by: UUID | None = None) -> bytes:
    """Encode a database row with `PROFILE_COLUMNS` as JSON in the form of `ProfileRead`."""
    return _encode(
        {
            "full_name": row["full_name"],
            "locale": row["locale"],
            "timezone": row["timezone"],
            "avatar_url": row["avatar_url"],
            "notifications": msgspec.Raw(row["notifications"].encode()),
            "id": row["user_id"],
            "email": row["email"],
            "role": row["role"],
            "email_verified": row["email_verified_at"] is not None,
            "created_at": row["created_at"],
            "updated_at": row["updated_at"],
            "has_password": row["has_password"],
            "impersonated_by": impersonated_by,
            **_extra_fields(row),
        }
    )


def _extra_fields(row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that extensions add to a profile."""
    schema = extended(ProfileRead)
    if schema is ProfileRead:
        return {}
    return {name: row[EXTRA_PREFIX + name] for name in schema.model_fields if name not in ProfileRead.model_fields}


class UserAdminRead(UserRead):
    """A user, as shown to administrators."""

    is_active: bool = Field(description="Whether the user may sign in.")
    second_factors: list[str] = Field(description="Kinds of second factor that the user has.", examples=[["totp"]])


class UserUpdate(UpdateSchema):
    """Profile changes of the current user; only the given fields are changed."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"full_name": "Ada Lovelace", "timezone": "Europe/London"}]}
    )

    full_name: FullName = NOT_GIVEN
    locale: UserLocale = NOT_GIVEN
    timezone: UserTimeZone = NOT_GIVEN
    avatar_url: AvatarUrl | None = NOT_GIVEN
    notifications: Notifications = NOT_GIVEN


class UserAdminUpdate(UpdateSchema):
    """Changes of a user by an administrator; only the given fields are changed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "admin"}]})

    full_name: FullName = NOT_GIVEN
    locale: UserLocale = NOT_GIVEN
    timezone: UserTimeZone = NOT_GIVEN
    role: PlatformRole = Field(NOT_GIVEN, description="Name of the role.")
    email_verified: bool = Field(NOT_GIVEN, description="Whether the email address is verified.")


class UserQuery(ListQuery):
    sortable = UserRepository.sortable
    filterable = ("role", "is_active")

    role: PlatformRole | None = Field(None, description="Name of the role.")
    is_active: bool | None = Field(None, description="Whether to return only active or only deactivated users.")
