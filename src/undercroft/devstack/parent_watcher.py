"""Watches the processes that started this one: `make`, `uv` and the leader of the process group."""

import contextlib
import os
import select
import signal
import subprocess
from pathlib import Path

from undercroft.devstack.machine import LINUX, WINDOWS
from undercroft.devstack.reaper import is_alive

_LAUNCHERS = {"make", "gmake", "uv"}


class ParentWatcher:
    """Watches the ancestors within the process group and its leader.

    Under `nohup`, only `make` and `uv` are watched, because the shell may end.
    """

    def __init__(self) -> None:
        parent = os.getppid()
        nohup = not WINDOWS and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        pids = [] if WINDOWS else _select_pids(parent, nohup)
        self._parent = parent if parent in pids or not nohup else 0
        self._pidfds = [fd for pid in pids if (fd := _open_pidfd(pid)) is not None]
        self._pids = [] if self._pidfds else pids

    def has_exited(self) -> bool:
        """Return whether a watched process has ended."""
        if WINDOWS:
            return False
        if self._parent and os.getppid() != self._parent:
            return True
        if self._pidfds:
            return bool(select.select(self._pidfds, [], [], 0)[0])
        return not all(is_alive(pid) for pid in self._pids)


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
        line = subprocess.run(
            ["/bin/ps", "-o", "ppid=,pgid=,comm=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        parent, group, name = line.stdout.split(None, 2)
        return int(parent), int(group), Path(name.strip()).name
    return 0, 0, ""


def _open_pidfd(pid: int) -> int | None:
    if not LINUX or not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None
