"""What teams do when something happens elsewhere."""

from undercroft.core.db import Session
from undercroft.core.events import subscribe
from undercroft.modules.teams.domains import revoke_claims_of
from undercroft.modules.teams.leaving import leave_all
from undercroft.modules.teams.service import create_team
from undercroft.modules.users import EmailChanged, UserDeactivated, UserDeleted, UserRegistered


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


@subscribe(EmailChanged)
async def revoke_claims_of_the_earlier_address(session: Session, event: EmailChanged) -> None:
    """A domain that was claimed by the earlier address is not the team's any more."""
    await revoke_claims_of(session, event.user_id)


@subscribe(UserDeactivated)
async def revoke_claims_of_the_deactivated(session: Session, event: UserDeactivated) -> None:
    """Who cannot sign in vouches for no domain."""
    await revoke_claims_of(session, event.user_id)


@subscribe(UserDeleted)
async def leave_teams(session: Session, event: UserDeleted) -> None:
    """Nobody belongs to a team without an account; an account that a team needs cannot be given up."""
    await leave_all(session, event.user_id)
