"""Requests to stop: signals, and the end of the processes that started this one: `make`, `uv` and the group leader."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from undercroft.devstack.machine import LINUX, WINDOWS, ps
from undercroft.devstack.reaper import is_alive

_LAUNCHERS = {"make", "gmake", "uv"}


class StopRequested(Exception):
    """A signal or the end of the parent process requests the supervisor to stop."""


class StopSignals:
    """Stops the program at the first signal; at the next one, calls `kill` and exits."""

    def __init__(self, kill: Callable[[], None]) -> None:
        self._kill = kill
        self._parent_watcher = ParentWatcher()
        self._requested_at: float | None = None

    def install(self) -> None:
        """Handle the signals even if the shell ignores them (`make dev &` in a script), except SIGHUP under `nohup`."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
            number = getattr(signal, name, None)
            if number is not None and not (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):
                signal.signal(number, self._handle)

    def sleep(self, seconds: float) -> None:
        """Sleep. Raises `StopRequested` if the supervisor should stop."""
        if self._requested_at is None:
            time.sleep(seconds)
        if self._requested_at is not None or self._parent_watcher.has_exited():
            raise StopRequested

    def _handle(self, *_: Any) -> None:
        """Kill everything at the second signal, if it comes more than 0.5 s after the first.

        Launchers such as `uv` repeat the first signal immediately.
        """
        now = time.monotonic()
        if self._requested_at is None:
            self._requested_at = now
        elif now - self._requested_at > 0.5:
            self._kill()
            os._exit(130)


class ParentWatcher:
    """Watches the ancestors within the process group and its leader.

    Under `nohup`, only `make` and `uv` are watched, because the shell may end.
    """

    def __init__(self) -> None:
        parent = os.getppid()
        nohup = not WINDOWS and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        # A leader that had ended before, such as a shell that started this in the background, is not watched.
        self._pids = [] if WINDOWS else [pid for pid in _select_pids(parent, nohup) if is_alive(pid)]
        self._parent = parent if parent in self._pids or not nohup else 0

    def has_exited(self) -> bool:
        """Return whether a watched process has ended."""
        return (self._parent != 0 and os.getppid() != self._parent) or not all(map(is_alive, self._pids))


def _select_pids(parent: int, nohup: bool) -> list[int]:
    group = os.getpgrp()
    found = []
    pid = parent
    while pid > 1:
        above, its_group, name = _read_process(pid)
        if its_group != group:
            break
        if name in _LAUNCHERS or not nohup:
            found.append(pid)
        pid = above
    if not nohup and group not in (*found, os.getpid()):
        found.append(group)
    return found


def _read_process(pid: int) -> tuple[int, int, str]:
    """Return parent, process group and name of a process; zeros and an empty name if it does not exist."""
    with contextlib.suppress(OSError, ValueError):
        if LINUX:
            head, _, tail = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
            _, parent, group = tail.split()[:3]
            return int(parent), int(group), head.partition("(")[2]
        parent, group, name = ps(pid, "ppid=,pgid=,comm=").split(None, 2)
        return int(parent), int(group), Path(name.strip()).name
    return 0, 0, ""
