"""Slugs: no two living teams have the same."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError

from undercroft.core.ids import new_id
from undercroft.core.validation import make_slug
from undercroft.modules.teams.errors import SlugTaken
from undercroft.modules.teams.repository import TeamRepository

STEM_LENGTH = 50
"""Characters of a made-up slug, so that there is room for a few random ones."""


def suggest_slug(name: str) -> str:
    """What a team of this name would be called if nobody else is."""
    return make_slug(name, max_length=STEM_LENGTH) or "team"


async def make_unique_slug(teams: TeamRepository, slug: str) -> str:
    """The slug, with a few random letters behind it unless it is free."""
    if not await teams.slug_exists(slug):
        return slug
    return f"{slug[:STEM_LENGTH].rstrip('-')}-{new_id().hex[-8:]}"


@contextmanager
def raise_on_slug_conflict(slug: str | None) -> Iterator[None]:
    """Writes a slug that was free a moment ago, or that somebody asked for. Raises `SlugTaken`."""
    try:
        yield
    except IntegrityError as error:
        raise SlugTaken(details={"slug": slug}) from error
