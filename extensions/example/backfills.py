"""Changes of existing rows. Workers run each of them once in every database."""

from uuid import UUID

from extensions.example.models import Booking
from extensions.example.repository import set_minutes
from sqlmodel import col

from undercroft.core.db import Session
from undercroft.jobs import backfill


# Small batches and a long pause, so that the demo bookings take half a minute: watch it in /admin.
@backfill(Booking, where=col(Booking.minutes).is_(None), batch=200, pause=0.2)
async def fill_minutes(session: Session, ids: list[UUID]) -> None:
    """Fill in the durations of bookings that were made before bookings had one."""
    await set_minutes(session, ids)
