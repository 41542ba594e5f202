"""Stores which flags the code declares when a server starts, so that `/admin` lists them."""

from undercroft.core.context import AppContext
from undercroft.core.db import Database
from undercroft.modules.flags.service.rules import store_declared_flags


async def start(context: AppContext) -> None:
    """Raises `CodeError` if two flags have the same key."""
    await store_declared_flags(context.get(Database))
