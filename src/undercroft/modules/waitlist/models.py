"""The table of the waiting list."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, DateTime, Index, String, text
from sqlmodel import Field, SQLModel

from undercroft.core.db import ColumnContent, Erasure, Identified, Privacy, Timestamped
from undercroft.modules.users import EMAIL_LENGTH

TIMESTAMP: Any = DateTime(timezone=True)


class WaitlistState(StrEnum):
    WAITING = "waiting"
    INVITED = "invited"
    REGISTERED = "registered"


class WaitlistEntryBase(SQLModel):
    email: str = Field(max_length=EMAIL_LENGTH, unique=True, description="Email address, not verified before sign-up.")
    state: WaitlistState = Field(
        default=WaitlistState.WAITING,
        sa_type=String(10),
        description="`waiting`, `invited`, or `registered` once an account has the address.",
    )
    invited_at: datetime | None = Field(
        default=None, sa_type=TIMESTAMP, description="Time of the last invitation; null if there was none."
    )
    invitation_expires_at: datetime | None = Field(
        default=None,
        sa_type=TIMESTAMP,
        description="Time from which the invitation no longer works; null if there was none. Invite again to renew it.",
    )
    registered_at: datetime | None = Field(
        default=None, sa_type=TIMESTAMP, description="Time of the sign-up; null before."
    )


class WaitlistEntry(WaitlistEntryBase, Identified, Timestamped, table=True):
    """An address that waits for an account, with one row however often it asks for one.

    `mailed_at` is the time of the last email that a sign-up caused: strangers cannot fill the mailbox.
    """

    __tablename__ = "waitlist_entries"
    __privacy__ = Privacy(
        "the user who wants to sign up",
        "a year (WAITLIST_RETENTION_DAYS)",
        personal=("email",),
        non_personal=("state",),
        erasures=(Erasure("email", ColumnContent.EMAIL),),
    )
    __table_args__: Any = (
        CheckConstraint("state IN ('waiting', 'invited', 'registered')", "state"),
        CheckConstraint("state <> 'invited' OR invitation_expires_at IS NOT NULL", "invitation"),
        Index("ix_waitlist_entries_waiting", "created_at", "id", postgresql_where=text("state = 'waiting'")),
        Index("ix_waitlist_entries_created_at_id", "created_at", "id"),
    )

    mailed_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)
