"""Every query. The base class limits each to one team."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from extensions.example.errors import BookingNotFound, RoomNotFound
from extensions.example.models import Booking, Device, DeviceStatus, Room
from sqlalchemy import Integer, cast, delete, exists, func, select, text, update
from sqlmodel import col

from undercroft.core.crud import CrudRepository
from undercroft.core.db import ReadSession, Session, TenantRepository, all_tenants


class RoomRepository(CrudRepository[Room]):
    model = Room
    not_found = RoomNotFound


class DeviceRepository(TenantRepository[Device]):
    model = Device

    async def mark_working(self, device_id: UUID | None = None) -> int:
        """Mark the unchecked devices, or only one of them, as working; returns their number."""
        query = self._query().where(col(Device.status) == DeviceStatus.UNCHECKED.value)
        if device_id is not None:
            query = query.where(col(Device.id) == device_id)
        devices = (await self._session.scalars(query.with_for_update())).all()
        for device in devices:
            await self.update(device, {"status": DeviceStatus.WORKING})
        return len(devices)


class BookingRepository(TenantRepository[Booking]):
    model = Booking
    not_found = BookingNotFound

    async def is_taken(self, room_id: UUID, starts_at: datetime, ends_at: datetime) -> bool:
        """Return whether a booking of the room overlaps with this time."""
        overlapping = self._query().where(
            col(Booking.room_id) == room_id, col(Booking.starts_at) < ends_at, col(Booking.ends_at) > starts_at
        )
        return bool(await self._session.scalar(select(exists(overlapping))))

    async def list_upcoming(self, room_id: UUID, now: datetime) -> Sequence[Booking]:
        """List the bookings of a room that have not ended yet, the next one first."""
        found = self._query().where(col(Booking.room_id) == room_id, col(Booking.ends_at) > now)
        return (await self._session.scalars(found.order_by(col(Booking.starts_at)))).all()

    async def has_upcoming(self, now: datetime) -> bool:
        """Return whether the team has a booking that has not ended yet."""
        return bool(await self._session.scalar(select(exists(self._query().where(col(Booking.ends_at) > now)))))


async def count_rooms(session: ReadSession) -> int:
    """Count the rooms of all teams."""
    with all_tenants():
        # undercroft: allow tenant-scope because the statistics count all teams
        return int(await session.scalar(select(func.count()).select_from(Room)) or 0)


async def find_booking(session: ReadSession, booking_id: UUID) -> Any:
    """Return the `booked_by`, `starts_at`, `ends_at` and `room` (its name) of a booking of any team, for its email."""
    columns: Any = (col(Booking.booked_by), col(Booking.starts_at), col(Booking.ends_at), col(Room.name).label("room"))
    # undercroft: allow tenant-scope because the job has only the ID of the booking
    query = select(*columns).join(Room, col(Room.id) == col(Booking.room_id)).where(col(Booking.id) == booking_id)
    with all_tenants():
        return (await session.execute(query)).one_or_none()


async def delete_past(session: Session, before: datetime) -> int:
    """Delete the bookings of all teams that ended before this time; returns their number."""
    with all_tenants():
        # undercroft: allow tenant-scope because the nightly job cleans up all teams
        ended = delete(Booking).where(col(Booking.ends_at) < before).returning(col(Booking.id))
        return len((await session.scalars(ended)).all())


async def set_minutes(session: Session, booking_ids: Sequence[UUID]) -> None:
    """Set the durations of these bookings of all teams."""
    seconds = func.extract("epoch", col(Booking.ends_at) - col(Booking.starts_at))
    # undercroft: allow tenant-scope because the backfill changes the bookings of all teams
    change = update(Booking).where(col(Booking.id).in_(booking_ids))
    await session.execute(change.values(minutes=cast(func.round(seconds / 60), Integer)))


IMPORT_BOOKINGS = text("""
INSERT INTO example_bookings (id, team_id, room_id, starts_at, ends_at, created_at, updated_at)
SELECT gen_random_uuid(), :team_id, :room_id, day + interval '9 hours', day + interval '10 hours', now(), now()
FROM generate_series(1, :number) AS n,
    LATERAL (SELECT date_trunc('day', now()) - (n % 60 + 1) * interval '1 day') AS d (day)
""")


async def import_bookings(session: Session, team_id: UUID, room_id: UUID, number: int) -> None:
    """Create past bookings as an earlier release did, without durations."""
    await session.execute(IMPORT_BOOKINGS, {"team_id": team_id, "room_id": room_id, "number": number})
