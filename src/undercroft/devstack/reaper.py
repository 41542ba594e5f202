"""A small process that ends the supervisor's processes after the supervisor was killed.

It reads `+pid` and `-pid` lines from standard input. When standard input closes, it sends SIGINT and SIGCONT to the
remaining processes and, after a grace period, kills their sessions. It imports only the standard library to start fast.
"""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

GRACE_SECONDS = 4.0


def main() -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    watched_pids: set[int] = set()
    for line in sys.stdin:
        (watched_pids.add if line[0] == "+" else watched_pids.discard)(int(line[1:]))
    _terminate_all(watched_pids)


def _terminate_all(watched_pids: set[int]) -> None:
    for pid in watched_pids:
        for name in ("SIGINT", "SIGCONT") if os.name == "posix" else ("SIGTERM",):
            _signal(pid, getattr(signal, name))
    limit = time.monotonic() + GRACE_SECONDS
    while watched_pids and time.monotonic() < limit:
        time.sleep(0.05)
        watched_pids = {pid for pid in watched_pids if is_alive(pid)}
    for pid in watched_pids:
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def is_alive(pid: int) -> bool:
    """Return whether a process is running. On Linux, one that has ended but was not waited for is not."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except OSError:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    main()
