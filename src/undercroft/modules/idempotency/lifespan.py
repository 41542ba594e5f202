"""Adds the key store to the application."""

from undercroft.core.context import AppContext
from undercroft.core.db import Database
from undercroft.core.http.idempotency import KeyStore
from undercroft.modules.idempotency.service import PostgresKeyStore


async def start(context: AppContext) -> None:
    """Raises `ConfigurationError` without a SECRET_KEY."""
    context.add(KeyStore, PostgresKeyStore(context.get(Database)))


async def stop(context: AppContext) -> None:
    context.remove(KeyStore)
