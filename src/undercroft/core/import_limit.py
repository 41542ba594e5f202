"""Ends an import that does not end by itself, such as an endless loop or a wait for a server."""

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from undercroft.core.errors import CodeError

LIMIT = 3.5
"""Seconds without progress: of CPU time, or of time for an import that waits. A new module is progress, so that an
import of large libraries may take longer."""

CHECK_INTERVAL = 1.0
IDLE_SHARE = 0.05
"""An import that has used a smaller share of the time waits. A busy machine may slow one down, and that is no error."""


class _ImportTooSlow(BaseException):
    """Raised in the importing code. It is not an `Exception`, so that `except Exception` does not catch it."""


@contextmanager
def import_limit(package: str) -> Iterator[None]:
    """Raise `CodeError` if an import in the block takes too long, with the line of this package that was running.

    Works in the main thread, in which applications are built, and not on Windows.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    progress = _Progress()

    def interrupt(_signal: int, frame: FrameType | None) -> None:
        if progress.has_stalled():
            raise _ImportTooSlow(_find_line(frame, package))

    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, CHECK_INTERVAL, CHECK_INTERVAL)
    try:
        yield
    except _ImportTooSlow as error:
        raise CodeError(
            "This line does not end, or takes longer than an import may. Move slow work into a function, or into "
            "`start` of lifespan.py.",
            at=error.args[0],
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


class _Progress:
    """Times since the last module was imported."""

    def __init__(self) -> None:
        self._note()

    def _note(self) -> None:
        self._modules, self._started, self._used = len(sys.modules), time.monotonic(), time.thread_time()

    def has_stalled(self) -> bool:
        if len(sys.modules) != self._modules:
            self._note()
        seconds, cpu = time.monotonic() - self._started, time.thread_time() - self._used
        return cpu >= LIMIT or (seconds >= LIMIT and cpu < IDLE_SHARE * seconds)


def _find_line(frame: FrameType | None, package: str) -> Any:
    """Return the file and line of the innermost frame in the package."""
    while frame is not None:
        if f"{frame.f_globals.get('__name__')}.".startswith(f"{package}."):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return package, 1
