"""Request and response bodies."""

from uuid import UUID

from extensions.example.models import BookingBase
from pydantic import AwareDatetime, ConfigDict, Field

from undercroft.core.validation import Schema


class BookingCreate(Schema):
    model_config = ConfigDict(extra="forbid")

    room_id: UUID
    starts_at: AwareDatetime = Field(description="Start, with a time zone.", examples=["2090-01-01T09:00:00Z"])
    ends_at: AwareDatetime = Field(description="End, with a time zone.", examples=["2090-01-01T10:00:00Z"])


class BookingRead(BookingBase):
    id: UUID
    room_id: UUID
    booked_by: UUID | None = Field(description="User who booked the room; null if the account was deleted.")
    minutes: int | None = Field(description="Duration in minutes; null for old bookings, until the backfill has run.")


class UpcomingBookings(Schema):
    items: list[BookingRead] = Field(description="Bookings that have not ended yet, the next one first.")
    is_free: bool = Field(description="Whether the room is not booked now.")


class OpeningHours(Schema):
    opens: int = Field(description="Hour of the day in UTC.")
    closes: int = Field(description="Hour of the day in UTC.")


class RoomCount(Schema):
    rooms: int = Field(description="Rooms of all teams.")
