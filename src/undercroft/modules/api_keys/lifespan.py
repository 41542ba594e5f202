"""Accepts API keys in requests."""

from undercroft.core.context import AppContext
from undercroft.core.db import Database
from undercroft.modules.api_keys.service.authentication import ApiKeyAuthenticator
from undercroft.modules.sessions import SessionServices


async def start(context: AppContext) -> None:
    database = context.get(Database)
    authenticator = context.add(ApiKeyAuthenticator, ApiKeyAuthenticator(database))
    context.get(SessionServices).authenticator.bind_api_keys(authenticator)
    authenticator.last_used.start(database)


async def stop(context: AppContext) -> None:
    await context.get(ApiKeyAuthenticator).last_used.stop(context.get(Database))
