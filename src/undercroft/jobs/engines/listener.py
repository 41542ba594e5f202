"""A LISTEN connection that reconnects automatically."""

import asyncio
import random
from collections.abc import Callable
from typing import NoReturn

import asyncpg
import structlog

from undercroft.core.db import DatabaseSettings
from undercroft.core.db.connect import CONNECT_ERRORS, connect

log = structlog.get_logger("undercroft.application")

PROBE_INTERVAL = 5.0
MIN_RETRY_DELAY, MAX_RETRY_DELAY = 0.1, 2.0


async def listen(
    url: str,
    settings: DatabaseSettings,
    channel: str,
    *,
    on_notification: Callable[[str], None],
    on_connect: Callable[[], None],
) -> None:
    """Call `on_notification` with every payload, and `on_connect` after each new connection, until canceled.

    The connection is probed every few seconds to detect a server that hangs.
    """
    timeouts = {"timeout": settings.db_connect_timeout, "command_timeout": settings.db_statement_timeout}
    pause, is_lost = MIN_RETRY_DELAY, False
    while True:
        try:
            connection = await connect(url, "listen", **timeouts)
            try:
                await connection.add_listener(channel, lambda *received: on_notification(received[-1]))
                if is_lost:
                    log.info("listen_connection.restored")
                pause, is_lost = MIN_RETRY_DELAY, False
                on_connect()
                await _probe_until_lost(connection)
            finally:
                connection.terminate()
        except CONNECT_ERRORS as error:
            if not is_lost:
                log.warning("listen_connection.lost", error=type(error).__name__)
            is_lost = True
        await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter, not security
        pause = min(MAX_RETRY_DELAY, pause * 2)


async def _probe_until_lost(connection: asyncpg.Connection) -> NoReturn:
    """Raise the error of a probe, or `ConnectionResetError` when the server closes the connection."""
    closed = asyncio.Event()
    connection.add_termination_listener(lambda _connection: closed.set())
    while not connection.is_closed() and not closed.is_set():
        try:
            async with asyncio.timeout(PROBE_INTERVAL):
                await closed.wait()
        except TimeoutError:
            await connection.execute("SELECT 1")
    raise ConnectionResetError("The server closed the connection.")
