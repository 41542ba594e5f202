"""Identifiers: UUIDv7 (RFC 9562), made by the client so that rows know their id before they are written."""

from uuid import UUID

from uuid_utils.compat import uuid7

__all__ = ["UUID", "new_id"]


def new_id() -> UUID:
    """A new UUIDv7: sorts by time of creation, strictly increasing within a process."""
    return uuid7()
