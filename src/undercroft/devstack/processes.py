"""The processes of the supervisor: servers and programs, restarted when they die."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from undercroft.core.errors import ConfigurationError
from undercroft.devstack import machine, reaper

EX_TEMPFAIL = 75
"""Exit code of a program when a server it needs is unavailable (sysexits.h). The supervisor restarts the program."""
_MIN_BACKOFF, _MAX_BACKOFF, _STABLE_SECONDS = 0.2, 10.0, 10.0
USER_ERROR_EXIT_CODES = frozenset({1, 2})
"""Exit codes after an error in code or settings. The program has reported it; restarting would only repeat it."""


class Process(Protocol):
    """A process that can be started and stopped; `process` is None while it is not running."""

    process: subprocess.Popen[bytes] | None

    def start(self) -> None: ...
    def stop(self) -> None: ...


class Program:
    """Runs a Python module in a child process.

    `environment` is added to the current environment. With `quiet`, standard output is discarded.
    """

    def __init__(
        self, *arguments: str, environment: Mapping[str, str], quiet: bool = False, module: str = "undercroft.cli"
    ) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._environment = environment
        self._output = subprocess.DEVNULL if quiet else None
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            env={**os.environ, **self._environment, "UNDERCROFT_SUPERVISED": "1"},
            start_new_session=not machine.WINDOWS,
            preexec_fn=machine.before_exec(None, signal.SIGTERM) if machine.LINUX else None,
        )

    def terminate(self) -> None:
        """Send SIGTERM without waiting, so that several programs can end in parallel."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def stop(self) -> None:
        """Send SIGTERM, wait up to three seconds, then kill it."""
        if self.process is not None:
            machine.stop(self.process, signal.SIGTERM, timeout=3)
            self.process = None

    def has_exited(self) -> bool:
        """Return whether it has ended successfully. Raises `SystemExit` with its exit code if it has failed."""
        code = None if self.process is None else self.process.poll()
        if code:
            raise SystemExit(code if code > 0 else 1)
        return code == 0


class Reaper:
    """Starts the reaper process, which ends the watched processes if the supervisor is killed."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(reaper.__file__))],
            stdin=subprocess.PIPE,
            start_new_session=not machine.WINDOWS,
        )

    def stop(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
            self.process.wait(10)
            self.process = None

    def watch(self, pid: int) -> None:
        self._send(f"+{pid}\n")

    def unwatch(self, pid: int) -> None:
        self._send(f"-{pid}\n")

    def _send(self, line: str) -> None:
        if self.process is not None and self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.write(line.encode())
                self.process.stdin.flush()


class ManagedProcess:
    """Keeps one process running: `poll` restarts it with exponential backoff after it has died.

    After an error in code or settings, it is paused, and `fatal_exit_code` is the exit code.
    """

    def __init__(self, name: str, child: Process, reaper: Reaper) -> None:
        self.name = name
        self.child = child
        self.paused = False
        self.fatal_exit_code: int | None = None
        self._reaper = reaper
        self._pid = 0
        self._started = 0.0
        self._backoff = _MIN_BACKOFF
        self._next_start = 0.0

    def start(self) -> None:
        """Start it. Raises `ConfigurationError` if it cannot be started."""
        self.child.start()
        assert self.child.process is not None
        self._pid = self.child.process.pid
        self._started = time.monotonic()
        self._reaper.watch(self._pid)

    def stop(self) -> None:
        self.child.stop()
        self._unwatch()

    def terminate(self) -> None:
        if isinstance(self.child, Program):
            self.child.terminate()

    def kill(self) -> None:
        """Kill it with all its child processes."""
        if self.child.process is not None and self.child.process.poll() is None:
            machine.kill_session(self.child.process)

    def schedule_restart(self) -> None:
        """Start it at the next `poll` without backoff."""
        self.paused, self.fatal_exit_code = False, None
        self._backoff, self._next_start = _MIN_BACKOFF, 0.0

    def poll(self) -> str:
        """Restart the process if necessary. Returns a message to print, usually empty."""
        if self.paused or time.monotonic() < self._next_start:
            return ""
        process = self.child.process
        if process is None:
            return self._restart()
        if process.poll() is None:
            return ""
        self._unwatch()
        self.child.process = None
        lived = time.monotonic() - self._started
        if isinstance(self.child, Program) and process.returncode in USER_ERROR_EXIT_CODES and lived < _STABLE_SECONDS:
            self.paused, self.fatal_exit_code = True, process.returncode
            return f"{self.name} stopped (exit code {process.returncode}); it restarts when a file changes"
        self._backoff = _MIN_BACKOFF if lived > _STABLE_SECONDS else min(self._backoff * 2, _MAX_BACKOFF)
        self._next_start = time.monotonic() + self._backoff
        return f"{self.name} stopped ({_describe_exit(process.returncode)}); restarting"

    def watch_again(self) -> None:
        """Register the process with a new reaper."""
        if self._pid:
            self._reaper.watch(self._pid)

    def _restart(self) -> str:
        try:
            self.start()
        except (ConfigurationError, OSError) as error:
            self._backoff = min(self._backoff * 2, _MAX_BACKOFF)
            self._next_start = time.monotonic() + self._backoff
            return f"Cannot start {self.name}: {error}"
        return ""

    def _unwatch(self) -> None:
        if self._pid:
            self._reaper.unwatch(self._pid)
            self._pid = 0


def _describe_exit(code: int) -> str:
    if code == EX_TEMPFAIL:
        return "a server that it needs is unavailable"
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"
