"""Processing of an issuer's events about users: each event once, in any order."""

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
"""Longer than providers retry a webhook, and longer than tokens of an ended session are valid."""


async def handle_event(session: Session, provider: str, event: ProviderEvent) -> None:
    """Apply an event. No account is created for a user whose email address is unverified or taken."""
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
            with suppress(Conflict, AccountInactive):  # the user gets this error at the next sign-in
                await linker.sign_in(event.profile)
