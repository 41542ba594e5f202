"""Adds the key store to the application."""

from fastapi import FastAPI

from undercroft.modules.idempotency.service import PostgresKeyStore


async def start(app: FastAPI) -> None:
    """Raises `ConfigurationError` without a SECRET_KEY."""
    app.state.idempotency_keys = PostgresKeyStore(app.state.database)


async def stop(app: FastAPI) -> None:
    del app.state.idempotency_keys
