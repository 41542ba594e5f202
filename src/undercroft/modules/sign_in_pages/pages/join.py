"""Joins a team that the welcome page offers."""

from typing import Annotated
from uuid import UUID

from fastapi import Form, Request, Response
from starlette.responses import RedirectResponse

from undercroft.core.db import SessionDep
from undercroft.core.http import Router
from undercroft.core.http.idempotency import idempotency_exempt
from undercroft.modules.auth import AuthServicesDep
from undercroft.modules.sign_in_pages.responses import JOIN_PAGE, NO_STORE
from undercroft.modules.teams import accept_offer

join_router = Router(surface="root")


@join_router.post(JOIN_PAGE)
@idempotency_exempt("Joining a team twice has no further effect.")
async def join_team(
    request: Request,
    session: SessionDep,
    auth_services: AuthServicesDep,
    team_id: Annotated[UUID, Form()],
    csrf_token: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Join a team and redirect to the welcome page, which lists the remaining teams."""
    principal = await auth_services.authenticator.authenticate_form(request, csrf_token)
    await accept_offer(session, team_id, principal.user_id)
    return RedirectResponse("/", 303, NO_STORE)
