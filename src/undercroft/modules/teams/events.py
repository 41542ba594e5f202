"""Events of teams, published in the transaction of the change."""

from uuid import UUID

from undercroft.core.events import Event


class TeamPurged(Event, frozen=True):
    """The team and all its data were permanently deleted."""

    team_id: UUID
