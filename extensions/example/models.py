"""The tables of rooms, devices and bookings. Their names begin with the name of the extension."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, Index, String
from sqlmodel import Field, SQLModel

from undercroft.core.db import Privacy, SoftDeleted, TenantOwned, Timestamped, Versioned
from undercroft.core.validation import Name


class Room(TenantOwned, Timestamped, table=True):
    __tablename__ = "example_rooms"
    __privacy__ = Privacy("the team", "until the team is purged", non_personal=("name",))

    team_id: UUID = Field(foreign_key="teams.id", ondelete="CASCADE", index=True)
    name: Name = Field(max_length=100, description="Name of the room, at most 100 characters.")
    seats: int = Field(ge=1, le=1000, description="Number of seats.")


class DeviceStatus(StrEnum):
    UNCHECKED = "unchecked"
    WORKING = "working"
    BROKEN = "broken"


class Device(TenantOwned, Timestamped, SoftDeleted, Versioned, table=True):
    __tablename__ = "example_devices"
    __privacy__ = Privacy("the team", "until the team is purged", non_personal=("name", "status"))

    team_id: UUID = Field(foreign_key="teams.id", ondelete="CASCADE", index=True)
    room_id: UUID = Field(foreign_key="example_rooms.id", ondelete="CASCADE", description="Room of the device.")
    name: Name = Field(max_length=100, description="Name of the device, at most 100 characters.")
    status: DeviceStatus = Field(DeviceStatus.UNCHECKED, sa_type=String(20), description="Result of the last check.")


class BookingBase(SQLModel):
    starts_at: datetime = Field(sa_type=DateTime(timezone=True), description="Start, with a time zone.")
    ends_at: datetime = Field(sa_type=DateTime(timezone=True), description="End, with a time zone.")


class Booking(BookingBase, TenantOwned, Timestamped, table=True):
    __tablename__ = "example_bookings"
    __privacy__ = Privacy("the team", "EXAMPLE_KEEP_DAYS after the end")
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="starts_before_end"),
        Index("ix_example_bookings_room_id_ends_at", "room_id", "ends_at"),
    )

    team_id: UUID = Field(foreign_key="teams.id", ondelete="CASCADE", index=True)
    room_id: UUID = Field(foreign_key="example_rooms.id", ondelete="CASCADE")
    booked_by: UUID | None = Field(default=None, foreign_key="users.id", ondelete="SET NULL")
    minutes: int | None = Field(default=None, description="Duration in minutes; null until the backfill has run.")
