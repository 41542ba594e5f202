"""Stores which flags the code declares when a server starts, so that `/admin` lists them."""

import structlog

from undercroft.core.context import AppContext
from undercroft.core.db import Database
from undercroft.core.errors import ServiceUnavailable
from undercroft.modules.flags.service.rules import store_declared_flags

log = structlog.get_logger("undercroft.application")


async def start(context: AppContext) -> None:
    """Raises `CodeError` if two flags have the same key."""
    try:
        await store_declared_flags(context.get(Database))
    except ServiceUnavailable:
        log.warning("flags.not_listed", hint="/admin lists new flags after the next start.")
