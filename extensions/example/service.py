"""The use cases of bookings."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from extensions.example.errors import OutsideOpeningHours, RoomTaken
from extensions.example.events import RoomBooked
from extensions.example.models import Booking
from extensions.example.repository import BookingRepository, RoomRepository
from extensions.example.schemas import BookingCreate
from extensions.example.settings import ExampleSettings

from undercroft.core.audit import Entry, record
from undercroft.core.auth import Principal
from undercroft.core.db import ReadSession, Session, utc_now
from undercroft.core.events import publish
from undercroft.core.settings import load


class BookingReadService:
    def __init__(self, session: ReadSession, principal: Principal) -> None:
        self._rooms = RoomRepository(session, principal.team_id)
        self._bookings = BookingRepository(session, principal.team_id)

    async def list_upcoming(self, room_id: UUID) -> Sequence[Booking]:
        """List the upcoming bookings of a room. Raises `RoomNotFound`."""
        room = await self._rooms.get(room_id)
        return await self._bookings.list_upcoming(room.id, utc_now())


class BookingService:
    def __init__(self, session: Session, principal: Principal) -> None:
        self._session = session
        self._principal = principal
        self._rooms = RoomRepository(session, principal.team_id)
        self._bookings = BookingRepository(session, principal.team_id)

    async def book(self, data: BookingCreate) -> Booking:
        """Book a room. Raises `RoomNotFound`, `OutsideOpeningHours` and `RoomTaken`."""
        _require_opening_hours(data.starts_at, data.ends_at)
        room = await self._rooms.lock(data.room_id)  # one booking of a room at a time
        if await self._bookings.is_taken(room.id, data.starts_at, data.ends_at):
            raise RoomTaken
        minutes = round((data.ends_at - data.starts_at).total_seconds() / 60)
        by = self._principal.user_id_or_none
        booking = await self._bookings.create(
            Booking(**data.model_dump(), team_id=room.team_id, booked_by=by, minutes=minutes)
        )
        await self._record("booking.created", booking.id, after=data.model_dump(mode="json"))
        await publish(self._session, RoomBooked(booking.id))
        return booking

    async def cancel(self, booking_id: UUID) -> None:
        """Cancel a booking. Raises `BookingNotFound`."""
        await self._bookings.delete(await self._bookings.lock(booking_id))
        await self._record("booking.canceled", booking_id)

    async def _record(self, action: str, booking_id: UUID, after: dict[str, object] | None = None) -> None:
        team_id = self._principal.team_id
        entry = Entry(action, target_type="booking", target_id=booking_id, team_id=team_id, after=after or {})
        await record(self._session, entry)


def _require_opening_hours(starts_at: datetime, ends_at: datetime) -> None:
    settings = load(ExampleSettings)
    opens = starts_at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(hours=settings.opens)
    closes = opens + timedelta(hours=settings.closes - settings.opens)
    if not opens <= starts_at < ends_at <= closes:
        raise OutsideOpeningHours
