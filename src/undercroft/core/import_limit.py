"""Ends an import that does not end by itself, such as an endless loop or a wait for a server."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from undercroft.core.errors import CodeError

LIMIT = 4.0
"""Seconds of CPU time of an import, and seconds after which one that waits is ended."""

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
    started, used = time.monotonic(), time.thread_time()

    def interrupt(_signal: int, frame: FrameType | None) -> None:
        cpu = time.thread_time() - used
        if cpu >= LIMIT or cpu < IDLE_SHARE * (time.monotonic() - started):
            raise _ImportTooSlow(_find_line(frame, package))

    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, LIMIT, CHECK_INTERVAL)
    try:
        yield
    except _ImportTooSlow as error:
        raise CodeError(
            f"This import takes longer than {LIMIT:.0f} seconds. Move slow work into a function, or into `start` of "
            "lifespan.py.",
            at=error.args[0],
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _find_line(frame: FrameType | None, package: str) -> Any:
    """Return the file and line of the innermost frame in the package."""
    while frame is not None:
        if f"{frame.f_globals.get('__name__')}.".startswith(f"{package}."):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return package, 1
