"""Connects to the identity providers that the settings name."""

from fastapi import FastAPI

from undercroft.core.health import Component
from undercroft.core.settings import load
from undercroft.modules.identities.connections import Connections
from undercroft.modules.identities.token_auth import ExternalTokenAuth
from undercroft.providers.identity import IdentitySettings


async def start(app: FastAPI) -> None:
    """Nobody is asked anything yet. Raises `ConfigurationError` for settings that are not whole."""
    made = app.state.identity_connections = Connections()
    if made.external is not None:
        provider = load(IdentitySettings).auth_provider.value
        accounts = ExternalTokenAuth(app.state.database, made.external, provider, allows_cookies=bool(made.social))
        app.state.authenticator.bind_external(accounts)
        app.state.health.add(Component("identity_provider", made.check))


async def stop(app: FastAPI) -> None:
    accounts = app.state.authenticator.external
    if isinstance(accounts, ExternalTokenAuth):
        await accounts.close()
    await app.state.identity_connections.close()
