"""Reactions to events, in the transaction of the change."""

from extensions.example.events import RoomBooked
from extensions.example.tasks import confirm_booking

from undercroft.core.db import Session
from undercroft.core.events import subscribe
from undercroft.jobs import enqueue


@subscribe(RoomBooked)
async def send_confirmation(session: Session, event: RoomBooked) -> None:
    await enqueue(session, confirm_booking, booking_id=event.booking_id)
