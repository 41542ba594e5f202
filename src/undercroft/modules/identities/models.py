"""Tables of external identities. Tokens of identity providers are not stored."""

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
    """A user at an issuer.

    Without `user_id` it is a tombstone: the issuer deleted the user, and a late token or webhook must not create the
    account again. Tombstones are deleted after `TOMBSTONE_LIFETIME`.
    """

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

    user_id: UUID | None = Field(default=None, foreign_key="users.id", ondelete="CASCADE")
    provider: str = Field(max_length=20, description="Name of the provider by which it was linked.")
    issuer: str = Field(max_length=ISSUER_LENGTH)
    subject: str = Field(max_length=SUBJECT_LENGTH, description="Permanent ID of the user at the issuer.")
    email: str | None = Field(default=None, max_length=EMAIL_LENGTH, description="Address last reported by the issuer.")
    email_verified: bool = Field(default=False)
    known_at: datetime | None = Field(
        default=None, sa_type=TIMESTAMP, description="Time of the stored profile at the issuer."
    )
    pending_email: str | None = Field(
        default=None, max_length=EMAIL_LENGTH, description="New address of the user while another account has it."
    )
    blocked_until: datetime | None = Field(default=None, sa_type=TIMESTAMP, description="End of a block by the issuer.")
    block_known_at: datetime | None = Field(
        default=None, sa_type=TIMESTAMP, description="Time of `blocked_until` at the issuer."
    )
    last_used_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)


class UsedMark(SQLModel, table=True):
    """A used single-use value: the state of a flow or the ID of a webhook. Stored until the value is invalid anyway."""

    __tablename__ = "identity_used_marks"
    __privacy__ = Privacy("no user", "until the mark expires")

    mark: bytes = Field(sa_type=LargeBinary, primary_key=True)
    expires_at: datetime = Field(sa_type=TIMESTAMP, index=True)


class ExchangeCode(SQLModel, table=True):
    """A one-time code that an app exchanges for tokens, together with the PKCE verifier of its challenge."""

    __tablename__ = "identity_exchange_codes"
    __privacy__ = Privacy(
        "the user",
        "some minutes",
        personal=("first_factor",),
        non_personal=("challenge",),
        erasures=(Erasure("user_id"),),
    )

    code_hash: bytes = Field(sa_type=LargeBinary, primary_key=True, repr=False)
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", index=True)
    challenge: str = Field(sa_type=String(43))
    first_factor: dict[str, Any] | None = Field(
        default=None, sa_type=JSONB, description="The first factor of the sign-in."
    )
    expires_at: datetime = Field(sa_type=TIMESTAMP, index=True)
