"""Sets up the configured identity providers at startup."""

from fastapi import FastAPI

from undercroft.core.health import Component
from undercroft.core.settings import load
from undercroft.modules.identities.connections import Connections
from undercroft.modules.identities.token_auth import ExternalTokenAuth
from undercroft.providers.identity import IdentitySettings


async def start(app: FastAPI) -> None:
    """Create the connections without any request to a provider. Raises `ConfigurationError` for incomplete settings."""
    connections = app.state.identity_connections = Connections()
    if connections.external is not None:
        provider = load(IdentitySettings).auth_provider.value
        accounts = ExternalTokenAuth(
            app.state.database, connections.external, provider, allows_cookies=bool(connections.social)
        )
        app.state.authenticator.bind_external(accounts)
        app.state.health.add(Component("identity_provider", connections.check))


async def stop(app: FastAPI) -> None:
    accounts = app.state.authenticator.external
    if isinstance(accounts, ExternalTokenAuth):
        await accounts.close()
    await app.state.identity_connections.close()
