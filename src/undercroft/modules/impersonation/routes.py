"""Routes of impersonation."""

from uuid import UUID

from undercroft.core.auth import StepUpRequired
from undercroft.core.db import SessionDep
from undercroft.core.http import CurrentPrincipal, Router, allow_impersonation, require_step_up
from undercroft.core.http.errors import responses
from undercroft.core.http.idempotency import returns_secret
from undercroft.core.http.step_up_policy import step_up_exempt
from undercroft.core.http.tags import Tag
from undercroft.modules.auth import AuthServicesDep
from undercroft.modules.impersonation.errors import ImpersonationNotAllowed, NotImpersonating, UserInactive
from undercroft.modules.impersonation.schemas import Impersonate, ImpersonationToken
from undercroft.modules.impersonation.service import ImpersonationService
from undercroft.modules.users import UserNotFound

IMPERSONATION = Tag("Impersonation", "Impersonation of users by administrators.", group="Administration")

admin = Router(surface="admin", prefix="/users", tag=IMPERSONATION)
auth = Router(surface="auth", prefix="/impersonation", tag=IMPERSONATION)


@admin.post(
    "/{user_id}/impersonate",
    response_model=ImpersonationToken,
    summary="Impersonate a user",
    responses=responses(UserNotFound, ImpersonationNotAllowed, UserInactive, StepUpRequired),
    dependencies=[require_step_up()],
)
@returns_secret
async def impersonate(
    user_id: UUID, body: Impersonate, principal: CurrentPrincipal, session: SessionDep, auth_services: AuthServicesDep
) -> ImpersonationToken:
    """Returns a short-lived, read-only access token for the user.

    Admins can impersonate users without a platform role, superadmins also admins. The impersonation ends with
    `POST /auth/impersonation/end`, or when the administrator's session, role or account ends.
    """
    started = await ImpersonationService(session, principal).start(user_id, reason=body.reason)
    lifetime = int((started.ends_at - started.created_at).total_seconds())
    issued = await auth_services.tokens.issue(user_id, started.id, impersonator_id=principal.user_id, lifetime=lifetime)
    return ImpersonationToken(
        access_token=issued.token, expires_in=issued.expires_in, user_id=user_id, session_id=started.id
    )


@auth.post("/end", status_code=204, summary="End an impersonation", responses=responses(NotImpersonating))
@allow_impersonation
@step_up_exempt("It only revokes access.")
async def end_impersonation(principal: CurrentPrincipal, session: SessionDep) -> None:
    """Ends the impersonation of the current token. Its next request fails."""
    await ImpersonationService(session, principal).end()
