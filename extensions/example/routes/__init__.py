"""Routes of rooms and bookings, one file for each surface, and one with a plain FastAPI router."""

from extensions.example.routes.admin import admin
from extensions.example.routes.app import bookings, rooms
from extensions.example.routes.calendars import calendars
from extensions.example.routes.public import public

__all__ = ["admin", "bookings", "calendars", "public", "rooms"]
