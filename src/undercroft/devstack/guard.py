"""A small process that outlives the supervisor by seconds: it ends what the supervisor could not.

It reads `+pid` and `-pid` lines from standard input. When that closes, every process still on the list is woken, asked
to end, and after a while killed with its whole session. It imports nothing of ours, so that it starts at once.
"""

import contextlib
import os
import signal
import sys
import time

PATIENCE = 4.0


def main() -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    wards: set[int] = set()
    for line in sys.stdin:
        (wards.add if line[0] == "+" else wards.discard)(int(line[1:]))
    _end(wards)


def _end(wards: set[int]) -> None:
    for pid in wards:
        for name in ("SIGINT", "SIGCONT") if os.name == "posix" else ("SIGTERM",):
            _signal(pid, getattr(signal, name))
    limit = time.monotonic() + PATIENCE
    while wards and time.monotonic() < limit:
        time.sleep(0.05)
        wards = {pid for pid in wards if _lives(pid)}
    for pid in wards:
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    main()
