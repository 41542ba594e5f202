"""Reset of a user's second factors by a superadmin."""

from uuid import UUID

from undercroft.core.auth import PlatformRole, StepUpRequired
from undercroft.core.db import SessionDep
from undercroft.core.http import Router, require_role, require_step_up
from undercroft.core.http.errors import responses
from undercroft.modules.mfa.reset import reset
from undercroft.modules.users import UserNotFound

admin = Router(surface="admin", prefix="/users", tag="Users")


@admin.post(
    "/{user_id}/mfa/reset",
    status_code=204,
    summary="Reset the second factors of a user",
    responses=responses(UserNotFound, StepUpRequired),
    dependencies=[require_role(PlatformRole.SUPERADMIN), require_step_up()],
)
async def reset_mfa(user_id: UUID, session: SessionDep) -> None:
    """Remove all second factors and recovery codes of a user, revoke the user's sessions and notify the user by email.

    Requires a superadmin.
    """
    await reset(session, user_id)
