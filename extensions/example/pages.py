"""Pages in a browser: /ext/example/…"""

from pathlib import Path

from extensions.example.settings import ExampleSettings
from fastapi import Request, Response

from undercroft.core.http import Router, asset_url, render_page
from undercroft.core.settings import load

STYLE = Path(__file__).parent / "assets" / "example" / "rooms.css"

pages = Router(surface="root")


@pages.get("/opening-hours")
async def opening_hours_page(request: Request) -> Response:
    """Show the opening hours."""
    settings = load(ExampleSettings)
    return render_page(
        request, "example/opening_hours.html", style=asset_url(STYLE), opens=settings.opens, closes=settings.closes
    )
