"""Lets administrators impersonate a user to see what the user sees: read-only, time-limited and audited."""

from undercroft.core import Module

MODULE = Module(requires=("users", "sessions"), optional=True)
