"""What happens to teams, published inside the transaction in which it happens."""

from uuid import UUID

from undercroft.core.events import Event


class TeamPurged(Event, frozen=True):
    """The team and all it owned are removed for good."""

    team_id: UUID
