"""Adds the components of sessions to the application."""

import structlog

from undercroft.core.auth import Authenticator
from undercroft.core.context import AppContext
from undercroft.core.db import Database
from undercroft.core.errors import ServiceUnavailable
from undercroft.core.health import Health
from undercroft.core.security.keyring import crypto_component
from undercroft.modules.sessions.service.components import SessionServices

log = structlog.get_logger("undercroft.application")


async def start(context: AppContext) -> None:
    """Create the components. If the database is unreachable, the signing keys are loaded at the first sign-in.

    Raises `ConfigurationError` without a SECRET_KEY, and if the signing keys cannot be decrypted with it.
    """
    services = context.add(SessionServices, SessionServices.create(context.get(Database)))
    try:
        await services.keys.ensure()
    except ServiceUnavailable:
        log.warning("signing_keys.load_failed", hint="They are loaded when the database is reachable.")
    context.get(Health).add(crypto_component())
    context.add(Authenticator, services.authenticator)
    services.last_seen.start(services.database)
    services.keys.start_reloading()


async def stop(context: AppContext) -> None:
    services = context.get(SessionServices)
    await services.keys.stop_reloading()
    await services.last_seen.stop(services.database)
