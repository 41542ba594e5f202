"""What happens to identities when something happens to people."""

from undercroft.core.db import Session
from undercroft.core.events import subscribe
from undercroft.modules.auth import SignedIn
from undercroft.modules.identities.linker import complete_link
from undercroft.modules.identities.pending_emails import retry_pending_emails
from undercroft.modules.identities.repository import IdentityRepository, SingleUseRepository
from undercroft.modules.users import EmailChanged, SignInsRevoked, UserDeleted


@subscribe(SignedIn)
async def link_pending_identity(session: Session, event: SignedIn) -> None:
    """What was found by an address alone is linked once the account's second factor was shown as well."""
    if event.first_factor.identity is not None:
        await complete_link(session, event.user_id, event.first_factor.identity)


@subscribe(SignInsRevoked)
async def revoke_codes(session: Session, event: SignInsRevoked) -> None:
    """A code of before is exchanged for nothing."""
    await SingleUseRepository(session).revoke_codes(event.user_id)


@subscribe(EmailChanged)
async def retry_pending_emails_after_change(session: Session, event: EmailChanged) -> None:
    """The former address is free now for the account that waits for it."""
    await retry_pending_emails(session, event.previous)


@subscribe(UserDeleted)
async def delete_identities(session: Session, event: UserDeleted) -> None:
    """Who they were elsewhere is not stored any more, and their address is free for the account that waits for it."""
    await IdentityRepository(session).erase(event.user_id)
    await SingleUseRepository(session).revoke_codes(event.user_id)
    await retry_pending_emails(session, event.email)
