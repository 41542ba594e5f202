"""Rooms of a team and their bookings: an example of everything that an extension can do."""

from undercroft.core import Module

MODULE = Module(requires=("users", "teams", "flags"), undercroft=">=0.1,<2")
