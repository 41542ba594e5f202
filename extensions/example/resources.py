"""Entities with the usual routes, permissions, audit entries and admin views."""

from typing import Any

from extensions.example.errors import RoomInUse, RoomNotFound
from extensions.example.models import Device, DeviceStatus, Room
from extensions.example.repository import BookingRepository, RoomRepository

from undercroft.core.crud import Resource
from undercroft.core.db import utc_now
from undercroft.jobs import enqueue
from undercroft.modules.teams import ADMINS, ALL_ROLES, WRITERS


class RoomResource(Resource[Room]):
    """Rooms of the current team and their bookings."""

    model = Room
    repository = RoomRepository
    not_found = RoomNotFound
    readers, writers = ALL_ROLES, ADMINS
    searchable = ("name",)
    sortable = ("created_at", "name", "seats")
    example = {"name": "Library", "seats": 8}
    icon = "fa-solid fa-door-open"
    label = "name"
    admin_columns = ("name", "seats", "team_id", "created_at")

    async def before_delete(self, row: Room) -> None:
        """Raises `RoomInUse`."""
        if await BookingRepository(self.session, self.team_id).list_upcoming(row.id, utc_now()):
            raise RoomInUse


class DeviceResource(Resource[Device]):
    """Devices in the rooms of the current team, such as projectors."""

    model = Device
    readers, writers = ALL_ROLES, WRITERS
    searchable = ("name",)
    sortable = ("created_at", "name")
    filters = ("room_id", "status")
    read_only = ("status",)
    icon = "fa-solid fa-plug"
    label = "name"
    admin_columns = ("name", "room_id", "status", "team_id", "created_at")

    async def after_create(self, row: Device) -> None:
        from extensions.example.tasks import check_devices

        await enqueue(self.session, check_devices, team_id=self.team_id, device_id=row.id)

    async def before_update(self, row: Device, values: dict[str, Any]) -> None:
        """A device that moved to another room is checked again."""
        if values.get("room_id", row.room_id) != row.room_id:
            values["status"] = DeviceStatus.UNCHECKED
