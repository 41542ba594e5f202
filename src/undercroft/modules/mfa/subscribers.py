"""What happens to second factors when something happens to people."""

from undercroft.core.db import Session
from undercroft.core.events import subscribe
from undercroft.modules.mfa.repository import PendingSignInRepository
from undercroft.modules.mfa.reset import erase
from undercroft.modules.users import SignInsRevoked, UserDeleted


@subscribe(SignInsRevoked)
async def revoke_pending_sign_ins(session: Session, event: SignInsRevoked) -> None:
    """A first step of before leads to no session."""
    await PendingSignInRepository(session).erase(event.user_id)


@subscribe(UserDeleted)
async def delete_factors(session: Session, event: UserDeleted) -> None:
    """No factor outlives the account."""
    await erase(session, event.user_id)
