"""Routes of impersonation."""

from uuid import UUID

from undercroft.core.auth import StepUpRequired
from undercroft.core.db import SessionDep
from undercroft.core.http import Audit, CurrentPrincipal, Exempt, Router, Tag
from undercroft.modules.impersonation.errors import ImpersonationNotAllowed, NotImpersonating, UserInactive
from undercroft.modules.impersonation.schemas import Impersonate, ImpersonationToken
from undercroft.modules.impersonation.service import ImpersonationService
from undercroft.modules.sessions import SessionServicesDep
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
    errors=(UserNotFound, ImpersonationNotAllowed, UserInactive, StepUpRequired),
)
async def start_impersonation(
    user_id: UUID, body: Impersonate, principal: CurrentPrincipal, session: SessionDep, services: SessionServicesDep
) -> ImpersonationToken:
    """Returns a short-lived, read-only access token for the user.

    Admins can impersonate users without a platform role, superadmins also admins. The impersonation ends with
    `POST /auth/impersonation/end`, or when the administrator's session, role or account ends.
    """
    started, claims = await ImpersonationService(session, principal).start(user_id, reason=body.reason)
    lifetime = int((started.ends_at - started.created_at).total_seconds())
    issued = await services.tokens.issue(
        user_id, started.id, impersonator_id=principal.user_id, lifetime=lifetime, ext=claims
    )
    return ImpersonationToken(
        access_token=issued.token, expires_in=issued.expires_in, user_id=user_id, session_id=started.id
    )


@auth.post(
    "/end",
    status_code=204,
    audit=Audit("impersonation.ended", none_when="it has ended already"),
    step_up=Exempt("It only revokes access."),
    impersonation=True,
    summary="End an impersonation",
    errors=(NotImpersonating,),
)
async def end_impersonation(principal: CurrentPrincipal, session: SessionDep) -> None:
    """Ends the impersonation of the current token. Its next request fails."""
    await ImpersonationService(session, principal).end()
