"""What an issuer tells of its people, each piece once and in whatever order it comes."""

from contextlib import suppress
from datetime import timedelta

from undercroft.core.audit import SYSTEM, acting_as
from undercroft.core.db import Session, utc_now
from undercroft.core.errors import Conflict
from undercroft.core.security.tokens import hash_token
from undercroft.modules.identities.errors import AccountInactive
from undercroft.modules.identities.people import People
from undercroft.modules.identities.repository import OnceRepository
from undercroft.providers.identity import Event, News

KEPT = timedelta(days=7)
"""Longer than anybody sends an event again."""


async def hear(session: Session, provider: str, event: Event) -> None:
    """Make the change that an event tells of. Somebody whose address is not theirs, or taken, is not made."""
    if not await OnceRepository(session).use(hash_token(f"event {provider} {event.id}"), until=utc_now() + KEPT):
        return
    people = People(session, provider)
    with acting_as(SYSTEM):
        if event.news is News.DELETED:
            await people.end(event.profile)
        elif await people.sync(event.profile) is None:
            with suppress(Conflict, AccountInactive):  # who cannot be let in is told so when they come
                await people.sign_in(event.profile)
