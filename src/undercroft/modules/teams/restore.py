"""Restore deleted teams."""

from undercroft.core.audit import Entry, record
from undercroft.core.db import Session
from undercroft.modules.teams.errors import TeamWithoutOwner
from undercroft.modules.teams.models import Team
from undercroft.modules.teams.repository import MembershipRepository, TeamRepository
from undercroft.modules.teams.slugs import make_unique_slug, raise_on_slug_conflict


async def restore_team(session: Session, team: Team) -> None:
    """Restore a deleted, locked team, with a new slug if its own was taken in the meantime.

    Raises `TeamWithoutOwner`, and `SlugTaken` if a concurrent request takes the slug.
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
