"""What happens to keys when something happens to people."""

from undercroft.core.db import Session
from undercroft.core.events import subscribe
from undercroft.modules.api_keys.repository import ApiKeyRepository
from undercroft.modules.users import UserDeleted


@subscribe(UserDeleted)
async def forget_keys(session: Session, event: UserDeleted) -> None:
    """No key acts for somebody who is gone. What they made for a team is the team's and goes on."""
    await ApiKeyRepository(session).erase(event.user_id)
