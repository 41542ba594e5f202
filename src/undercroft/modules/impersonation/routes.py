"""Routes of impersonation."""

from uuid import UUID

from fastapi import Request, Response

from undercroft.core.auth import StepUpRequired
from undercroft.core.db import SessionDep
from undercroft.core.errors import Unauthorized
from undercroft.core.http import Audit, CurrentPrincipal, Exempt, Router, Tag
from undercroft.core.http.guards import current_principal
from undercroft.core.security.tokens import new_token
from undercroft.modules.impersonation.errors import (
    CookieSessionRequired,
    ImpersonationNotAllowed,
    NotImpersonating,
    UserInactive,
)
from undercroft.modules.impersonation.schemas import Impersonate, ImpersonationToken
from undercroft.modules.impersonation.service import ImpersonationService
from undercroft.modules.sessions import (
    IMPERSONATION_COOKIE,
    CsrfFailed,
    ImpersonationEnded,
    SessionKind,
    SessionServicesDep,
    require_same_site,
    set_impersonation_cookie,
)
from undercroft.modules.users import UserNotFound

IMPERSONATION = Tag("Impersonation", "Impersonation of users by administrators.", group="Administration")

admin = Router(surface="admin", prefix="/users", tag=IMPERSONATION)
auth = Router(surface="auth", prefix="/impersonation", tag=IMPERSONATION)


@admin.post(
    "/{user_id}/impersonate",
    audit="impersonation.started",
    step_up=True,
    idempotency="never_store",
    summary="Impersonate a user",
    errors=(UserNotFound, ImpersonationNotAllowed, UserInactive, CookieSessionRequired, StepUpRequired),
)
async def start_impersonation(
    user_id: UUID,
    body: Impersonate,
    request: Request,
    response: Response,
    principal: CurrentPrincipal,
    session: SessionDep,
    services: SessionServicesDep,
) -> ImpersonationToken:
    """Returns a short-lived, read-only access token for the user, or sets a cookie with the same rights.

    With the cookie, requests of this browser act as the user until the impersonation is ended with
    `POST /auth/impersonation/end`, also when it has expired: they are refused with `IMPERSONATION_ENDED`. The
    administrator's session cookie stays and is used again afterwards.

    Admins can impersonate users without a platform role, superadmins also admins. The impersonation ends with
    `POST /auth/impersonation/end`, or when the administrator's session, role or account ends.
    """
    cookie = None
    if body.session is SessionKind.COOKIE:
        if "authorization" in request.headers:
            raise CookieSessionRequired
        cookie = new_token()
    started, claims = await ImpersonationService(session, principal).start(user_id, reason=body.reason, cookie=cookie)
    lifetime = int((started.ends_at - started.created_at).total_seconds())
    result = ImpersonationToken(session=body.session, expires_in=lifetime, user_id=user_id, session_id=started.id)
    if cookie is not None:
        set_impersonation_cookie(response, cookie)
        return result
    issued = await services.tokens.issue(
        user_id, started.id, impersonator_id=principal.user_id, lifetime=lifetime, ext=claims
    )
    return result.model_copy(update={"access_token": issued.token, "expires_in": issued.expires_in})


@auth.post(
    "/end",
    status_code=204,
    audit=Audit("impersonation.ended", none_when="it has ended already"),
    step_up=Exempt("It only revokes access."),
    idempotency=Exempt("Ending an impersonation twice has no further effect."),
    impersonation=True,
    summary="End an impersonation",
    errors=(Unauthorized, CsrfFailed, NotImpersonating),
)
async def end_impersonation(request: Request, session: SessionDep) -> Response:
    """Ends the impersonation of the current token or cookie.

    The next request with the token fails. The cookie is removed, also that of an impersonation that has already ended,
    so that the next request acts as the administrator again.
    """
    response = Response(status_code=204)
    IMPERSONATION_COOKIE.clear(response)
    try:
        principal = await current_principal(request)
    except ImpersonationEnded:
        require_same_site(request)  # there is no session, and so no CSRF token
        return response
    await ImpersonationService(session, principal).end()
    return response
