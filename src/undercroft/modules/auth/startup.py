"""Binds the authenticator to the application, and keeps keys and sessions up to date while it runs."""

import asyncio
from contextlib import suppress

import structlog
from fastapi import FastAPI

from undercroft.core.errors import ServiceUnavailable
from undercroft.core.security.health import crypto_component
from undercroft.modules.auth import disposable
from undercroft.modules.auth.identity import Identity

log = structlog.get_logger("undercroft.application")


async def start(app: FastAPI) -> None:
    """Raises `ConfigurationError` without a SECRET_KEY, and when it is not the one the signing keys were made with.

    A database that cannot be reached now is asked again when somebody signs in.
    """
    disposable.prepare()
    made = Identity.over(app.state.database)
    try:
        await made.keys.ensure()
    except ServiceUnavailable:
        log.warning("signing_keys.unread", hint="They are read when the database answers.")
    app.state.health.add(crypto_component())
    app.state.identity = made
    app.state.authenticator = made.authenticator
    app.state.identity_upkeep = asyncio.create_task(made.keep())


async def stop(app: FastAPI) -> None:
    """Write what was seen since the last flush."""
    app.state.identity_upkeep.cancel()
    with suppress(asyncio.CancelledError):
        await app.state.identity_upkeep
    for seen in (app.state.identity.last_seen, app.state.identity.last_used):
        with suppress(Exception):
            await seen.flush(app.state.database)
    await app.state.identity.captcha.close()
