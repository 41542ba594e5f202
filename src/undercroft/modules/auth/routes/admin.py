"""Administration of a user's sessions and credentials."""

from typing import Annotated
from uuid import UUID

from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.http import CurrentPrincipal, Router
from undercroft.core.http.errors import responses
from undercroft.core.http.pagination import Page, PageNumberQuery
from undercroft.core.http.query import query
from undercroft.core.http.step_up_policy import step_up_exempt
from undercroft.modules.auth import administration as service
from undercroft.modules.auth.external import LocalAccountsOff, require_local_accounts
from undercroft.modules.auth.schemas import SessionRead, SignedOut
from undercroft.modules.auth.sessions import SessionNotFound
from undercroft.modules.users import RoleTooWeak, UserNotFound

admin = Router(surface="admin", prefix="/users/{user_id}", tag="Users")

ACCESS_ERRORS = (UserNotFound, RoleTooWeak)


@admin.get(
    "/sessions", response_model=Page[SessionRead], summary="List a user's sessions", responses=responses(UserNotFound)
)
async def list_user_sessions(
    user_id: UUID,
    query: Annotated[PageNumberQuery, query(PageNumberQuery)],
    principal: CurrentPrincipal,
    session: ReadSessionDep,
) -> Page[SessionRead]:
    """Returns the active sessions, most recently used first."""
    found = await service.list_sessions(session, user_id, page=query.page, size=query.size)
    items = [SessionRead.of(each, current=principal.session_id) for each in found.items]
    return Page.of(items, total=found.total, page=query.page, size=query.size)


@admin.delete(
    "/sessions/{session_id}",
    status_code=204,
    summary="Revoke a user's session",
    responses=responses(*ACCESS_ERRORS, SessionNotFound),
)
@step_up_exempt("It only revokes access.")
async def end_user_session(user_id: UUID, session_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
    """Revokes the session. Its next request fails."""
    await service.end_session(session, user_id, session_id, by=principal)


@admin.post(
    "/sign-out", response_model=SignedOut, summary="Revoke all sessions of a user", responses=responses(*ACCESS_ERRORS)
)
@step_up_exempt("It only revokes access.")
async def sign_out_user(user_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> SignedOut:
    """Revokes all sessions of the user. API keys stay valid."""
    return SignedOut(ended=await service.sign_out(session, user_id, by=principal))


@admin.post(
    "/reset-password",
    status_code=202,
    response_model=None,
    summary="Require a password reset",
    responses=responses(*ACCESS_ERRORS, LocalAccountsOff),
    dependencies=[require_local_accounts()],
)
@step_up_exempt("It only revokes access; the link is sent to the user's own address.")
async def reset_user_password(user_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
    """Invalidates the user's password, revokes all sessions and user API keys, and sends a password reset link."""
    await service.require_password_reset(session, user_id, by=principal)
