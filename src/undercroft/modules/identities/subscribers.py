"""Subscribers to user and sign-in events."""

from undercroft.core.db import Session
from undercroft.core.events import subscribe
from undercroft.modules.identities.repository import IdentityRepository, SingleUseRepository
from undercroft.modules.identities.service.linker import complete_link
from undercroft.modules.identities.service.pending_emails import retry_pending_emails
from undercroft.modules.sessions import SignedIn
from undercroft.modules.users import EmailChanged, SignInsRevoked, UserDeleted


@subscribe(SignedIn)
async def link_pending_identity(session: Session, event: SignedIn) -> None:
    """Link an identity that was matched by its email address, now that the second factor was verified as well."""
    if event.first_factor.identity is not None:
        await complete_link(session, event.user_id, event.first_factor.identity)


@subscribe(SignInsRevoked)
async def revoke_codes(session: Session, event: SignInsRevoked) -> None:
    await SingleUseRepository(session).revoke_codes(event.user_id)


@subscribe(EmailChanged)
async def retry_pending_emails_after_change(session: Session, event: EmailChanged) -> None:
    """Retry accounts that wait for the previous address, which is now free."""
    await retry_pending_emails(session, event.previous)


@subscribe(UserDeleted)
async def delete_identities(session: Session, event: UserDeleted) -> None:
    """Delete the identities of a deleted account and retry accounts that wait for its address."""
    await IdentityRepository(session).delete_by(user_id=event.user_id)
    await SingleUseRepository(session).revoke_codes(event.user_id)
    await retry_pending_emails(session, event.email)
