"""Tables of identities that others keep. No token of theirs is kept here."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Index, LargeBinary, String
from sqlmodel import Field, SQLModel

from undercroft.core.db import Identified, Timestamped
from undercroft.modules.users import EMAIL_LENGTH

TIMESTAMP: Any = DateTime(timezone=True)
ISSUER_LENGTH = 500
SUBJECT_LENGTH = 255


class ExternalIdentity(Identified, Timestamped, table=True):
    """Somebody at an issuer. Without a user it is a memory that the issuer told of their end, so that nothing of theirs
    which is still under way makes them anew."""

    __tablename__ = "external_identities"
    __table_args__: Any = (
        Index("uq_external_identities_issuer_subject", "issuer", "subject", unique=True),
        Index("ix_external_identities_user_id", "user_id"),
    )

    user_id: UUID | None = Field(default=None, foreign_key="users.id", ondelete="CASCADE", nullable=True)
    provider: str = Field(max_length=20, description="Which of the providers here it came by.")
    issuer: str = Field(max_length=ISSUER_LENGTH)
    subject: str = Field(max_length=SUBJECT_LENGTH, description="Who it is at the issuer, for ever.")
    email: str | None = Field(default=None, max_length=EMAIL_LENGTH, description="What the issuer said last.")
    email_verified: bool = Field(default=False, nullable=False)
    known_at: datetime | None = Field(
        default=None, sa_type=TIMESTAMP, nullable=True, description="When the issuer knew what is said here."
    )
    last_used_at: datetime | None = Field(default=None, sa_type=TIMESTAMP, nullable=True)


class UsedMark(SQLModel, table=True):
    """What may be used once and was: the state of a sign-in, the id of a webhook. Kept until it would not do anyway."""

    __tablename__ = "identity_used_marks"

    mark: bytes = Field(sa_type=LargeBinary, primary_key=True)
    expires_at: datetime = Field(sa_type=TIMESTAMP, nullable=False, index=True)


class ExchangeCode(SQLModel, table=True):
    """A one-time code that an app exchanges for tokens, with the verifier whose challenge it began with."""

    __tablename__ = "identity_exchange_codes"

    code_hash: bytes = Field(sa_type=LargeBinary, primary_key=True, repr=False)
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", nullable=False, index=True)
    challenge: str = Field(sa_type=String(43), nullable=False)
    expires_at: datetime = Field(sa_type=TIMESTAMP, nullable=False, index=True)
