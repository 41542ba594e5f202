"""Tables of second factors. TOTP secrets are encrypted; codes, tokens and challenges are stored as hashes."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, LargeBinary, String, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from undercroft.core.db import CreatedAt, Erasure, Identified, Privacy, Timestamped
from undercroft.core.validation import Name
from undercroft.modules.sessions import SessionKind

TIMESTAMP: Any = DateTime(timezone=True)
NAME_LENGTH = 100


class Factor(StrEnum):
    """The kinds of second factor that `users.second_factors` lists."""

    TOTP = "totp"
    PASSKEY = "passkey"


class Totp(SQLModel, table=True):
    """A user's authenticator app, and the pending one that will replace it."""

    __tablename__ = "mfa_totps"
    __privacy__ = Privacy("the user", "until it is removed", erasures=(Erasure("user_id"),))
    __table_args__: Any = (CheckConstraint("(secret_sealed IS NULL) = (confirmed_at IS NULL)", "confirmed"),)

    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", primary_key=True)
    secret_sealed: bytes | None = Field(default=None, sa_type=LargeBinary, repr=False)
    confirmed_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)
    last_step: int = Field(
        default=0,
        sa_type=BigInteger,
        description="Time step of the last used code; codes of this or an earlier step are rejected.",
    )
    pending_sealed: bytes | None = Field(default=None, sa_type=LargeBinary, repr=False)
    pending_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)


class RecoveryCode(SQLModel, table=True):
    """A single-use recovery code. Using the code deletes the row."""

    __tablename__ = "mfa_recovery_codes"
    __privacy__ = Privacy("the user", "until it is used or renewed", erasures=(Erasure("user_id"),))

    code_hash: bytes = Field(sa_type=LargeBinary, primary_key=True, repr=False)
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", index=True)


class Passkey(Identified, Timestamped, table=True):
    """A WebAuthn credential: the public key of a key pair on an authenticator."""

    __tablename__ = "mfa_passkeys"
    __privacy__ = Privacy(
        "the user",
        "until it is removed",
        personal=("name",),
        non_personal=("transports",),
        erasures=(Erasure("user_id"),),
    )

    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", index=True)
    name: Name = Field(max_length=NAME_LENGTH)
    credential_id: bytes = Field(sa_type=LargeBinary, unique=True, repr=False)
    public_key: bytes = Field(sa_type=LargeBinary, repr=False, description="COSE key (RFC 9052).")
    sign_count: int = Field(default=0, sa_type=BigInteger, description="Signature counter at the last use.")
    transports: list[str] = Field(
        default_factory=list,
        sa_type=ARRAY(String(16)),
        sa_column_kwargs={"server_default": text("'{}'")},
        description="Transports by which browsers reach the authenticator.",
    )
    backed_up: bool = Field(default=False, description="Whether the passkey is backed up, for example in a cloud.")
    last_used_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)


class ChallengePurpose(StrEnum):
    """What a challenge is for. Its subject is a user, a session, a pending sign-in, or null if no user is known yet."""

    REGISTER = "register"
    STEP_UP = "step_up"
    SECOND_FACTOR = "second_factor"
    SIGN_IN = "sign_in"


class Challenge(SQLModel, table=True):
    """A challenge for an authenticator to sign. Its first use deletes the row."""

    __tablename__ = "mfa_challenges"
    __privacy__ = Privacy("the user", "some minutes", non_personal=("purpose",), erasures=(Erasure("subject_id"),))

    challenge_hash: bytes = Field(sa_type=LargeBinary, primary_key=True)
    purpose: ChallengePurpose = Field(sa_type=String(16))
    subject_id: UUID | None = Field(default=None)
    expires_at: datetime = Field(sa_type=TIMESTAMP, index=True)


class PendingSignIn(Identified, CreatedAt, table=True):
    """A sign-in that waits for a second factor. Success and too many failures delete the row."""

    __tablename__ = "mfa_pending_sign_ins"
    __privacy__ = Privacy(
        "the user", "some minutes", personal=("first_factor",), non_personal=("kind",), erasures=(Erasure("user_id"),)
    )

    token_hash: bytes = Field(sa_type=LargeBinary, unique=True, repr=False)
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", index=True)
    kind: SessionKind = Field(sa_type=String(8))
    password_digest: bytes = Field(
        sa_type=LargeBinary,
        repr=False,
        description="Digest of the password hash; a changed password invalidates the sign-in.",
    )
    first_factor: dict[str, Any] | None = Field(
        default=None, sa_type=JSONB, description="The first factor of the sign-in."
    )
    failures: int = Field(default=0)
    expires_at: datetime = Field(sa_type=TIMESTAMP, index=True)
