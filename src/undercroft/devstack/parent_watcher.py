"""Watches the processes that started us: `make`, `uv`, the leader of our process group."""

import contextlib
import os
import select
import signal
import subprocess
from pathlib import Path

from undercroft.devstack.machine import LINUX, WINDOWS

_LAUNCHERS = {"make", "gmake", "uv"}


class ParentWatcher:
    """Those who must live for us to live: our ancestors within the process group, and its leader.

    Under `nohup` a shell that ends is no reason to go; `make` and `uv` still are.
    """

    def __init__(self) -> None:
        parent = os.getppid()
        stays = not WINDOWS and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        pids = [] if WINDOWS else _select_pids(parent, stays)
        self._parent = parent if parent in pids or not stays else 0
        self._pidfds = [fd for pid in pids if (fd := _open_pidfd(pid)) is not None]
        self._pids = [] if self._pidfds else pids

    def has_exited(self) -> bool:
        """Whether one of them has ended since."""
        if WINDOWS:
            return False
        if self._parent and os.getppid() != self._parent:
            return True
        if self._pidfds:
            return bool(select.select(self._pidfds, [], [], 0)[0])
        return not all(_is_alive(pid) for pid in self._pids)


def _select_pids(parent: int, stays: bool) -> list[int]:
    group = os.getpgrp()
    found = []
    pid = parent
    while pid > 1:
        above, its_group, name = _read_process(pid)
        if its_group != group:
            break
        if name in _LAUNCHERS or not stays:
            found.append(pid)
        pid = above
    if not stays and group not in (*found, os.getpid()):
        found.append(group)
    return found


def _read_process(pid: int) -> tuple[int, int, str]:
    """Parent, process group and name; zeros when there is no such process."""
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


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
