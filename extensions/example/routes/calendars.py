"""A plain FastAPI router. Its routes are on the surface `app`, guarded and limited like those of a `Router`.

While an administrator has turned the flag off, they return 404. The parameter `reminder` is deprecated.
"""

from datetime import date
from typing import Annotated
from uuid import UUID

from extensions.example.errors import RoomNotFound
from extensions.example.flags import CALENDARS
from extensions.example.models import Booking
from extensions.example.routes.app import BookingReadServiceDep
from fastapi import APIRouter, Depends, Query, Response

from undercroft.core.http import Deprecation, declaration
from undercroft.modules.flags import FeatureNotFound, require_flag

calendars = APIRouter(
    prefix="/calendars",
    tags=["Rooms"],
    dependencies=[
        declaration(permission="rooms:read", errors=(RoomNotFound, FeatureNotFound)),
        Depends(require_flag(CALENDARS)),
    ],
)
TIME = "%Y%m%dT%H%M%SZ"
EXAMPLE = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example//rooms//EN\r\nEND:VCALENDAR\r\n"


REMINDER = 15
OLD_REMINDER = Deprecation(since=date(2026, 12, 1), sunset=date(2027, 12, 1), release="0.2", instead="reminder_minutes")


class CalendarResponse(Response):
    media_type = "text/calendar"


Reminder = Annotated[bool, Query(description="Whether to remind 15 minutes before the start.", deprecated=OLD_REMINDER)]
ReminderMinutes = Annotated[
    int | None, Query(ge=1, le=1440, description="Minutes before the start to remind; by default no reminder.")
]


@calendars.get(
    "/{room_id}",
    response_class=CalendarResponse,
    responses={200: {"content": {CalendarResponse.media_type: {"example": EXAMPLE}}}},
    summary="Get the calendar of a room",
)
async def get_room_calendar(
    room_id: UUID, service: BookingReadServiceDep, reminder_minutes: ReminderMinutes = None, reminder: Reminder = False
) -> Response:
    """Returns the upcoming bookings as iCalendar (RFC 5545)."""
    minutes = reminder_minutes or (REMINDER if reminder else None)
    events = [line for booking in await service.list_upcoming(room_id) for line in _event(booking, minutes)]
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example//rooms//EN", *events, "END:VCALENDAR", ""]
    return CalendarResponse("\r\n".join(lines))


def _event(booking: Booking, reminder_minutes: int | None) -> list[str]:
    return [
        "BEGIN:VEVENT",
        f"UID:{booking.id}",
        f"DTSTAMP:{booking.created_at:{TIME}}",
        f"DTSTART:{booking.starts_at:{TIME}}",
        f"DTEND:{booking.ends_at:{TIME}}",
        "SUMMARY:Booked",
        *(_alarm(reminder_minutes) if reminder_minutes else ()),
        "END:VEVENT",
    ]


def _alarm(minutes: int) -> list[str]:
    return ["BEGIN:VALARM", "ACTION:DISPLAY", "DESCRIPTION:Booked", f"TRIGGER:-PT{minutes}M", "END:VALARM"]
