"""What happens to second factors when something happens to people."""

from undercroft.core.db import Session
from undercroft.core.events import subscribe
from undercroft.modules.mfa.reset import erase
from undercroft.modules.users import UserDeleted


@subscribe(UserDeleted)
async def forget_factors(session: Session, event: UserDeleted) -> None:
    """No factor outlives the account."""
    await erase(session, event.user_id)
