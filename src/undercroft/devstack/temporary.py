"""A temporary PostgreSQL server."""

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from undercroft.devstack import machine
from undercroft.devstack.postgres import NON_DURABLE_SETTINGS, PostgresServer


@contextmanager
def temporary_database() -> Iterator[str]:
    """Yield the URL of an empty database on a new server, which is deleted after the block. Call from the main thread.

    Raises `ConfigurationError` if the embedded PostgreSQL is not installed or does not start.
    """
    with tempfile.TemporaryDirectory(prefix="undercroft-", ignore_cleanup_errors=True) as folder:
        state = Path(folder).resolve()
        state.chmod(0o755)
        server = PostgresServer(state, machine.free_port(), secrets.token_hex(16), dict(NON_DURABLE_SETTINGS))
        try:
            server.start()
            server.wait_until_ready()
            yield server.url
        finally:
            server.stop()
