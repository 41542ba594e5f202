"""Seat limits of teams.

The number of seats depends on billing, which this module does not know. Another module sets a function at startup:

    async def seats_of_plan(session: Session, team_id: UUID) -> int | None: ...

    teams.set_seat_limit(seats_of_plan)

The function is called with the team locked, before a user joins. None means unlimited. Without a function the setting
TEAM_SEAT_LIMIT applies to all teams.

A member takes a seat, a pending invitation does not: a team may invite more users than it has seats, and the first to
accept get them. It cannot invite while all seats are taken.
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
    """Return the setting TEAM_SEAT_LIMIT for every team."""
    return load(TeamSettings).team_seat_limit or None


_limit: SeatLimit = seat_limit_from_settings


def set_seat_limit(limit: SeatLimit) -> SeatLimit:
    """Set the function that returns the number of seats of a team; return the previous one."""
    global _limit
    before, _limit = _limit, limit
    return before


async def require_seat(session: Session, team_id: UUID) -> None:
    """Raises `SeatLimitReached` when all seats are taken. The caller has locked the team, so the count is stable."""
    limit = await _limit(session, team_id)
    if limit is not None and await MembershipRepository(session).size(team_id) >= limit:
        raise SeatLimitReached(details={"seats": limit})
