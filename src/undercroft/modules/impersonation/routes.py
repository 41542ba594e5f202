"""Acting as somebody, over HTTP."""

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

IMPERSONATION = Tag("Impersonation", "Administrators who act as somebody.", group="Administration")

admin = Router(surface="admin", prefix="/users", tag=IMPERSONATION)
auth = Router(surface="auth", prefix="/impersonation", tag=IMPERSONATION)


@admin.post(
    "/{user_id}/impersonate",
    response_model=ImpersonationToken,
    summary="Act as a person",
    responses=responses(UserNotFound, ImpersonationNotAllowed, UserInactive, StepUpRequired),
    dependencies=[require_step_up()],
)
@returns_secret
async def impersonate(
    user_id: UUID, body: Impersonate, principal: CurrentPrincipal, session: SessionDep, auth_services: AuthServicesDep
) -> ImpersonationToken:
    """Returns a short-lived token that reads what the user sees and changes nothing.

    An admin acts as people without a role on the platform, a superadmin as admins, too. It ends with
    `POST /auth/impersonation/end`, and with the administrator's own session, role or account.
    """
    started = await ImpersonationService(session, principal).start(user_id, reason=body.reason)
    lifetime = int((started.ends_at - started.created_at).total_seconds())
    issued = await auth_services.tokens.issue(user_id, started.id, impersonator_id=principal.user_id, lifetime=lifetime)
    return ImpersonationToken(
        access_token=issued.token, expires_in=issued.expires_in, user_id=user_id, session_id=started.id
    )


@auth.post("/end", status_code=204, summary="Stop acting as a person", responses=responses(NotImpersonating))
@allow_impersonation
@step_up_exempt("It takes access away.")
async def end_impersonation(principal: CurrentPrincipal, session: SessionDep) -> None:
    """From the next request on, on every process."""
    await ImpersonationService(session, principal).end()
