"""Who looks at a page: somebody with a session cookie, or nobody known."""

from typing import Annotated

from fastapi import Depends, Request

from undercroft.core.auth import Principal
from undercroft.core.errors import NotFound, Unauthorized
from undercroft.modules.auth import AuthServicesDep, cookie_name


async def visitor(request: Request, auth_services: AuthServicesDep) -> Principal | None:
    """Costs one statement, and none for those who bring no cookie."""
    if cookie_name() not in request.cookies or "authorization" in request.headers:
        return None
    try:
        return await auth_services.authenticator.authenticate(request)
    except (Unauthorized, NotFound):
        return None


Visitor = Annotated[Principal | None, Depends(visitor)]
