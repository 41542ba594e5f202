"""Demo rooms, devices and fields of users."""

from extensions.example.fields import EmployeeFields
from extensions.example.repository import import_bookings
from extensions.example.resources import DeviceResource, RoomResource

from undercroft.core.db import Session, tenant
from undercroft.modules.teams import TeamRepository
from undercroft.modules.users import DEMO_EMAIL, UserRepository

OLD_BOOKINGS = 20_000
"""Bookings without a duration, for the backfill."""


async def seed(session: Session) -> None:
    """Create the rooms and devices of the demo account and its desk, unless it has some."""
    user = await UserRepository(session).get_by(email=DEMO_EMAIL)
    team = await TeamRepository(session).get_personal(user.id) if user else None
    if user is None or team is None:
        return
    with tenant(team.id):
        rooms = RoomResource.for_team(session, team.id, user.id)
        if await rooms.rows.count():
            return
        for name, seats in (("Library", 8), ("Garden", 20)):
            room = await rooms.create(RoomResource.create_schema(name=name, seats=seats))
        await EmployeeFields.set(session, user.id, desk="Library 4", keyholder=True)
        await import_bookings(session, team.id, room["id"], OLD_BOOKINGS)
        devices = DeviceResource.for_team(session, team.id, user.id)
        await devices.create(DeviceResource.create_schema(name="Projector", room_id=room["id"]))
