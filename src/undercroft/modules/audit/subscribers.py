"""Binds the audit log to every process, and erases from it who has gone."""

from undercroft.core import audit
from undercroft.core.db import Session
from undercroft.core.events import subscribe
from undercroft.modules.audit.erasure import erase_values
from undercroft.modules.audit.sink import DatabaseSink
from undercroft.modules.teams import TeamPurged
from undercroft.modules.users import UserDeleted, UserErased

audit.set_sink(DatabaseSink())


@subscribe(UserDeleted)
async def erase_deleted_user(session: Session, event: UserDeleted) -> None:
    """Names and addresses go with the account; what was done to what remains, by ids."""
    await erase_values(session, event.user_id)


@subscribe(UserErased)
async def erase_late_entries(session: Session, event: UserErased) -> None:
    """What others recorded of the same deletion, or of requests that were still on their way."""
    await erase_values(session, event.user_id)


@subscribe(TeamPurged)
async def erase_team(session: Session, event: TeamPurged) -> None:
    """The texts of a team go with what it owned."""
    await erase_values(session, event.team_id)
