"""How many may belong to a team.

What a team has paid for is not this module's business: whoever knows binds a function when the process starts,

    async def seats_of_plan(session: Session, team_id: UUID) -> int | None: ...

    teams.set_seat_limit(seats_of_plan)

and it is asked, while the team is held against other changes, whenever somebody is about to join. None is any number.
Without one the setting TEAM_SEAT_LIMIT counts for all teams.

A seat is taken by joining. A pending invitation takes none: a team may invite more people than it has seats, and the
first to accept get them; it cannot invite while all are taken.
"""

from collections.abc import Awaitable, Callable
from uuid import UUID

from undercroft.core.db import Session
from undercroft.core.settings import load
from undercroft.modules.teams.errors import SeatLimitReached
from undercroft.modules.teams.repository import MembershipRepository
from undercroft.modules.teams.settings import TeamSettings

SeatLimit = Callable[[Session, UUID], Awaitable[int | None]]


async def seat_limit_from_settings(_session: Session, _team_id: UUID) -> int | None:
    """The same number for all teams."""
    return load(TeamSettings).team_seat_limit or None


_limit: SeatLimit = seat_limit_from_settings


def set_seat_limit(limit: SeatLimit) -> SeatLimit:
    """Ask this function from now on how many seats a team has; returns the one that was asked until now."""
    global _limit
    before, _limit = _limit, limit
    return before


async def require_seat(session: Session, team_id: UUID) -> None:
    """Raises `SeatLimitReached` when all are taken. The team is held already, so what is counted stays as it is."""
    limit = await _limit(session, team_id)
    if limit is not None and await MembershipRepository(session).size(team_id) >= limit:
        raise SeatLimitReached(details={"seats": limit})
