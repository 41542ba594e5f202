"""Binds the authenticator to the application, and keeps keys and sessions up to date while it runs."""

import asyncio
from contextlib import suppress

import structlog
from fastapi import FastAPI

from undercroft.core.errors import ServiceUnavailable
from undercroft.core.security.health import crypto_component
from undercroft.modules.auth import disposable_email
from undercroft.modules.auth.services import AuthServices

log = structlog.get_logger("undercroft.application")


async def start(app: FastAPI) -> None:
    """Raises `ConfigurationError` without a SECRET_KEY, and when it is not the one the signing keys were made with.

    A database that cannot be reached now is asked again when somebody signs in.
    """
    disposable_email.prepare()
    made = AuthServices.create(app.state.database)
    try:
        await made.keys.ensure()
    except ServiceUnavailable:
        log.warning("signing_keys.load_failed", hint="They are read when the database answers.")
    app.state.health.add(crypto_component())
    app.state.auth_services = made
    app.state.authenticator = made.authenticator
    app.state.auth_maintenance = asyncio.create_task(made.run_maintenance())


async def stop(app: FastAPI) -> None:
    """Write what was seen since the last flush."""
    app.state.auth_maintenance.cancel()
    with suppress(asyncio.CancelledError):
        await app.state.auth_maintenance
    for seen in (app.state.auth_services.last_seen, app.state.auth_services.last_used):
        with suppress(Exception):
            await seen.flush(app.state.database)
    await app.state.auth_services.captcha.close()
