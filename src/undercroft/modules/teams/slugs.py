"""Slugs of teams, unique among teams that are not deleted."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError

from undercroft.core.ids import new_id
from undercroft.core.validation import make_slug
from undercroft.modules.teams.errors import SlugTaken
from undercroft.modules.teams.repository import TeamRepository

STEM_LENGTH = 50
"""Maximum characters of a generated slug, which leaves room for a random suffix."""


def suggest_slug(name: str) -> str:
    """Derive a slug from a team name, without checking that it is free."""
    return make_slug(name, max_length=STEM_LENGTH) or "team"


async def make_unique_slug(teams: TeamRepository, slug: str) -> str:
    """Return the slug, with a random suffix if it is taken."""
    if not await teams.slug_exists(slug):
        return slug
    return f"{slug[:STEM_LENGTH].rstrip('-')}-{new_id().hex[-8:]}"


@contextmanager
def raise_on_slug_conflict(slug: str | None) -> Iterator[None]:
    """Translate a violated unique constraint to `SlugTaken`, for a slug that was free before or was requested."""
    try:
        yield
    except IntegrityError as error:
        raise SlugTaken(details={"slug": slug}) from error
