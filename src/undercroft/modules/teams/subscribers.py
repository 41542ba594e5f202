"""What teams do when something happens elsewhere."""

from undercroft.core.db import Session
from undercroft.core.events import subscribe
from undercroft.modules.teams.service import create_team
from undercroft.modules.users import UserRegistered


@subscribe(UserRegistered)
async def make_personal_team(session: Session, event: UserRegistered) -> None:
    """Everybody has a team of their own from the first moment, so that data always has one."""
    await create_team(
        session,
        name="Personal",
        slug=f"personal-{event.user_id.hex[-12:]}",
        owner_id=event.user_id,
        personal=True,
    )
