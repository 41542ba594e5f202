"""Subscribers to user events."""

from undercroft.core.db import Session
from undercroft.core.events import subscribe
from undercroft.modules.mfa.repository import PendingSignInRepository
from undercroft.modules.mfa.service.factors import erase
from undercroft.modules.users import SignInsRevoked, UserDeleted


@subscribe(SignInsRevoked)
async def revoke_pending_sign_ins(session: Session, event: SignInsRevoked) -> None:
    """Delete pending sign-ins, so that they cannot complete."""
    await PendingSignInRepository(session).delete_by(user_id=event.user_id)


@subscribe(UserDeleted)
async def delete_factors(session: Session, event: UserDeleted) -> None:
    await erase(session, event.user_id)
