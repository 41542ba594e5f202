"""Adds the auth services to the application and runs their maintenance task."""

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
    """Create the auth services. If the database is unreachable, the signing keys are loaded at the first sign-in.

    Raises `ConfigurationError` without a SECRET_KEY, and if the signing keys cannot be decrypted with it.
    """
    disposable_email.prepare()
    auth_services = AuthServices.create(app.state.database)
    try:
        await auth_services.keys.ensure()
    except ServiceUnavailable:
        log.warning("signing_keys.load_failed", hint="They are loaded when the database is reachable.")
    app.state.health.add(crypto_component())
    app.state.auth_services = auth_services
    app.state.authenticator = auth_services.authenticator
    app.state.auth_maintenance = asyncio.create_task(auth_services.run_maintenance())


async def stop(app: FastAPI) -> None:
    """Stop the maintenance task and flush the pending last-used times."""
    app.state.auth_maintenance.cancel()
    with suppress(asyncio.CancelledError):
        await app.state.auth_maintenance
    for tracker in (app.state.auth_services.last_seen, app.state.auth_services.last_used):
        with suppress(Exception):
            await tracker.flush(app.state.database)
    await app.state.auth_services.captcha.close()
