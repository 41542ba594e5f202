"""Processes, users, ports and file locks on Linux, macOS and Windows."""

import contextlib
import ctypes
import errno
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from undercroft.core.errors import ConfigurationError

LINUX = sys.platform == "linux"
WINDOWS = os.name == "nt"
QUIT = getattr(signal, "SIGQUIT", signal.SIGTERM)
UNPRIVILEGED_USER = "nobody"  # typos: ignore

_PR_SET_PDEATHSIG = 1
_INHERITED_VARIABLES = {"PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR"}


@dataclass(frozen=True)
class ServerUser:
    """The user and group that a server runs as."""

    uid: int
    gid: int


def get_server_user() -> ServerUser | None:
    """Return the user that the servers run as: None for the current user, or UNPRIVILEGED_USER if that is root.

    PostgreSQL refuses to run as root. Raises `ConfigurationError` if UNPRIVILEGED_USER does not exist.
    """
    if WINDOWS or os.geteuid() != 0:
        return None
    import pwd

    try:
        user = pwd.getpwnam(UNPRIVILEGED_USER)
    except KeyError:
        raise ConfigurationError(
            f"PostgreSQL cannot run as root, and there is no user `{UNPRIVILEGED_USER}` to run it as. "
            "Run the command as another user, or set DATABASE_URL to your own server."
        ) from None
    return ServerUser(user.pw_uid, user.pw_gid)


def is_traversable(path: Path) -> bool:
    """Return whether all users can traverse this directory and its parents."""
    path = path.resolve()
    return all(each.stat().st_mode & stat.S_IXOTH for each in (path, *path.parents))


def is_readable(path: Path) -> bool:
    """Return whether all users can traverse and list this directory."""
    return is_traversable(path) and bool(path.stat().st_mode & stat.S_IROTH)


def start(
    command: list[str],
    *,
    log: IO[bytes],
    cwd: Path,
    server_user: ServerUser | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start a server in its own session. On Linux, it receives `death_signal` when the calling thread ends.

    Call this from the main thread: the kernel tracks the thread, not the process.
    """
    return subprocess.Popen(
        command,
        stdin=stdin,
        stdout=log,
        stderr=log,
        cwd=cwd,
        env=_environment(),
        start_new_session=not WINDOWS,
        preexec_fn=before_exec(server_user, death_signal),
    )


def _environment() -> dict[str, str]:
    """Return the environment of a server: no secrets, and no variables that change its behavior."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in _INHERITED_VARIABLES or name.startswith("UNDERCROFT_")
    }
    return inherited | {"LC_ALL": "C"}


def before_exec(server_user: ServerUser | None, death_signal: signal.Signals) -> Callable[[], None] | None:
    """Return a `preexec_fn` that switches to the user and, on Linux, sets the parent death signal."""
    if WINDOWS:
        return None
    libc = ctypes.CDLL(None) if LINUX else None
    parent = os.getpid()

    def prepare_child() -> None:
        if server_user is not None:  # first, because changing the user clears the death signal
            os.setgroups([])
            os.setgid(server_user.gid)
            os.setuid(server_user.uid)
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, int(death_signal))
            if os.getppid() != parent:
                os._exit(1)

    return prepare_child


def stop(process: subprocess.Popen[bytes], *signals: signal.Signals, timeout: float = 4) -> None:
    """Send each signal in turn, `timeout` seconds apart, until the process ends; then kill its session."""
    for number in signals:
        if process.poll() is not None:
            return
        _signal(process, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout)
            return
    if process.poll() is None:
        kill_session(process)
        process.wait(timeout)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if WINDOWS:
        process.terminate()
        return
    process.send_signal(number)
    process.send_signal(signal.SIGCONT)  # a stopped process handles no signal until it continues


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """Kill a session leader and all processes of its session."""
    if WINDOWS:
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def wait_until(done: Callable[[], bool], limit: float, failure: str) -> None:
    """Wait until a condition is true. Raises `ConfigurationError` with the message `failure` after `limit` seconds."""
    end = time.monotonic() + limit
    while not done():
        if time.monotonic() > end:
            raise ConfigurationError(failure)
        time.sleep(0.01)


def command_line(pid: int) -> str:
    """Return the command line of a running process, or an empty string."""
    if LINUX:
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    if WINDOWS:
        return ""
    return ps(pid, "command=")


def ps(pid: int, columns: str) -> str:
    """Return columns of the process table for one process."""
    command = ["/bin/ps", "-o", columns, "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def free_port() -> int:
    """Return an unused TCP port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_port_free(port: int) -> bool:
    """Return whether a server can listen on the port; a port in TIME_WAIT counts as free."""
    return bind_error(port, "127.0.0.1") is None


def bind_error(port: int, host: str) -> OSError | None:
    """Return the error of binding to this address, or None if it succeeds."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        if not WINDOWS:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


@contextlib.contextmanager
def file_lock(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Lock a file for the duration of the block; yields whether the lock was acquired (always True with `wait`).

    The operating system releases the lock when the process ends.
    """
    with path.open("a+b") as file:
        locked = _lock(file, wait)
        try:
            yield locked
        finally:
            if locked and WINDOWS:
                _unlock(file)


if WINDOWS:
    import msvcrt

    def _lock(file: IO[bytes], wait: bool) -> bool:
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True

    def _unlock(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined,unused-ignore]

else:
    import fcntl

    def _lock(file: IO[bytes], wait: bool) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)


def require_free_port(host: str, port: int, timeout: float = 1.5) -> None:
    """Raise `ConfigurationError` if we cannot listen there. Waits up to `timeout` seconds for the port to be freed."""
    limit = time.monotonic() + timeout
    while (error := bind_error(port, host)) is not None:
        if error.errno != errno.EADDRINUSE:
            raise ConfigurationError(
                f"Cannot listen on {host}, port {port}: {error.strerror}. Use another --port, or omit --host."
            )
        if time.monotonic() > limit:
            other = next((each for each in range(port + 1, 65536) if is_port_free(each)), 0)
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
