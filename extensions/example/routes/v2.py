"""Changed routes of version 2: /api/v2/app/ext/example/… All others are served there unchanged."""

from datetime import date
from uuid import UUID

from extensions.example.errors import RoomNotFound
from extensions.example.routes.app import BookingReadServiceDep
from extensions.example.schemas import BookingRead, UpcomingBookings

from undercroft.core.db import utc_now
from undercroft.core.http import Deprecation, Router

rooms_v2 = Router(
    surface="app",
    prefix="/rooms",
    tag="Rooms",
    version=2,
    supersedes=Deprecation(since=date(2026, 12, 1), sunset=date(2027, 12, 1)),
)


@rooms_v2.get(
    "/{room_id}/bookings",
    permission="rooms:read",
    response_model=UpcomingBookings,
    summary="List the upcoming bookings of a room",
    errors=(RoomNotFound,),
)
async def list_bookings(room_id: UUID, service: BookingReadServiceDep) -> UpcomingBookings:
    """Returns bookings that have not ended yet, the next one first, and whether the room is free now.

    Version 1 returns the bare list, to which no field can be added.
    """
    found = [BookingRead.model_validate(each) for each in await service.list_upcoming(room_id)]
    return UpcomingBookings(items=found, is_free=not any(each.starts_at <= utc_now() for each in found))
