"""What ties a process of ours to the supervisor that started it: a pipe as its standard input."""

import contextlib
import os
import signal
import sys
import threading
import time

EX_TEMPFAIL = 75
"""Exit code of a program that needs a server which is away (EX_TEMPFAIL of sysexits.h); it is started again."""

GRACE_SECONDS = 3.0
"""Seconds that a process has for going in order once its supervisor is gone."""


def exit_with_parent() -> None:
    """End this process and its session when standard input closes, which it does when the supervisor dies."""
    os.environ.pop("UNDERCROFT_LEASH", None)
    threading.Thread(target=_watch, args=(os.dup(0),), daemon=True, name="leash").start()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def _watch(pipe: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(pipe, 64):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)
