"""Lets commands stop and start the PostgreSQL of a running supervisor, through a marker file in the state folder."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

from undercroft.core.errors import ConfigurationError
from undercroft.devstack import state
from undercroft.devstack.state import DevState

_STOP_MARKER = "postgres.resting"


def is_stop_requested(folder: Path) -> bool:
    """Return whether PostgreSQL should stay stopped."""
    return (folder / _STOP_MARKER).exists()


def clear_stop_request(folder: Path) -> None:
    """Remove the stop request, so that the supervisor starts PostgreSQL."""
    (folder / _STOP_MARKER).unlink(missing_ok=True)


def stop_postgres(folder: Path) -> None:
    """Request the supervisor to stop PostgreSQL, and wait. Raises `ConfigurationError` if it does not stop."""
    _require_running(folder)
    (folder / _STOP_MARKER).touch()
    _wait(lambda: not is_postgres_listening(folder), "PostgreSQL did not stop within 15 s.")


def start_postgres(folder: Path) -> None:
    """Request the supervisor to start PostgreSQL, and wait. Raises `ConfigurationError` if it does not start."""
    _require_running(folder)
    clear_stop_request(folder)
    _wait(lambda: is_postgres_listening(folder), "PostgreSQL did not start within 15 s; see .undercroft/postgres.log.")


def is_postgres_listening(folder: Path) -> bool:
    """Return whether a server listens on the port of the embedded PostgreSQL."""
    port = DevState.read(folder).postgres_port
    if not port:
        return False
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _require_running(folder: Path) -> None:
    if not state.is_running(folder):
        raise ConfigurationError("`undercroft dev` is not running in this folder. Start it first; it runs PostgreSQL.")


def _wait(done: Callable[[], bool], timeout_message: str, limit: float = 15) -> None:
    end = time.monotonic() + limit
    while not done():
        if time.monotonic() > end:
            raise ConfigurationError(timeout_message)
        time.sleep(0.05)
