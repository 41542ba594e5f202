"""Factories for tests, and for the attack on tenant isolation, which needs valid times."""

from datetime import datetime, timedelta

from extensions.example.models import Booking, Device, Room

from undercroft.core.db import utc_now
from undercroft.testing import new_row

IDS = {
    "room_id": new_row(Room),
    "device_id": new_row(Device),
    "booking_id": new_row(Booking, ends_at=lambda _: utc_now() + timedelta(days=8)),
}


def tomorrow(hour: int) -> datetime:
    """Return this hour of tomorrow in UTC."""
    return (utc_now() + timedelta(days=1)).replace(hour=hour, minute=0, second=0, microsecond=0)
