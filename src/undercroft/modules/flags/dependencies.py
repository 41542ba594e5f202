"""The guard of routes that belong to a feature."""

from collections.abc import Awaitable, Callable

from fastapi.requests import HTTPConnection

from undercroft.modules.flags.errors import FeatureNotFound
from undercroft.modules.flags.models import Flag
from undercroft.modules.flags.service.evaluation import is_enabled


def require_flag(flag: Flag) -> Callable[[HTTPConnection], Awaitable[None]]:
    """Return a dependency that raises `FeatureNotFound` while the feature is off for the caller.

        @router.get("/beta", dependencies=[Depends(require_flag(BETA))], errors=(FeatureNotFound,))

    On a surface without authentication, the feature must be on for everyone.
    """
    if not isinstance(flag, Flag):
        raise TypeError(f"{flag!r} is not a flag. Pass one that is declared in flags.py: require_flag(BETA).")

    async def require(request: HTTPConnection) -> None:
        if not is_enabled(flag, request.scope["state"].get("principal")):
            raise FeatureNotFound

    return require
