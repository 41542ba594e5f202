"""Webhooks of the provider that manages the accounts."""

from fastapi import Request, Response

from undercroft.core.db import SessionDep
from undercroft.core.http import Router
from undercroft.core.http.errors import responses
from undercroft.core.http.idempotency import idempotency_exempt
from undercroft.core.http.limits import limit
from undercroft.core.settings import load
from undercroft.modules.identities import provider_events
from undercroft.modules.identities.connections import ConnectionsDep
from undercroft.modules.identities.errors import InvalidWebhook, UnknownProvider
from undercroft.modules.identities.routes.identities import IDENTITIES
from undercroft.providers.identity import BadSignature, IdentitySettings

webhooks = Router(surface="public", prefix="/identity/webhooks", tag=IDENTITIES)


@webhooks.post(
    "/{provider}",
    status_code=204,
    summary="Receive an identity provider webhook",
    responses=responses(UnknownProvider, InvalidWebhook),
)
@limit("600/minute")
@idempotency_exempt("Every event has an ID that works once.")
async def receive_webhook(
    provider: str, request: Request, connections: ConnectionsDep, session: SessionDep
) -> Response:
    """Accept events with a svix or Standard Webhooks signature. Repeated and outdated events change nothing."""
    if connections.external is None or provider != load(IdentitySettings).auth_provider:
        raise UnknownProvider
    try:
        event = connections.external.parse_webhook(request.headers, await request.body())
    except BadSignature:
        raise InvalidWebhook from None
    if event is not None:
        await provider_events.handle_event(session, provider, event)
    return Response(status_code=204)
