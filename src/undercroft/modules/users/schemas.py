"""People over HTTP."""

from datetime import datetime
from functools import cache
from typing import Annotated
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from sqlmodel._compat import SQLModelConfig

from undercroft.core.auth import PlatformRole
from undercroft.modules.users.models import NAME_LENGTH, URL_LENGTH, UserBase


def _without_controls(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line of printable characters")
    return text


_timezones = cache(available_timezones)


def _known_timezone(name: str) -> str:
    if name not in _timezones():
        raise ValueError("must be a name of the IANA time zone database, such as Europe/Berlin")
    return name


PersonName = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=NAME_LENGTH), AfterValidator(_without_controls)
]
LanguageTag = Annotated[
    str,
    StringConstraints(max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"),
    Field(examples=["en", "pt-BR"]),
]
TimeZoneName = Annotated[
    str, StringConstraints(max_length=64), AfterValidator(_known_timezone), Field(examples=["Europe/Berlin"])
]
PictureAddress = Annotated[
    str,
    StringConstraints(max_length=URL_LENGTH, pattern=r"^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-~]*)?$"),
    Field(examples=["https://example.com/ada.png"]),
]
Topic = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]{0,59}$")]
Notifications = Annotated[dict[Topic, bool], Field(max_length=50, examples=[{"news": False}])]


class UserRead(UserBase):
    """A person, as told to that person and to administrators."""

    model_config = SQLModelConfig(from_attributes=True)

    id: UUID
    email: str
    role: PlatformRole
    email_verified: bool
    created_at: datetime
    updated_at: datetime


class UserAdminRead(UserRead):
    """A person, as told to administrators."""

    is_active: bool


class UserUpdate(BaseModel):
    """What people may change about themselves; only the fields that are given are changed."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"full_name": "Ada Lovelace", "timezone": "Europe/London"}]}
    )

    full_name: PersonName = ""
    locale: LanguageTag = "en"
    timezone: TimeZoneName = "UTC"
    avatar_url: PictureAddress | None = None
    notifications: Notifications = {}


class UserAdminUpdate(BaseModel):
    """What administrators may change about people; only the fields that are given are changed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"role": "admin"}]})

    full_name: PersonName = ""
    locale: LanguageTag = "en"
    timezone: TimeZoneName = "UTC"
    role: PlatformRole = PlatformRole.USER
