"""Tables and shared field classes of users."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, Index, String, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from undercroft.core.auth import PlatformRole
from undercroft.core.db import Identified, Privacy, SoftDeleted, Timestamped

EMAIL_LENGTH = 254
NAME_LENGTH = 200
URL_LENGTH = 2000


class UserBase(SQLModel):
    """Profile fields that users edit themselves."""

    full_name: str = Field(
        default="",
        max_length=NAME_LENGTH,
        description="Name shown to other users, at most 200 characters.",
        schema_extra={"examples": ["Ada Lovelace"]},
    )
    locale: str = Field(default="en", max_length=35, description="Language tag (BCP 47) for emails and pages.")
    timezone: str = Field(
        default="UTC",
        max_length=64,
        description="Time zone, a name in the IANA database.",
        schema_extra={"examples": ["Europe/Berlin"]},
    )
    avatar_url: str | None = Field(
        default=None, max_length=URL_LENGTH, description="HTTPS URL of a picture.", schema_extra={"examples": [None]}
    )
    notifications: dict[str, bool] = Field(
        default_factory=dict,
        sa_type=JSONB,
        sa_column_kwargs={"server_default": text("'{}'::jsonb")},
        description="Map of notification topics to whether the user wants emails about them.",
    )


class User(UserBase, Identified, Timestamped, SoftDeleted, table=True):
    """A user. Deleting one anonymizes the row, so that references to it stay valid and the address is free again."""

    __tablename__ = "users"
    __privacy__ = Privacy(
        "the user",
        "until the account is deleted, then an anonymous row",
        personal=("email", "full_name", "password_hash", "locale", "timezone", "avatar_url", "notifications"),
        non_personal=("role", "second_factors"),
        erasure_note="anonymized when the account is deleted (`UserService.delete`)",
    )
    __table_args__: Any = (
        CheckConstraint("role IN ('user', 'admin', 'superadmin')", "role"),
        Index("ix_users_superadmin", "id", postgresql_where=text("role = 'superadmin'")),
        Index("ix_users_created_at_id", "created_at", "id"),
    )

    email: str = Field(max_length=EMAIL_LENGTH, unique=True, description="Email address in lower case, unique.")
    password_hash: str | None = Field(
        default=None, max_length=256, repr=False, description="Argon2id, PHC string format."
    )
    role: PlatformRole = Field(default=PlatformRole.USER, sa_type=String(16))
    is_active: bool = Field(default=True, description="Whether the user may sign in.")
    email_verified_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    second_factors: list[str] = Field(
        default_factory=list,
        sa_type=ARRAY(String(16)),
        sa_column_kwargs={"server_default": text("'{}'")},
        description="Kinds of second factor required at sign-in, written by the module that stores the factors.",
    )

    @property
    def email_verified(self) -> bool:
        return self.email_verified_at is not None

    @property
    def has_password(self) -> bool:
        return self.password_hash is not None


class UserAddress(SQLModel, table=True):
    """Every current and former email address of an account, with the last account that had it.

    Written only by a trigger, as it decides which data is erased with an account. No application role may write it.
    """

    __tablename__ = "user_addresses"
    __privacy__ = Privacy(
        "the user",
        "until a deleted account is erased",
        personal=("email",),
        erasure_note="removed by the function audit_erase, as no role may delete from it",
    )

    email: str = Field(max_length=EMAIL_LENGTH, primary_key=True)
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", index=True)
