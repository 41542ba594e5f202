"""A mounted application, for example an existing one: door signs at /api/v1/app/ext/example/rooms/signs/…"""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def show_sign(request: Request) -> PlainTextResponse:
    """Returns the text of a sign. The mount has authenticated the caller."""
    return PlainTextResponse(f"Room {request.path_params['name']}")


signs = Starlette(routes=[Route("/{name}", show_sign)])
