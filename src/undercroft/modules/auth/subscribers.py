"""Reactions of the auth module to events of users and sessions."""

from undercroft.core.audit import Entry, on_action
from undercroft.core.db import Session
from undercroft.core.events import subscribe
from undercroft.modules.auth.emails import RESET_PAGE, page_url
from undercroft.modules.auth.models import MailPurpose
from undercroft.modules.auth.recovery import revoke_sign_ins
from undercroft.modules.auth.repository import MailRequestRepository, MailTokenRepository, SessionRepository
from undercroft.modules.users import UserDeactivated, UserDeleted, notify


@subscribe(UserDeactivated)
async def sign_out_everywhere(session: Session, event: UserDeactivated) -> None:
    """Revoke all sessions and links, so that a reactivated user has to sign in again."""
    await revoke_sign_ins(session, event.user_id)


@subscribe(UserDeleted)
async def delete_sign_in_data(session: Session, event: UserDeleted) -> None:
    """Delete the sessions and links of a deleted account."""
    await SessionRepository(session).erase(event.user_id)
    await MailTokenRepository(session).revoke_links(event.user_id)
    await MailTokenRepository(session).consume(MailPurpose.VERIFY_EMAIL, event.user_id)
    await MailRequestRepository(session).erase(event.user_id)


@on_action("session.started")
async def notify_of_new_sign_in(session: Session, entry: Entry) -> None:
    """Notify the user of a sign-in from an unknown device and IP address."""
    if entry.target_id is None or entry.actor_id is None or entry.details.get("known_device"):
        return
    if await SessionRepository(session).is_from_new_ip(entry.target_id):
        await notify(session, entry.actor_id, "new_sign_in", reset_link=page_url(RESET_PAGE))


@on_action("refresh_token.reused")
async def notify_of_token_reuse(session: Session, entry: Entry) -> None:
    """Notify the user. Two clients had the same token, and only the user knows whether both are legitimate."""
    assert entry.person_id is not None
    await notify(session, entry.person_id, "session_copied", reset_link=page_url(RESET_PAGE))
