"""Routes without authentication: /api/v1/public/ext/example/…"""

from extensions.example.schemas import OpeningHours
from extensions.example.settings import ExampleSettings

from undercroft.core.http import Router
from undercroft.core.settings import load

public = Router(surface="public", tag="Rooms")


@public.get("/opening-hours", response_model=OpeningHours, summary="Get the opening hours")
async def get_opening_hours() -> OpeningHours:
    """Returns the hours between which rooms can be booked."""
    settings = load(ExampleSettings)
    return OpeningHours(opens=settings.opens, closes=settings.closes)
