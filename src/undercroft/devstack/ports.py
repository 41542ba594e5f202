"""Checks of addresses: whether a port is free, and whether our server responds."""

import errno
import socket
import time

from undercroft.core.errors import ConfigurationError
from undercroft.devstack import machine


def require_free_port(host: str, port: int, timeout: float = 1.5) -> None:
    """Raise `ConfigurationError` if we cannot listen there. Waits up to `timeout` seconds for the port to be freed."""
    limit = time.monotonic() + timeout
    while (error := machine.bind_error(port, host)) is not None:
        if error.errno != errno.EADDRINUSE:
            raise ConfigurationError(
                f"Cannot listen on {host}, port {port}: {error.strerror}. Use another --port, or omit --host."
            )
        if time.monotonic() > limit:
            other = next((each for each in range(port + 1, 65536) if machine.is_port_free(each)), 0)
            raise ConfigurationError(
                f"Port {port} of {host} is already in use. Stop the program that uses it, or choose another port:\n"
                f"  make dev PORT={other}      or      undercroft dev --port {other}"
            )
        time.sleep(0.1)


def is_healthy(address: str, port: int) -> bool:
    """Return whether our API server responds to `GET /health` there."""
    try:
        with socket.create_connection((address, port), timeout=2) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return b" 200 " in connection.recv(100)
    except OSError:
        return False
