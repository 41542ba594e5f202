"""Lets the application keep keys."""

from fastapi import FastAPI

from undercroft.modules.idempotency.service import StoredKeys


async def start(app: FastAPI) -> None:
    """Raises `ConfigurationError` without a SECRET_KEY."""
    app.state.idempotency_keys = StoredKeys(app.state.database)


async def stop(app: FastAPI) -> None:
    del app.state.idempotency_keys
