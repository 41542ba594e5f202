"""Tables of sessions and signing keys. Refresh tokens and cookies are stored as hashes, private keys encrypted."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, Index, LargeBinary, String, text
from sqlmodel import Field

from undercroft.core.db import CreatedAt, Erasure, Identified, Privacy, utc_now

TIMESTAMP: Any = DateTime(timezone=True)
USER_AGENT_LENGTH = 400


class SessionKind(StrEnum):
    BEARER = "bearer"
    COOKIE = "cookie"


class AuthSession(Identified, CreatedAt, table=True):
    """A session on one device: a cookie, or a family of refresh tokens."""

    __tablename__ = "auth_sessions"
    __privacy__ = Privacy(
        "the user",
        "30 days after it ended",
        personal=("ip", "started_ip", "user_agent"),
        non_personal=("kind", "issuer"),
        erasures=(Erasure("user_id"),),
    )
    __table_args__: Any = (
        CheckConstraint("kind IN ('bearer', 'cookie')", "kind"),
        CheckConstraint("(kind = 'cookie') = (cookie_hash IS NOT NULL)", "cookie"),
        Index("ix_auth_sessions_user_id_created_at", "user_id", "created_at"),
        Index("ix_auth_sessions_expires_at", "expires_at"),
        Index(
            "ix_auth_sessions_impersonator_id", "impersonator_id", postgresql_where=text("impersonator_id IS NOT NULL")
        ),
        Index(
            "ix_auth_sessions_impersonator_session_id",
            "impersonator_session_id",
            postgresql_where=text("impersonator_session_id IS NOT NULL"),
        ),
    )

    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE")
    kind: SessionKind = Field(sa_type=String(8))
    cookie_hash: bytes | None = Field(default=None, sa_type=LargeBinary, unique=True, repr=False)
    ip: str = Field(default="", max_length=45, description="IP address of the last use.")
    started_ip: str = Field(
        default="",
        max_length=45,
        sa_column_kwargs={"server_default": ""},
        description="IP address of the sign-in, known to the account; empty once it is no longer trusted.",
    )
    user_agent: str = Field(default="", max_length=USER_AGENT_LENGTH)
    last_seen_at: datetime = Field(default_factory=utc_now, sa_type=TIMESTAMP)
    expires_at: datetime = Field(sa_type=TIMESTAMP, description="Expiry; extended by use.")
    ends_at: datetime = Field(sa_type=TIMESTAMP, description="Latest possible expiry.")
    revoked_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)
    reauthenticated_at: datetime | None = Field(
        default=None, sa_type=TIMESTAMP, description="Time of the last authentication with a password or factor."
    )
    issuer: str = Field(
        default="",
        max_length=500,
        sa_column_kwargs={"server_default": ""},
        description="The identity provider that verified the user; empty if this installation did.",
    )
    passed_mfa: bool = Field(
        default=False,
        sa_column_kwargs={"server_default": text("false")},
        description="Whether the user has used a second factor in this session.",
    )
    impersonator_id: UUID | None = Field(
        default=None,
        foreign_key="users.id",
        ondelete="CASCADE",
        description="The impersonating administrator; such a session has a fixed expiry and is hidden from the user.",
    )
    impersonator_session_id: UUID | None = Field(
        default=None,
        foreign_key="auth_sessions.id",
        ondelete="CASCADE",
        description="The administrator's session, which ends this one; empty for a token of an external issuer.",
    )


class RefreshToken(CreatedAt, table=True):
    """A refresh token in the family of a session: see `service/refresh.py`."""

    __tablename__ = "auth_refresh_tokens"
    __privacy__ = Privacy("the user", "as long as the session, a used one as long as an idle session")

    token_hash: bytes = Field(sa_type=LargeBinary, primary_key=True, repr=False)
    session_id: UUID = Field(foreign_key="auth_sessions.id", ondelete="CASCADE", index=True)
    used_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)
    settled_at: datetime | None = Field(
        default=None,
        sa_type=TIMESTAMP,
        description="Unused. The previous release writes it and runs on this schema during a deployment.",
    )


class KeyState(StrEnum):
    NEXT = "next"
    ACTIVE = "active"
    RETIRED = "retired"


class SigningKey(CreatedAt, table=True):
    """An RSA key pair that signs access tokens. The private key is encrypted under SECRET_KEY, bound to the key ID."""

    __tablename__ = "auth_signing_keys"
    __privacy__ = Privacy(
        "the platform", "as long as the table is not emptied", non_personal=("kid", "state", "public_pem")
    )
    __table_args__: Any = (
        CheckConstraint("state IN ('next', 'active', 'retired')", "state"),
        Index("uq_auth_signing_keys_state", "state", unique=True, postgresql_where=text("state <> 'retired'")),
    )

    kid: str = Field(primary_key=True, max_length=64)
    state: KeyState = Field(sa_type=String(8))
    public_pem: str
    private_sealed: bytes | None = Field(default=None, sa_type=LargeBinary, repr=False)
    activated_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)
    retired_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)
