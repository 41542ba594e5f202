"""Administration of a user's password."""

from uuid import UUID

from undercroft.core.db import SessionDep
from undercroft.core.http import CurrentPrincipal, Exempt, Router
from undercroft.modules.auth.service.account import require_password_reset
from undercroft.modules.sessions import LocalAccountsOff, require_local_accounts
from undercroft.modules.users import RoleTooWeak, UserNotFound

admin = Router(surface="admin", prefix="/users/{user_id}", tag="Users")


@admin.post(
    "/reset-password",
    status_code=204,
    audit="user.password_reset_required",
    step_up=Exempt("It only revokes access; the link is sent to the user's own address."),
    summary="Require a password reset",
    errors=(UserNotFound, RoleTooWeak, LocalAccountsOff),
    dependencies=[require_local_accounts()],
)
async def reset_user_password(user_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
    """Invalidates the user's password, revokes all sessions and user API keys, and sends a password reset link."""
    await require_password_reset(session, user_id, by=principal)
