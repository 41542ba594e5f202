"""What differs between operating systems and between root and everybody else."""

import contextlib
import ctypes
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from undercroft.core.errors import ConfigurationError

LINUX = sys.platform == "linux"
WINDOWS = os.name == "nt"
QUIT = getattr(signal, "SIGQUIT", signal.SIGTERM)

_PR_SET_PDEATHSIG = 1
_INHERITED_VARIABLES = {"PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR"}


@dataclass(frozen=True)
class ServerUser:
    """The user and group that a server runs as."""

    uid: int
    gid: int


def get_server_user() -> ServerUser | None:
    """Whom the servers run as: None means ourselves; root steps down to `nobody`, because PostgreSQL refuses root.

    Raises `ConfigurationError` when root finds no such user.
    """
    if WINDOWS or os.geteuid() != 0:
        return None
    import pwd

    try:
        user = pwd.getpwnam("nobody")
    except KeyError:
        raise ConfigurationError(
            "PostgreSQL does not run as root and there is no user `nobody` to run it as. "
            "Run this as an ordinary user, or set DATABASE_URL to a server of your own."
        ) from None
    return ServerUser(user.pw_uid, user.pw_gid)


def is_traversable(path: Path) -> bool:
    """Whether a user with no rights of their own can walk to this folder and through it."""
    path = path.resolve()
    return all(each.stat().st_mode & stat.S_IXOTH for each in (path, *path.parents))


def is_readable(path: Path) -> bool:
    """Whether such a user can also see what is in it."""
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
    """Start a server in a session of its own; on Linux it gets `death_signal` when the calling thread ends.

    Call it from the main thread: the kernel means the thread, not the process.
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
    """What a server may know of ours: no secrets, and nothing that would change how it runs."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _INHERITED_VARIABLES or name.startswith("UNDERCROFT_")
    }
    return kept | {"LC_ALL": "C"}


def before_exec(server_user: ServerUser | None, death_signal: signal.Signals) -> Callable[[], None] | None:
    """A `preexec_fn`: become that user, and on Linux get that signal when the starting thread ends."""
    if WINDOWS:
        return None
    libc = ctypes.CDLL(None) if LINUX else None
    parent = os.getpid()

    def step_down() -> None:
        if server_user is not None:  # first, because a change of ids clears the death signal
            os.setgroups([])
            os.setgid(server_user.gid)
            os.setuid(server_user.uid)
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, int(death_signal))
            if os.getppid() != parent:
                os._exit(1)

    return step_down


def stop(process: subprocess.Popen[bytes], *signals: signal.Signals, timeout: float = 4) -> None:
    """Ask a process to end with each signal in turn, `timeout` seconds apart, then kill its whole session."""
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
    process.send_signal(signal.SIGCONT)  # one that was stopped would never hear it


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that leads a session, and everything that it started."""
    if WINDOWS:
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def command_line(pid: int) -> str:
    """How a running process was started; empty when there is none."""
    if LINUX:
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    if WINDOWS:
        return ""
    response = subprocess.run(
        ["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return response.stdout.strip()


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_port_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there; a port left in TIME_WAIT counts as free."""
    return bind_error(port, host) is None


def bind_error(port: int, host: str) -> OSError | None:
    """Why a server could not listen there; None when it could."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        if not WINDOWS:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as fault:
            return fault
    return None


@contextlib.contextmanager
def file_lock(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold a lock file while the block runs; answers whether it was free (always, after waiting).

    The lock goes with the process, however that ends.
    """
    with path.open("a+b") as file:
        held = _lock(file, wait)
        try:
            yield held
        finally:
            if held and WINDOWS:
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
