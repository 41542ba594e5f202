"""A plain FastAPI router. Its routes are on the surface `app`, guarded and limited like those of a `Router`.

While an administrator has turned the flag off, they return 404.
"""

from uuid import UUID

from extensions.example.errors import RoomNotFound
from extensions.example.flags import CALENDARS
from extensions.example.models import Booking
from extensions.example.routes.app import BookingReadServiceDep
from fastapi import APIRouter, Depends, Response

from undercroft.core.http import declaration
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


class CalendarResponse(Response):
    media_type = "text/calendar"


@calendars.get(
    "/{room_id}",
    response_class=CalendarResponse,
    responses={200: {"content": {CalendarResponse.media_type: {"example": EXAMPLE}}}},
    summary="Get the calendar of a room",
)
async def get_room_calendar(room_id: UUID, service: BookingReadServiceDep) -> Response:
    """Returns the upcoming bookings as iCalendar (RFC 5545)."""
    events = [line for booking in await service.list_upcoming(room_id) for line in _event(booking)]
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example//rooms//EN", *events, "END:VCALENDAR", ""]
    return CalendarResponse("\r\n".join(lines))


def _event(booking: Booking) -> list[str]:
    return [
        "BEGIN:VEVENT",
        f"UID:{booking.id}",
        f"DTSTAMP:{booking.created_at:{TIME}}",
        f"DTSTART:{booking.starts_at:{TIME}}",
        f"DTEND:{booking.ends_at:{TIME}}",
        "SUMMARY:Booked",
        "END:VEVENT",
    ]
