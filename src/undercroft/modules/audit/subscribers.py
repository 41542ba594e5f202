"""Store audit entries in the database, and erase personal values of deleted users and purged teams."""

from undercroft.core.db import Session
from undercroft.core.events import subscribe
from undercroft.modules.audit.repository import erase_values
from undercroft.modules.audit.service.sink import DatabaseSink
from undercroft.modules.teams import TeamPurged
from undercroft.modules.users import UserDeleted, UserErased

AUDIT_SINK = DatabaseSink()


@subscribe(UserDeleted)
async def erase_deleted_user(session: Session, event: UserDeleted) -> None:
    """Erase names and addresses of a deleted user. Entries keep the ids."""
    await erase_values(session, event.user_id)


@subscribe(UserErased)
async def erase_late_entries(session: Session, event: UserErased) -> None:
    """Erase values recorded since the deletion, by other subscribers or by requests that were still running."""
    await erase_values(session, event.user_id)


@subscribe(TeamPurged)
async def erase_team(session: Session, event: TeamPurged) -> None:
    """Erase the text values of a purged team."""
    await erase_values(session, event.team_id)
