"""A LISTEN connection that comes back by itself."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import structlog

from undercroft.core.db.connect import CONNECT_ERRORS, connect
from undercroft.core.db.settings import DatabaseSettings

log = structlog.get_logger("undercroft.application")

PROBE_EVERY = 5.0
LONGEST_PAUSE = 2.0


async def listen(
    url: str,
    settings: DatabaseSettings,
    channel: str,
    *,
    announced: Callable[[str], None],
    connected: Callable[[], None],
) -> None:
    """Call `announced` with every payload, and `connected` after each new connection, until cancelled.

    A connection is probed every few seconds, so that one whose server hangs is given up too.
    """
    pause = 0.1

    def back() -> None:
        nonlocal pause
        if pause > 0.1:
            log.info("announcements of jobs are back")
        pause = 0.1
        connected()

    while True:
        try:
            await _listen_once(url, settings, channel, announced, back)
        except CONNECT_ERRORS as error:
            if pause == 0.1:
                log.warning("announcements of jobs interrupted; polling meanwhile", error=type(error).__name__)
        await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads load, guards nothing
        pause = min(LONGEST_PAUSE, pause * 2)


async def _listen_once(
    url: str, settings: DatabaseSettings, channel: str, announced: Callable[[str], None], connected: Callable[[], None]
) -> None:
    """Listen over one connection until it breaks. Raises what broke it, or returns when the server closed it."""
    connection = await connect(
        url, "listen", timeout=settings.db_connect_timeout, command_timeout=settings.db_statement_timeout
    )
    closed = asyncio.Event()
    connection.add_termination_listener(lambda _connection: closed.set())

    def received(_connection: Any, _pid: int, _channel: str, payload: str) -> None:
        announced(payload)

    try:
        await connection.add_listener(channel, received)
        connected()
        while not closed.is_set():
            try:
                await asyncio.wait_for(closed.wait(), PROBE_EVERY)
            except TimeoutError:
                await connection.execute("SELECT 1")
    finally:
        connection.terminate()
