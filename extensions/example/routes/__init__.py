"""Routes of rooms and bookings: one file for each surface, one with a plain FastAPI router, and one for version 2."""

from extensions.example.routes.admin import admin
from extensions.example.routes.app import bookings, rooms
from extensions.example.routes.calendars import calendars
from extensions.example.routes.public import public
from extensions.example.routes.v2 import rooms_v2

__all__ = ["admin", "bookings", "calendars", "public", "rooms", "rooms_v2"]
