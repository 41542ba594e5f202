"""Finds the processes of a stack by a marker in their inherited environment (Linux)."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

MARK = "UNDERCROFT_ACCEPTANCE"
PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    command: str

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        os.kill(self.pid, number)


def list_processes(mark: str) -> list[Process]:
    """Return all running processes with this marker in their environment."""
    everything = {process.pid: process for process in _list_all()}
    ours = {pid for pid in everything if _has_mark(pid, mark)}
    grown = True
    while grown:
        children = {pid for pid, process in everything.items() if process.parent in ours}
        grown = not children <= ours
        ours |= children
    return [everything[pid] for pid in sorted(ours)]


def _list_all() -> list[Process]:
    return [found for entry in PROC.iterdir() if entry.name.isdigit() and (found := _read(int(entry.name)))]


def _read(pid: int) -> Process | None:
    try:
        status = (PROC / str(pid) / "stat").read_text()
        command = (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    state, parent = status.rsplit(")", 1)[1].split()[:2]
    return None if state in "ZX" else Process(pid, int(parent), command)


def _has_mark(pid: int, mark: str) -> bool:
    try:
        return f"{MARK}={mark}".encode() in (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
