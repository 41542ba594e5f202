"""Events of bookings. Other extensions may subscribe to them."""

from uuid import UUID

from undercroft.core.events import Event


class RoomBooked(Event, frozen=True):
    booking_id: UUID
