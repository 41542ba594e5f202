"""The signed-in user who opens a page, if any."""

from typing import Annotated

from fastapi import Depends, Request

from undercroft.core.auth import Principal
from undercroft.core.errors import NotFound, Unauthorized
from undercroft.modules.auth import AuthServicesDep, cookie_name


async def visitor(request: Request, auth_services: AuthServicesDep) -> Principal | None:
    """Return the principal of the session cookie; None without a valid one. Without a cookie it runs no statement."""
    if cookie_name() not in request.cookies or "authorization" in request.headers:
        return None
    try:
        return await auth_services.authenticator.authenticate(request)
    except (Unauthorized, NotFound):
        return None


Visitor = Annotated[Principal | None, Depends(visitor)]
