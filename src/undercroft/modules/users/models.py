"""Tables and field-carrying bases of people."""

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
    """What people say about themselves."""

    full_name: str = Field(default="", max_length=NAME_LENGTH, description="What the person is called.")
    locale: str = Field(default="en", max_length=35, description="Language tag (BCP 47) for mails and pages.")
    timezone: str = Field(default="UTC", max_length=64, description="Name in the IANA time zone database.")
    avatar_url: str | None = Field(default=None, max_length=URL_LENGTH, description="An https address of a picture.")
    notifications: dict[str, bool] = Field(
        default_factory=dict,
        sa_type=JSONB,
        sa_column_kwargs={"server_default": text("'{}'::jsonb")},
        nullable=False,
        description="Topics that the person wants to be told of or not.",
    )


class User(UserBase, Identified, Timestamped, SoftDeleted, table=True):
    """A person. Deleting one anonymises the row, so that what refers to it stays and the address is free again."""

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

    email: str = Field(max_length=EMAIL_LENGTH, unique=True, description="Lower case; two people never share one.")
    password_hash: str | None = Field(
        default=None, max_length=256, repr=False, description="Argon2id, PHC string format."
    )
    role: PlatformRole = Field(default=PlatformRole.USER, sa_type=String(16), nullable=False)
    is_active: bool = Field(default=True, nullable=False, description="Whether the person may come in.")
    email_verified_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True), nullable=True)
    second_factors: list[str] = Field(
        default_factory=list,
        sa_type=ARRAY(String(16)),
        sa_column_kwargs={"server_default": text("'{}'")},
        nullable=False,
        description="The kinds of second factor that signing in asks for; kept by whoever keeps the factors.",
    )

    @property
    def email_verified(self) -> bool:
        return self.email_verified_at is not None


class UserAddress(SQLModel, table=True):
    """Every email address that an account has or had, with the account that had it last.

    A trigger writes it and no role of the application may, for it decides what is erased with an account.
    """

    __tablename__ = "user_addresses"
    __privacy__ = Privacy(
        "the user",
        "until a deleted account is erased",
        personal=("email",),
        erasure_note="removed by the function audit_erase, for no role may delete from it",
    )

    email: str = Field(max_length=EMAIL_LENGTH, primary_key=True)
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", nullable=False, index=True)
