"""The route of the console's configuration."""

from fastapi import Request

from undercroft.core.http import Router, Tag
from undercroft.modules.console.schemas import ConsoleRead
from undercroft.modules.console.service.configuration import read_configuration

CONSOLE = Tag("Console", "What the web console offers.", group="Operations")

public = Router(surface="public", prefix="/console", tag=CONSOLE)


@public.get("", summary="Get the configuration of the console")
async def read_console(request: Request) -> ConsoleRead:
    """Returns what the console offers in this installation."""
    return read_configuration(request.app)
