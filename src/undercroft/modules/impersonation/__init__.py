"""Administrators who act as somebody, to see what they see: for a short time, with a reason, and in full view."""

REQUIRES = ("users", "auth")
