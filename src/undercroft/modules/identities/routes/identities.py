"""The current user's identities."""

from typing import Annotated
from uuid import UUID

from fastapi import Response

from undercroft.core.auth.step_up import StepUpRequired
from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.http import CurrentPrincipal, Router, require_step_up
from undercroft.core.http.errors import responses
from undercroft.core.http.pagination import Page, PageNumberQuery
from undercroft.core.http.query import query
from undercroft.core.http.tags import Tag
from undercroft.modules.auth import SessionKind
from undercroft.modules.identities import flows, service
from undercroft.modules.identities.connections import ConnectionsDep
from undercroft.modules.identities.errors import (
    IdentityNotFound,
    LastSignInMethod,
    ReturnUrlNotAllowed,
    UnknownProvider,
)
from undercroft.modules.identities.schemas import IdentityRead, LinkRequest, Redirect
from undercroft.providers.identity import IdentityProviderUnavailable

IDENTITIES = Tag("Identities", "Accounts at identity providers that sign in to this account.", group="Account")

identities = Router(surface="auth", prefix="/identities", tag=IDENTITIES)


@identities.get("", response_model=Page[IdentityRead], summary="List the identities of the current user")
async def list_identities(
    query: Annotated[PageNumberQuery, query(PageNumberQuery)], principal: CurrentPrincipal, session: ReadSessionDep
) -> Page[IdentityRead]:
    """Sorted by the time of linking, newest first."""
    found = await service.list_identities(session, principal, page=query.page, size=query.size)
    items = [IdentityRead.model_validate(each) for each in found.items]
    return Page.of(items, total=found.total, page=query.page, size=query.size)


@identities.post(
    "",
    response_model=Redirect,
    summary="Link another identity",
    responses=responses(UnknownProvider, ReturnUrlNotAllowed, StepUpRequired, IdentityProviderUnavailable),
    dependencies=[require_step_up()],
)
async def link(
    body: LinkRequest, principal: CurrentPrincipal, connections: ConnectionsDep, response: Response
) -> Redirect:
    """Start the linking of an identity: return the URL to which to redirect the browser, and set a cookie for the
    callback. The email addresses of the identity and the account may differ.
    """
    flow_state = flows.begin(
        body.provider,
        return_to=body.return_to,
        kind=SessionKind.COOKIE,
        user_id=principal.user_id,
        session_id=principal.session_id,
    )
    url = await connections.provider(body.provider).authorization_url(flow_state.flow)
    flows.store(response, flow_state)
    return Redirect(redirect_url=url)


@identities.delete(
    "/{identity_id}",
    status_code=204,
    summary="Unlink an identity",
    responses=responses(IdentityNotFound, LastSignInMethod, StepUpRequired),
    dependencies=[require_step_up()],
)
async def unlink(identity_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
    """Unlink an identity, so that it can no longer sign in to this account. Existing sessions stay active."""
    await service.unlink(session, principal, identity_id)
