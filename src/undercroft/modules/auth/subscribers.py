"""Reactions of the auth module to events of users and sessions."""

from undercroft.core.audit import Entry, on_action
from undercroft.core.db import Session
from undercroft.core.events import subscribe
from undercroft.modules.auth.models import MailPurpose
from undercroft.modules.auth.repository import MailRequestRepository, MailTokenRepository
from undercroft.modules.auth.service.emails import LinkPage, page_url
from undercroft.modules.sessions import SessionRepository
from undercroft.modules.users import SignInsRevoked, UserDeleted, notify


@subscribe(SignInsRevoked)
async def revoke_links(session: Session, event: SignInsRevoked) -> None:
    """Revoke the links that would let a user sign in or choose a password."""
    await MailTokenRepository(session).revoke_links(event.user_id)


@subscribe(UserDeleted)
async def delete_links(session: Session, event: UserDeleted) -> None:
    await MailTokenRepository(session).revoke_links(event.user_id)
    await MailTokenRepository(session).consume(MailPurpose.VERIFY_EMAIL, event.user_id)
    await MailRequestRepository(session).erase(event.user_id)


@on_action("session.started")
async def notify_of_new_sign_in(session: Session, entry: Entry) -> None:
    """Notify the user of a sign-in from an unknown device and IP address."""
    if entry.target_id is None or entry.actor_id is None or entry.details.get("known_device"):
        return
    if await SessionRepository(session).is_from_new_ip(entry.target_id):
        await notify(session, entry.actor_id, "auth/new_sign_in", reset_link=page_url(LinkPage.RESET_PASSWORD))


@on_action("refresh_token.reused")
async def notify_of_token_reuse(session: Session, entry: Entry) -> None:
    """Notify the user. Two clients had the same token, and only the user knows whether both are legitimate."""
    assert entry.person_id is not None
    await notify(session, entry.person_id, "auth/session_copied", reset_link=page_url(LinkPage.RESET_PASSWORD))
