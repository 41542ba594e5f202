"""Requests to stop: signals, and the end of the process that started this one."""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

from undercroft.devstack.parent_watcher import ParentWatcher


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
