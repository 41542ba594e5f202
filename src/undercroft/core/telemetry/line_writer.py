"""A buffer for log lines, flushed immediately when a line reports an error."""

import atexit
import contextlib
import os
import sys
import threading
from typing import TextIO

FLUSH_INTERVAL = 0.5
MAX_PENDING = 512


class LineWriter:
    """A buffer in front of a text stream, shared by all threads of a process.

    It is flushed after half a second, at 512 lines, on an urgent line, and at exit. If the stream cannot be written to,
    lines are lost; the program is never stopped.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream
        self._lines: list[str] = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        atexit.register(self.flush)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reset_after_fork)

    def write(self, line: str, *, urgent: bool = False) -> None:
        self._lines.append(line)
        if urgent or len(self._lines) >= MAX_PENDING:
            self.flush()
        elif not self._wake.is_set():
            self._start()

    def flush(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
            if not lines:
                return
            stream = self.stream or sys.stderr
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.write("\n".join(lines) + "\n")
                stream.flush()

    def _start(self) -> None:
        self._wake.set()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._flush_regularly, name="log-writer", daemon=True)
            with contextlib.suppress(RuntimeError):
                self._thread.start()

    def _flush_regularly(self) -> None:
        idle = threading.Event()
        while True:
            self._wake.wait()
            idle.wait(FLUSH_INTERVAL)
            self._wake.clear()
            self.flush()

    def _reset_after_fork(self) -> None:
        self._lines = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread = None
