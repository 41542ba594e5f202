"""Removing teams for good, with all they own."""

from undercroft.core.audit import Entry, record
from undercroft.core.db import Session
from undercroft.core.events import publish
from undercroft.modules.teams.events import TeamPurged
from undercroft.modules.teams.models import Team
from undercroft.modules.teams.repository import TeamRepository


async def purge_team(session: Session, team: Team) -> None:
    """Remove a deleted team that is locked, and what refers to it."""
    await TeamRepository(session).delete(team)
    await record(session, Entry("team.purged", None, "team", team.id, team.id))
    await publish(session, TeamPurged(team.id))


async def purge_abandoned(session: Session) -> None:
    """Remove the deleted teams that have no member any more: no one can restore them."""
    teams = TeamRepository(session)
    for team_id in await teams.list_abandoned():
        await purge_team(session, await teams.lock_with_deleted(team_id))
