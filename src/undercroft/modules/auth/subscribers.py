"""What signing in does when something happens to people."""

from undercroft.core.db import Session
from undercroft.core.events import subscribe
from undercroft.modules.auth.models import MailPurpose
from undercroft.modules.auth.recovery import revoke_sign_ins
from undercroft.modules.auth.repository import MailRequestRepository, MailTokenRepository, SessionRepository
from undercroft.modules.users import UserDeactivated, UserDeleted


@subscribe(UserDeactivated)
async def sign_out_everywhere(session: Session, event: UserDeactivated) -> None:
    """Who comes back later signs in anew, by no link that was mailed before."""
    await revoke_sign_ins(session, event.user_id)


@subscribe(UserDeleted)
async def forget_person(session: Session, event: UserDeleted) -> None:
    """No session and no link outlives the account."""
    await SessionRepository(session).erase(event.user_id)
    await MailTokenRepository(session).void_links(event.user_id)
    await MailTokenRepository(session).consume(MailPurpose.VERIFY_EMAIL, event.user_id)
    await MailRequestRepository(session).erase(event.user_id)
