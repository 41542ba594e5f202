"""Bringing deleted teams back."""

from undercroft.core.audit import Entry, record
from undercroft.core.db import Session
from undercroft.modules.teams.errors import TeamWithoutOwner
from undercroft.modules.teams.models import Team
from undercroft.modules.teams.repository import MembershipRepository, TeamRepository
from undercroft.modules.teams.slugs import make_unique_slug, raise_on_slug_conflict


async def restore_team(session: Session, team: Team) -> None:
    """Bring back a deleted team that is held, under another slug when its own was taken meanwhile.

    Raises `TeamWithoutOwner`, and `SlugTaken` when somebody takes it at this moment.
    """
    if not await MembershipRepository(session).count_owners(team.id):
        raise TeamWithoutOwner
    teams = TeamRepository(session)
    slug = await make_unique_slug(teams, team.slug)
    moved = {} if slug == team.slug else {"slug": slug}
    before = {"deleted": True, **dict.fromkeys(moved, team.slug)}
    with raise_on_slug_conflict(slug):
        await teams.update(team, {"deleted_at": None, **moved})
    after = {"deleted": False, **moved}
    await record(session, Entry("team.restored", None, "team", team.id, team.id, before=before, after=after))
