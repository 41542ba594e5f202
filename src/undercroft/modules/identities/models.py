"""Tables of identities that others keep. No token of theirs is kept here."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Index, LargeBinary, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from undercroft.core.db import Erasure, Identified, Privacy, Timestamped
from undercroft.modules.users import EMAIL_LENGTH

TIMESTAMP: Any = DateTime(timezone=True)
ISSUER_LENGTH = 500
SUBJECT_LENGTH = 255


class ExternalIdentity(Identified, Timestamped, table=True):
    """A user at an issuer. Without a user it is a mark that the issuer deleted them, so that no token or webhook that
    is still under way creates the account again; it is removed once none can be (`TOMBSTONE_LIFETIME`)."""

    __tablename__ = "external_identities"
    __privacy__ = Privacy(
        "the user",
        "until it is unlinked or the account is deleted; 30 days after the issuer deleted it",
        personal=("subject", "email", "pending_email"),
        non_personal=("provider", "issuer"),
        erasures=(Erasure("user_id"),),
    )
    __table_args__: Any = (
        Index("uq_external_identities_issuer_subject", "issuer", "subject", unique=True),
        Index("ix_external_identities_user_id", "user_id"),
        Index(
            "ix_external_identities_pending_email", "pending_email", postgresql_where=text("pending_email IS NOT NULL")
        ),
    )

    user_id: UUID | None = Field(default=None, foreign_key="users.id", ondelete="CASCADE", nullable=True)
    provider: str = Field(max_length=20, description="Which of the providers here it came by.")
    issuer: str = Field(max_length=ISSUER_LENGTH)
    subject: str = Field(max_length=SUBJECT_LENGTH, description="Who it is at the issuer; it never changes.")
    email: str | None = Field(default=None, max_length=EMAIL_LENGTH, description="What the issuer said last.")
    email_verified: bool = Field(default=False, nullable=False)
    known_at: datetime | None = Field(
        default=None, sa_type=TIMESTAMP, nullable=True, description="When the issuer knew what is said here."
    )
    pending_email: str | None = Field(
        default=None, max_length=EMAIL_LENGTH, description="The user's new address, as long as another account has it."
    )
    blocked_until: datetime | None = Field(
        default=None, sa_type=TIMESTAMP, nullable=True, description="Until then the issuer lets the user not sign in."
    )
    block_known_at: datetime | None = Field(
        default=None, sa_type=TIMESTAMP, nullable=True, description="When the issuer knew what `blocked_until` says."
    )
    last_used_at: datetime | None = Field(default=None, sa_type=TIMESTAMP, nullable=True)


class UsedMark(SQLModel, table=True):
    """What may be used once and was: the state of a sign-in, the id of a webhook. Kept until it would not do anyway."""

    __tablename__ = "identity_used_marks"
    __privacy__ = Privacy("nobody", "until the mark expires")

    mark: bytes = Field(sa_type=LargeBinary, primary_key=True)
    expires_at: datetime = Field(sa_type=TIMESTAMP, nullable=False, index=True)


class ExchangeCode(SQLModel, table=True):
    """A one-time code that an app exchanges for tokens, with the verifier whose challenge it began with."""

    __tablename__ = "identity_exchange_codes"
    __privacy__ = Privacy(
        "the user",
        "some minutes",
        personal=("first_step",),
        non_personal=("challenge",),
        erasures=(Erasure("user_id"),),
    )

    code_hash: bytes = Field(sa_type=LargeBinary, primary_key=True, repr=False)
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", nullable=False, index=True)
    challenge: str = Field(sa_type=String(43), nullable=False)
    first_step: dict[str, Any] | None = Field(
        default=None, sa_type=JSONB, nullable=True, description="How the user signed in so far."
    )
    expires_at: datetime = Field(sa_type=TIMESTAMP, nullable=False, index=True)
