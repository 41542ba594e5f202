"""What an issuer tells of its people, each piece once and in whatever order it comes."""

from contextlib import suppress
from datetime import timedelta

from undercroft.core.audit import SYSTEM, use_actor
from undercroft.core.db import Session, utc_now
from undercroft.core.errors import Conflict
from undercroft.core.security.tokens import hash_token
from undercroft.modules.identities.errors import AccountInactive
from undercroft.modules.identities.linker import IdentityLinker
from undercroft.modules.identities.repository import SingleUseRepository, session_mark
from undercroft.providers.identity import ProviderEvent, ProviderEventKind

RETENTION = timedelta(days=7)
"""Longer than anybody sends an event again, and than a token of a session that ended is valid."""


async def handle_event(session: Session, provider: str, event: ProviderEvent) -> None:
    """Make the change that an event reports. A user whose address is not verified, or taken, is not made."""
    once = SingleUseRepository(session)
    if not await once.use(hash_token(f"event {provider} {event.id}"), until=utc_now() + RETENTION):
        return
    if event.kind is ProviderEventKind.SESSION_ENDED:
        await once.use(session_mark(event.profile.issuer, event.session_id), until=utc_now() + RETENTION)
        return
    linker = IdentityLinker(session, provider)
    with use_actor(SYSTEM):
        if event.kind is ProviderEventKind.DELETED:
            await linker.handle_deleted(event.profile)
        elif await linker.sync(event.profile) is None:
            with suppress(Conflict, AccountInactive):  # who cannot be let in is told so when they come
                await linker.sign_in(event.profile)
