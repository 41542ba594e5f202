"""Reactions to events: in the transaction of the change or, as here, after its commit in a job of their own."""

from datetime import datetime

from extensions.example.events import RoomBooked
from extensions.example.repository import find_booking

from undercroft.core.db import Session
from undercroft.core.events import subscribe
from undercroft.jobs import current_job
from undercroft.modules.users import UserRepository
from undercroft.providers.email import get_mailer


@subscribe(RoomBooked, after_commit=True, retries=8)
async def confirm_booking(_session: Session, event: RoomBooked) -> None:
    """Email a confirmation to the user who booked the room, unless the booking was canceled."""
    job = current_job()
    async with job.read_session() as session:  # ends before the email is sent, which may take long
        found = await find_booking(session, event.booking_id)
        user = await UserRepository(session).find(found.booked_by) if found and found.booked_by else None
    if found is None or user is None:
        return
    data = {
        "name": user.full_name,
        "room": found.room,
        "starts": _format(found.starts_at),
        "ends": _format(found.ends_at),
    }
    await get_mailer().send(user.email, "example/booking_confirmed", data, key=job.id)


def _format(moment: datetime) -> str:
    return f"{moment:%d %B %Y at %H:%M} UTC"
