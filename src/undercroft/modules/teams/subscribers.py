"""What teams do when something happens elsewhere."""

from undercroft.core.db import Session
from undercroft.core.events import subscribe
from undercroft.modules.teams.joining import join_by_domain
from undercroft.modules.teams.leaving import leave_all
from undercroft.modules.teams.service import create_team
from undercroft.modules.users import EmailChanged, UserDeleted, UserRegistered


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


@subscribe(UserRegistered)
async def join_at_registration(session: Session, event: UserRegistered) -> None:
    """Teams that their domain may join have them from the first moment."""
    await join_by_domain(session, event.user_id)


@subscribe(EmailChanged)
async def join_by_new_address(session: Session, event: EmailChanged) -> None:
    """Whoever proves another address joins the teams of its domain, and stays in those of the earlier one."""
    await join_by_domain(session, event.user_id)


@subscribe(UserDeleted)
async def leave_teams(session: Session, event: UserDeleted) -> None:
    """Nobody belongs to a team without an account; an account that a team needs cannot be given up."""
    await leave_all(session, event.user_id)
