"""Which team a request is about: the header `X-Team-ID`.

Without it, the principal's statement takes the user's personal team (`repository/principals.py`).
"""

from typing import Any
from uuid import UUID

from starlette.requests import HTTPConnection

from undercroft.core import RequestHeader
from undercroft.core.http import Surface, get_info

NO_TEAM = UUID(int=0)

TEAM_HEADER = RequestHeader(
    "X-Team-ID",
    "Current team; the user's personal team by default. A team API key always uses its own team.",
    "uuid",
    lambda route: _concerns_current_team(route),
)


def _concerns_current_team(route: Any) -> bool:
    info = get_info(route)
    return info.surface is Surface.APP and not info.team_independent and "{team_id}" not in route.path_format


def requested_team_id(request: HTTPConnection) -> UUID | None:
    """Return the team in the path of an `app` route, else that of the `X-Team-ID` header.

    An invalid ID becomes `NO_TEAM`, so that it fails like the ID of an unknown team.
    """
    in_path: str | None = request.scope.get("path_params", {}).get("team_id")
    if in_path is None or get_info(request.scope.get("route")).surface is not Surface.APP:
        header: bytes | None = request.scope["state"]["request_headers"].get(b"x-team-id")
        in_path = header.decode("latin-1") if header is not None else None
    try:
        return None if in_path is None else UUID(in_path)
    except ValueError:
        return NO_TEAM
