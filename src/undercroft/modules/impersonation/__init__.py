"""Lets administrators impersonate a user to see what the user sees: read-only, time-limited and audited."""

REQUIRES = ("users", "auth")
