"""Sessions of the current user."""

from typing import Annotated
from uuid import UUID

from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.http import CurrentPrincipal, Router
from undercroft.core.http.errors import responses
from undercroft.core.http.pagination import Page, PageNumberQuery
from undercroft.core.http.query import query
from undercroft.core.http.step_up_policy import step_up_exempt
from undercroft.core.http.tags import Tag
from undercroft.modules.auth import sessions as service
from undercroft.modules.auth.schemas import SessionRead
from undercroft.modules.auth.sessions import SessionNotFound

SESSIONS = Tag("Sessions", "Sessions of the current user.", group="Account")

sessions = Router(surface="auth", prefix="/sessions", tag=SESSIONS)


@sessions.get("", response_model=Page[SessionRead], summary="List sessions")
async def list_sessions(
    query: Annotated[PageNumberQuery, query(PageNumberQuery)], principal: CurrentPrincipal, session: ReadSessionDep
) -> Page[SessionRead]:
    """Returns the active sessions of the current user, most recently used first."""
    found = await service.list_sessions(session, principal, page=query.page, size=query.size)
    items = [SessionRead.of(each, current=principal.session_id_or_none) for each in found.items]
    return Page.of(items, total=found.total, page=query.page, size=query.size)


@sessions.delete("", status_code=204, summary="Revoke all other sessions")
@step_up_exempt("It only revokes access.")
async def end_other_sessions(principal: CurrentPrincipal, session: SessionDep) -> None:
    """Revokes all sessions of the current user except the current one."""
    await service.end_other_sessions(session, principal)


@sessions.delete("/{session_id}", status_code=204, summary="Revoke a session", responses=responses(SessionNotFound))
@step_up_exempt("It only revokes access.")
async def end_session(session_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
    """Revokes a session of the current user. Its next request fails."""
    await service.end_session(session, principal, session_id)
