"""Permissions beside those of the resources."""

from undercroft.core.auth import Permission
from undercroft.modules.teams import WRITERS

PERMISSIONS = (Permission("bookings:write", "Book rooms and cancel bookings.", WRITERS),)
