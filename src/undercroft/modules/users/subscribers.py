"""What owners of accounts are told by email."""

from uuid import UUID

from undercroft.core.audit import Entry, follow
from undercroft.core.db import Session
from undercroft.modules.users.notices import tell


@follow("user.role_changed")
async def notify_of_role(session: Session, entry: Entry) -> None:
    """Who administers the platform can take over every account."""
    await tell(session, _user(entry), "role_changed", role=str(entry.after["role"]))


@follow("user.email_changed")
async def notify_of_address(session: Session, entry: Entry) -> None:
    """At the address that signs in from now on; the earlier one gets an email of its own."""
    await tell(session, _user(entry), "email_added")


def _user(entry: Entry) -> UUID:
    assert entry.target_id is not None
    return entry.target_id
