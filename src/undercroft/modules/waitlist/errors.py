"""Errors of the waiting list."""

from undercroft.core.errors import Conflict, NotFound


class WaitlistEntryNotFound(NotFound):
    """`details.entry_ids` lists the entries that do not exist."""

    code = "WAITLIST_ENTRY_NOT_FOUND"
    message = "There is no such entry on the waiting list."


class WaitlistEmpty(Conflict):
    code = "WAITLIST_EMPTY"
    message = "There is no one to invite."
