"""What an issuer tells of its people, each piece once and in whatever order it comes."""

from contextlib import suppress
from datetime import timedelta

from undercroft.core.audit import SYSTEM, acting_as
from undercroft.core.db import Session, utc_now
from undercroft.core.errors import Conflict
from undercroft.core.security.tokens import hash_token
from undercroft.modules.identities.errors import AccountInactive
from undercroft.modules.identities.people import People
from undercroft.modules.identities.repository import OnceRepository, session_mark
from undercroft.providers.identity import Event, News

KEPT = timedelta(days=7)
"""Longer than anybody sends an event again, and than a token of a session that ended is valid."""


async def hear(session: Session, provider: str, event: Event) -> None:
    """Make the change that an event reports. A user whose address is not verified, or taken, is not made."""
    once = OnceRepository(session)
    if not await once.use(hash_token(f"event {provider} {event.id}"), until=utc_now() + KEPT):
        return
    if event.news is News.SESSION_ENDED:
        await once.use(session_mark(event.profile.issuer, event.session_id), until=utc_now() + KEPT)
        return
    people = People(session, provider)
    with acting_as(SYSTEM):
        if event.news is News.DELETED:
            await people.end(event.profile)
        elif await people.sync(event.profile) is None:
            with suppress(Conflict, AccountInactive):  # who cannot be let in is told so when they come
                await people.sign_in(event.profile)
