"""Joining a team that the welcome page offers."""

from typing import Annotated
from uuid import UUID

from fastapi import Form, Request, Response
from starlette.responses import RedirectResponse

from undercroft.core.auth import Router
from undercroft.core.db import SessionDep
from undercroft.core.http.idempotency import not_idempotent
from undercroft.modules.auth import IdentityDep
from undercroft.modules.sign_in_pages.answers import JOIN_PAGE, NOT_KEPT
from undercroft.modules.teams import accept_offer

joining = Router(surface="root")


@joining.post(JOIN_PAGE)
@not_idempotent("A member who joins again stays a member.")
async def join_by_page(
    request: Request,
    session: SessionDep,
    identity: IdentityDep,
    team_id: Annotated[UUID, Form()],
    csrf_token: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """By a button of the welcome page, which lists what is left afterwards."""
    principal = await identity.authenticator.authenticate_form(request, csrf_token)
    await accept_offer(session, team_id, principal.user_id)
    return RedirectResponse("/", 303, NOT_KEPT)
