"""Permanently delete teams with all their data."""

from undercroft.core.audit import Entry, record
from undercroft.core.db import Session
from undercroft.core.events import publish
from undercroft.modules.teams.events import TeamPurged
from undercroft.modules.teams.models import Team
from undercroft.modules.teams.repository import TeamRepository


async def purge_team(session: Session, team: Team) -> None:
    """Permanently delete a deleted team and the rows that refer to it. The caller has locked the team."""
    await TeamRepository(session).delete(team)
    await record(session, Entry("team.purged", None, "team", team.id, team.id))
    await publish(session, TeamPurged(team.id))


async def purge_abandoned(session: Session) -> None:
    """Purge deleted teams without members: no user could restore them."""
    teams = TeamRepository(session)
    for team_id in await teams.list_abandoned():
        await purge_team(session, await teams.lock_with_deleted(team_id))
