"""Routes of bookings, beside those of the resources: /api/v1/app/ext/example/…"""

import json
from typing import Annotated
from uuid import UUID

from extensions.example.errors import BookingNotFound, OutsideOpeningHours, RoomNotFound, RoomTaken
from extensions.example.models import Booking
from extensions.example.routes.signs import signs
from extensions.example.schemas import BookingCreate, BookingRead
from extensions.example.service import BookingReadService, BookingService
from fastapi import Depends, WebSocket

from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.http import CurrentPrincipal, Exempt, Router

rooms = Router(surface="app", prefix="/rooms", tag="Rooms")
bookings = Router(surface="app", prefix="/bookings", tag="Rooms")


async def get_read_service(principal: CurrentPrincipal, session: ReadSessionDep) -> BookingReadService:
    return BookingReadService(session, principal)


async def get_service(principal: CurrentPrincipal, session: SessionDep) -> BookingService:
    return BookingService(session, principal)


BookingReadServiceDep = Annotated[BookingReadService, Depends(get_read_service)]
BookingServiceDep = Annotated[BookingService, Depends(get_service)]


@rooms.get(
    "/{room_id}/bookings",
    permission="rooms:read",
    response_model=list[BookingRead],
    summary="List the upcoming bookings of a room",
    errors=(RoomNotFound,),
)
async def list_bookings(room_id: UUID, service: BookingReadServiceDep) -> list[Booking]:
    """Returns bookings that have not ended yet, the next one first."""
    return list(await service.list_upcoming(room_id))


@rooms.websocket("/{room_id}/live", permission="rooms:read", audit=Exempt("It only reads."))
async def watch_room(websocket: WebSocket, room_id: UUID, service: BookingReadServiceDep) -> None:
    """Sends the upcoming bookings of a room at once, and again for each message of the client."""
    await websocket.accept()
    while True:
        found = await service.list_upcoming(room_id)
        await websocket.send_text(
            json.dumps([BookingRead.model_validate(each).model_dump(mode="json") for each in found])
        )
        await websocket.receive_text()


rooms.mount("/signs", signs, permission="rooms:read", audit=Exempt("It only reads."))


@bookings.post(
    "",
    status_code=201,
    permission="bookings:write",
    audit="booking.created",
    limit="bookings",
    response_model=BookingRead,
    summary="Book a room",
    errors=(RoomNotFound, RoomTaken, OutsideOpeningHours),
)
async def create_booking(body: BookingCreate, service: BookingServiceDep) -> Booking:
    """Books a room, unless it is taken. The user receives a confirmation by email."""
    return await service.book(body)


@bookings.delete(
    "/{booking_id}",
    status_code=204,
    permission="bookings:write",
    audit="booking.canceled",
    summary="Cancel a booking",
    errors=(BookingNotFound,),
)
async def cancel_booking(booking_id: UUID, service: BookingServiceDep) -> None:
    """Deletes the booking, so that the room can be booked again."""
    await service.cancel(booking_id)
