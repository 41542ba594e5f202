"""A LISTEN connection that reconnects automatically."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import structlog

from undercroft.core.db.connect import CONNECT_ERRORS, connect
from undercroft.core.db.settings import DatabaseSettings

log = structlog.get_logger("undercroft.application")

PROBE_INTERVAL = 5.0
MAX_RETRY_DELAY = 2.0


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
    pause = 0.1

    def on_reconnect() -> None:
        nonlocal pause
        if pause > 0.1:
            log.info("listen_connection.restored")
        pause = 0.1
        on_connect()

    while True:
        try:
            await _listen_once(url, settings, channel, on_notification, on_reconnect)
        except CONNECT_ERRORS as error:
            if pause == 0.1:
                log.warning("listen_connection.lost", error=type(error).__name__)
        await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter, not security
        pause = min(MAX_RETRY_DELAY, pause * 2)


async def _listen_once(
    url: str,
    settings: DatabaseSettings,
    channel: str,
    on_notification: Callable[[str], None],
    on_connect: Callable[[], None],
) -> None:
    """Listen on one connection. Returns when the server closes it, or raises the connection error."""
    connection = await connect(
        url, "listen", timeout=settings.db_connect_timeout, command_timeout=settings.db_statement_timeout
    )
    closed = asyncio.Event()
    connection.add_termination_listener(lambda _connection: closed.set())

    def received(_connection: Any, _pid: int, _channel: str, payload: str) -> None:
        on_notification(payload)

    try:
        await connection.add_listener(channel, received)
        on_connect()
        while not closed.is_set():
            try:
                await asyncio.wait_for(closed.wait(), PROBE_INTERVAL)
            except TimeoutError:
                await connection.execute("SELECT 1")
    finally:
        connection.terminate()
