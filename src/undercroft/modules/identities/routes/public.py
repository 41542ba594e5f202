"""Webhooks of the provider that manages the accounts."""

from fastapi import Request, Response

from undercroft.core.db import SessionDep
from undercroft.core.http import Audit, Exempt, Router
from undercroft.core.settings import load
from undercroft.modules.identities.dependencies import ConnectionsDep
from undercroft.modules.identities.errors import InvalidWebhook, UnknownProvider
from undercroft.modules.identities.routes.auth import IDENTITIES
from undercroft.modules.identities.schemas import ProviderName
from undercroft.modules.identities.service.linker import IdentityLinker
from undercroft.providers.identity import BadSignature, IdentitySettings

webhooks = Router(surface="public", prefix="/identity/webhooks", tag=IDENTITIES)


@webhooks.post(
    "/{provider}",
    status_code=204,
    audit=Audit("*", none_when="the event is known"),
    limit="600/minute",
    idempotency=Exempt("Every event has an ID that works once."),
    summary="Receive an identity provider webhook",
    errors=(UnknownProvider, InvalidWebhook),
)
async def receive_webhook(
    provider: ProviderName, request: Request, connections: ConnectionsDep, session: SessionDep
) -> Response:
    """Accept events with a svix or Standard Webhooks signature. Repeated and outdated events change nothing."""
    if connections.external is None or provider != load(IdentitySettings).auth_provider:
        raise UnknownProvider
    try:
        event = connections.external.parse_webhook(request.headers, await request.body())
    except BadSignature:
        raise InvalidWebhook from None
    if event is not None:
        await IdentityLinker(session, provider).handle_event(event)
    return Response(status_code=204)
