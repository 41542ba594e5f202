"""How other commands tell a running supervisor to rest PostgreSQL: a mark in the state folder."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

from undercroft.core.errors import ConfigurationError
from undercroft.devstack import state
from undercroft.devstack.state import DevState

_STOP_MARKER = "postgres.resting"


def is_stop_requested(folder: Path) -> bool:
    """Whether PostgreSQL is to stay stopped."""
    return (folder / _STOP_MARKER).exists()


def clear_stop_request(folder: Path) -> None:
    """Let PostgreSQL run."""
    (folder / _STOP_MARKER).unlink(missing_ok=True)


def stop_postgres(folder: Path) -> None:
    """Have the supervisor stop PostgreSQL and leave it so. Raises `ConfigurationError` when it is not obeyed."""
    _require_running(folder)
    (folder / _STOP_MARKER).touch()
    _wait(lambda: not is_postgres_listening(folder), "PostgreSQL did not stop within 15 s.")


def start_postgres(folder: Path) -> None:
    """Have the supervisor start it again, and wait until it answers. Raises `ConfigurationError` when it does not."""
    _require_running(folder)
    clear_stop_request(folder)
    _wait(lambda: is_postgres_listening(folder), "PostgreSQL did not start within 15 s; see .undercroft/postgres.log.")


def is_postgres_listening(folder: Path) -> bool:
    """Whether something listens where the embedded PostgreSQL should."""
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
        raise ConfigurationError("`undercroft dev` does not run in this folder; PostgreSQL comes and goes with it.")


def _wait(done: Callable[[], bool], otherwise: str, limit: float = 15) -> None:
    end = time.monotonic() + limit
    while not done():
        if time.monotonic() > end:
            raise ConfigurationError(otherwise)
        time.sleep(0.05)
