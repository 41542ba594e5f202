"""Routes of administrators: /api/v1/admin/ext/example/…"""

from extensions.example.repository import count_rooms
from extensions.example.schemas import RoomCount

from undercroft.core.db import ReadSessionDep
from undercroft.core.http import Router

admin = Router(surface="admin", prefix="/rooms", tag="Rooms")


@admin.get("/count", response_model=RoomCount, summary="Count all rooms")
async def count_all_rooms(session: ReadSessionDep) -> RoomCount:
    """Returns the number of rooms of all teams."""
    return RoomCount(rooms=await count_rooms(session))
