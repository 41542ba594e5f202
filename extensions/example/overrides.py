"""Services of other modules that this extension replaces by a subclass, wherever the application uses them."""

from extensions.example.errors import TeamHasBookings
from extensions.example.repository import BookingRepository

from undercroft.core.db import utc_now
from undercroft.modules.teams import TeamService


class ExampleTeamService(TeamService):
    async def delete(self) -> None:
        """Delete the team. Raises `TeamHasBookings` if it has upcoming ones, and what the original raises."""
        await super().delete()  # first, as it checks access and locks the team; an error rolls it back
        if await BookingRepository(self._session, self._principal.team_id).has_upcoming(utc_now()):
            raise TeamHasBookings


OVERRIDES = {TeamService: ExampleTeamService}
