"""What commands do with the stack of a folder: use its settings, stop and start its PostgreSQL, and delete its data."""

import os
import socket
from pathlib import Path

from undercroft.core import settings
from undercroft.core.errors import ConfigurationError
from undercroft.devstack import data_dirs, machine, state
from undercroft.devstack.environment import ProjectEnvironment
from undercroft.devstack.state import DevState

_STOP_MARKER = "postgres.resting"
"""A file in the state folder while the supervisor should leave PostgreSQL stopped."""


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
    machine.wait_until(lambda: not is_postgres_listening(folder), 15, "PostgreSQL did not stop within 15 s.")


def start_postgres(folder: Path) -> None:
    """Request the supervisor to start PostgreSQL, and wait. Raises `ConfigurationError` if it does not start."""
    _require_running(folder)
    clear_stop_request(folder)
    failure = "PostgreSQL did not start within 15 s; see .undercroft/postgres.log."
    machine.wait_until(lambda: is_postgres_listening(folder), 15, failure)


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


def attach(folder: Path) -> bool:
    """Set the environment variables of the running stack in this process.

    Returns False, without setting anything, if no stack is running or the project sets DATABASE_URL or ENVIRONMENT.
    """
    project = ProjectEnvironment()
    if project.has_database or project.value("ENVIRONMENT") or not state.is_running(folder):
        return False
    running = DevState.read(folder)
    os.environ.update(project.environment(running))
    if not project.has_redis and running.valkey_port:
        os.environ["REDIS_URL"] = f"redis://:{running.valkey_password}@127.0.0.1:{running.valkey_port}/0"
    settings.reset()
    return True


def running_modules(folder: Path) -> dict[str, str]:
    """Return ENABLED_EXTENSIONS and DISABLED_MODULES of the running stack, except those that the project sets itself.

    Empty if no stack is running or the project sets ENVIRONMENT.
    """
    project = ProjectEnvironment()
    if project.value("ENVIRONMENT") or not state.is_running(folder):
        return {}
    running = DevState.read(folder)
    selected = {"ENABLED_EXTENSIONS": running.enabled_extensions, "DISABLED_MODULES": running.disabled_modules}
    return {name: value for name, value in selected.items() if value and not project.value(name)}


def reset(folder: Path) -> None:
    """Delete the data of PostgreSQL and Valkey. Raises `ConfigurationError` while `undercroft dev` is running."""
    if not folder.exists():
        return
    if state.is_running(folder):
        raise ConfigurationError("`undercroft dev` is using these data. Stop it first.")
    for name in ("postgres", "valkey"):
        data_dirs.delete_data_dir(folder, name)
    (folder / "dev.json").unlink(missing_ok=True)
