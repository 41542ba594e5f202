"""Demo entries."""

from undercroft.core.db import Session
from undercroft.modules.waitlist.models import WaitlistEntry
from undercroft.modules.waitlist.repository import WaitlistRepository

DEMO_ENTRIES = tuple(f"visitor{number}@example.com" for number in range(1, 4))


async def seed(session: Session) -> None:
    """Add entries to an empty waiting list."""
    entries = WaitlistRepository(session)
    if not await entries.count():
        await entries.create_many(WaitlistEntry(email=email) for email in DEMO_ENTRIES)
