"""Tables of second factors. Secrets of apps are sealed, codes, tokens and challenges kept as hashes."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, LargeBinary, String, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from undercroft.core.db import Erasure, Identified, Privacy, Timestamped, utc_now
from undercroft.core.validation import Name
from undercroft.modules.auth import SessionKind

TIMESTAMP: Any = DateTime(timezone=True)
NAME_LENGTH = 100


class Factor(StrEnum):
    """The kinds of second factor; what `users.second_factors` holds."""

    TOTP = "totp"
    PASSKEY = "passkey"


class Totp(SQLModel, table=True):
    """Somebody's authenticator app, and the one that is being set up in its place."""

    __tablename__ = "mfa_totps"
    __privacy__ = Privacy("the user", "until it is removed", erasures=(Erasure("user_id"),))
    __table_args__: Any = (CheckConstraint("(secret_sealed IS NULL) = (confirmed_at IS NULL)", "confirmed"),)

    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", primary_key=True)
    secret_sealed: bytes | None = Field(default=None, sa_type=LargeBinary, nullable=True, repr=False)
    confirmed_at: datetime | None = Field(default=None, sa_type=TIMESTAMP, nullable=True)
    last_step: int = Field(
        default=0, sa_type=BigInteger, nullable=False, description="No code up to it is taken again."
    )
    pending_sealed: bytes | None = Field(default=None, sa_type=LargeBinary, nullable=True, repr=False)
    pending_at: datetime | None = Field(default=None, sa_type=TIMESTAMP, nullable=True)


class RecoveryCode(SQLModel, table=True):
    """A code that works once; the row goes with its use."""

    __tablename__ = "mfa_recovery_codes"
    __privacy__ = Privacy("the user", "until it is used or renewed", erasures=(Erasure("user_id"),))

    code_hash: bytes = Field(sa_type=LargeBinary, primary_key=True, repr=False)
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", nullable=False, index=True)


class Passkey(Identified, Timestamped, table=True):
    """A credential of WebAuthn: the public half of a key pair that an authenticator keeps."""

    __tablename__ = "mfa_passkeys"
    __privacy__ = Privacy(
        "the user",
        "until it is removed",
        personal=("name",),
        non_personal=("transports",),
        erasures=(Erasure("user_id"),),
    )

    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", nullable=False, index=True)
    name: Name = Field(max_length=NAME_LENGTH, nullable=False)
    credential_id: bytes = Field(sa_type=LargeBinary, unique=True, nullable=False, repr=False)
    public_key: bytes = Field(sa_type=LargeBinary, nullable=False, repr=False, description="A COSE key (RFC 9052).")
    sign_count: int = Field(default=0, sa_type=BigInteger, nullable=False, description="The last that was seen.")
    transports: list[str] = Field(
        default_factory=list,
        sa_type=ARRAY(String(16)),
        sa_column_kwargs={"server_default": text("'{}'")},
        nullable=False,
        description="How browsers reach it.",
    )
    backed_up: bool = Field(
        default=False, nullable=False, description="Whether a copy is kept, in a cloud for example."
    )
    last_used_at: datetime | None = Field(default=None, sa_type=TIMESTAMP, nullable=True)


class ChallengePurpose(StrEnum):
    """What a challenge is for. Its subject is a person, a session, a sign-in, or nobody known yet."""

    REGISTER = "register"
    STEP_UP = "step_up"
    SECOND_FACTOR = "second_step"
    SIGN_IN = "sign_in"


class Challenge(SQLModel, table=True):
    """What an authenticator is to sign; the row goes with its first use."""

    __tablename__ = "mfa_challenges"
    __privacy__ = Privacy("the user", "some minutes", non_personal=("purpose",), erasures=(Erasure("subject_id"),))

    challenge_hash: bytes = Field(sa_type=LargeBinary, primary_key=True)
    purpose: ChallengePurpose = Field(sa_type=String(16), nullable=False)
    subject_id: UUID | None = Field(default=None, nullable=True)
    expires_at: datetime = Field(sa_type=TIMESTAMP, nullable=False, index=True)


class PendingSignIn(Identified, table=True):
    """Somebody who has done the first step of signing in. The row goes with the second, or with too many tries."""

    __tablename__ = "mfa_halfway_sign_ins"
    __privacy__ = Privacy(
        "the user", "some minutes", personal=("first_step",), non_personal=("kind",), erasures=(Erasure("user_id"),)
    )

    token_hash: bytes = Field(sa_type=LargeBinary, unique=True, nullable=False, repr=False)
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", nullable=False, index=True)
    kind: SessionKind = Field(sa_type=String(8), nullable=False)
    password_mark: bytes = Field(
        sa_type=LargeBinary, nullable=False, repr=False, description="Tells a changed password."
    )
    first_step: dict[str, Any] | None = Field(
        default=None, sa_type=JSONB, nullable=True, description="How the user signed in so far."
    )
    failures: int = Field(default=0, nullable=False)
    created_at: datetime = Field(default_factory=utc_now, sa_type=TIMESTAMP, nullable=False)
    expires_at: datetime = Field(sa_type=TIMESTAMP, nullable=False, index=True)
