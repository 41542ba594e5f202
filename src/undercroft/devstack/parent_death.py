"""Ends a process when its supervisor dies, which it detects by a pipe as its standard input."""

import contextlib
import os
import signal
import sys
import threading
import time

EX_TEMPFAIL = 75
"""Exit code of a program when a server it needs is unavailable (sysexits.h). The supervisor restarts the program."""

GRACE_SECONDS = 3.0
"""Seconds for a graceful shutdown after the supervisor has died."""


def exit_with_parent() -> None:
    """End this process and its session when standard input closes, that is, when the supervisor dies."""
    os.environ.pop("UNDERCROFT_SUPERVISED", None)
    threading.Thread(target=_watch, args=(os.dup(0),), daemon=True, name="parent-death").start()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


def _watch(pipe: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(pipe, 64):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)
