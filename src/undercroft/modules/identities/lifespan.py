"""Sets up the configured identity providers at startup."""

from undercroft.core.context import AppContext
from undercroft.core.db import Database
from undercroft.core.health import Component, Health
from undercroft.core.settings import load
from undercroft.modules.identities.service.connections import Connections
from undercroft.modules.identities.service.token_auth import ExternalTokenAuth
from undercroft.modules.sessions import SessionServices
from undercroft.providers.identity import IdentitySettings


async def start(context: AppContext) -> None:
    """Create the connections without any request to a provider. Raises `ConfigurationError` for incomplete settings."""
    connections = context.add(Connections, Connections())
    if connections.external is not None:
        provider = load(IdentitySettings).auth_provider
        accounts = ExternalTokenAuth(
            context.get(Database), connections.external, provider, allows_cookies=bool(connections.social)
        )
        context.get(SessionServices).authenticator.bind_external(accounts)
        context.get(Health).add(Component("identity_provider", connections.check))


async def stop(context: AppContext) -> None:
    accounts = context.get(SessionServices).authenticator.external
    if isinstance(accounts, ExternalTokenAuth):
        await accounts.close()
    await context.get(Connections).close()
