"""Tables of registrations, emailed links and sign-in limits. Tokens and passwords are stored as hashes."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Index, LargeBinary, String
from sqlmodel import Field, SQLModel

from undercroft.core.db import ColumnContent, CreatedAt, Erasure, Identified, Privacy
from undercroft.modules.sessions import USER_AGENT_LENGTH
from undercroft.modules.users import EMAIL_LENGTH, NAME_LENGTH

TIMESTAMP: Any = DateTime(timezone=True)


class RequestOriginMixin(SQLModel):
    """The device, IP address and user agent of a request, which the email about it mentions."""

    handle_hash: bytes | None = Field(default=None, sa_type=LargeBinary, repr=False)
    ip: str = Field(default="", max_length=45, sa_column_kwargs={"server_default": ""})
    user_agent: str = Field(default="", max_length=USER_AGENT_LENGTH, sa_column_kwargs={"server_default": ""})


class Registration(Identified, CreatedAt, RequestOriginMixin, table=True):
    """A registration that waits until an emailed link verifies its address.

    `password_hash` is empty for an invitation to sign up: the user who opens the link chooses the password.
    """

    __tablename__ = "auth_registrations"
    __privacy__ = Privacy(
        "the registering user",
        "24 hours (VERIFY_LINK_HOURS); an invitation as long as its link works",
        personal=("email", "full_name", "password_hash", "ip", "user_agent"),
        erasures=(Erasure("email", ColumnContent.EMAIL),),
    )

    email: str = Field(max_length=EMAIL_LENGTH, index=True)
    full_name: str = Field(default="", max_length=NAME_LENGTH)
    password_hash: str = Field(max_length=256, repr=False)
    expires_at: datetime = Field(sa_type=TIMESTAMP, index=True)


class MailPurpose(StrEnum):
    """The purpose of an email; also the purpose of the token in its link."""

    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105
    CONFIRM_EMAIL = "confirm_email"
    MAGIC_LINK = "magic_link"
    RESET_REQUIRED = "reset_required"
    ALREADY_REGISTERED = "already_registered"
    WELCOME = "welcome"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    PASSWORD_WAS_RESET = "password_was_reset"  # noqa: S105
    EMAIL_CHANGED = "email_changed"
    ACCOUNT_DELETED = "account_deleted"


class MailRequest(Identified, CreatedAt, RequestOriginMixin, table=True):
    """A request to send an email. The job that sends it looks up whether an account has the address."""

    __tablename__ = "auth_mail_requests"
    __privacy__ = Privacy(
        "the addressee",
        "until the email is sent; seven days for an email change",
        personal=("email", "full_name", "ip", "user_agent"),
        non_personal=("purpose",),
        erasures=(
            Erasure("user_id", condition="purpose <> 'account_deleted'"),
            Erasure("email", ColumnContent.EMAIL, condition="purpose <> 'account_deleted'"),
        ),
    )

    purpose: MailPurpose = Field(sa_type=String(24))
    email: str = Field(max_length=EMAIL_LENGTH, index=True)
    full_name: str = Field(default="", max_length=NAME_LENGTH)
    user_id: UUID | None = Field(default=None, foreign_key="users.id", ondelete="CASCADE", index=True)
    expires_at: datetime = Field(sa_type=TIMESTAMP, index=True)


class MailToken(CreatedAt, table=True):
    """The token of an emailed link. Depending on the purpose, its subject is a registration, user or mail request."""

    __tablename__ = "auth_mail_tokens"
    __privacy__ = Privacy("the addressee", "as long as the link works", non_personal=("purpose",))
    __table_args__: Any = (Index("ix_auth_mail_tokens_subject_id_purpose", "subject_id", "purpose"),)

    token_hash: bytes = Field(sa_type=LargeBinary, primary_key=True, repr=False)
    purpose: MailPurpose = Field(sa_type=String(24))
    subject_id: UUID
    handle_hash: bytes | None = Field(
        default=None, sa_type=LargeBinary, repr=False, description="Hash of the requesting device's handle."
    )
    expires_at: datetime = Field(sa_type=TIMESTAMP, index=True)


class ThrottleCounter(SQLModel, table=True):
    """Counts failed sign-ins of an account, a network address or a pair of both, under a hash."""

    __tablename__ = "auth_throttles"
    __privacy__ = Privacy("none: the keys are hashes", "two hours after the last failure")

    key: bytes = Field(sa_type=LargeBinary, primary_key=True)
    failures: int = Field(default=0)
    counted_at: datetime = Field(sa_type=TIMESTAMP, index=True)
    blocked_until: datetime | None = Field(default=None, sa_type=TIMESTAMP)
