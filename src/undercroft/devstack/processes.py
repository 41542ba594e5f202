"""What the supervisor looks after: servers and programs of ours, each brought back when it dies alone."""

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
from undercroft.devstack.parent_death import EX_TEMPFAIL

_MIN_BACKOFF, _MAX_BACKOFF, _STABLE_SECONDS = 0.2, 10.0, 10.0
USER_ERROR_EXIT_CODES = frozenset({1, 2})
"""Exit codes of a program that has said what is wrong with the code or the settings: it would only say so again."""


class Process(Protocol):
    """Something that can be started, looked at and stopped; `process` is None while it is not running."""

    process: subprocess.Popen[bytes] | None

    def start(self) -> None: ...
    def stop(self) -> None: ...


class Program:
    """A command of ours in a process of its own, which goes when the supervisor does.

    Its standard input is the leash; `environment` is added to ours. A quiet one prints nothing but errors.
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
            stdin=subprocess.PIPE,
            stdout=self._output,
            env={**os.environ, **self._environment, "UNDERCROFT_LEASH": "1"},
            start_new_session=not machine.WINDOWS,
            preexec_fn=machine.before_exec(None, signal.SIGTERM) if machine.LINUX else None,
        )

    def terminate(self) -> None:
        """Tell it to end without waiting, so that several can end at once."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def stop(self) -> None:
        """Let it finish what it does, for a few seconds."""
        if self.process is not None:
            machine.stop(self.process, signal.SIGTERM, timeout=3)
            assert self.process.stdin is not None
            with contextlib.suppress(OSError):
                self.process.stdin.close()
            self.process = None

    def has_exited(self) -> bool:
        """Whether it ended well. Raises `SystemExit` with its code when it did not: it has said why."""
        code = None if self.process is None else self.process.poll()
        if code:
            raise SystemExit(code if code > 0 else 1)
        return code == 0


class Reaper:
    """The process that ends the others should the supervisor be killed; told of each of them."""

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
    """Keeps one part running: `poll` is called often, and starts it anew with growing pauses when it has died.

    After a mistake it rests; `fatal_exit_code` is then the exit code.
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
        """Start it. Raises `ConfigurationError` when it cannot be."""
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
        """End it at once, with everything that it started."""
        if self.child.process is not None and self.child.process.poll() is None:
            machine.kill_session(self.child.process)

    def schedule_restart(self) -> None:
        """Start it at the next `poll`, whatever happened before."""
        self.paused, self.fatal_exit_code = False, None
        self._backoff, self._next_start = _MIN_BACKOFF, 0.0

    def poll(self) -> str:
        """Do what is due; returns what a person should know of it, mostly nothing."""
        if self.paused or time.monotonic() < self._next_start:
            return ""
        process = self.child.process
        if process is None:
            return self._restart()
        if process.poll() is None:
            return ""
        self._unwatch()
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        self.child.process = None
        lived = time.monotonic() - self._started
        if isinstance(self.child, Program) and process.returncode in USER_ERROR_EXIT_CODES and lived < _STABLE_SECONDS:
            self.paused, self.fatal_exit_code = True, process.returncode
            return f"{self.name} ended (exit code {process.returncode}); it is started again when a file changes"
        self._backoff = _MIN_BACKOFF if lived > _STABLE_SECONDS else min(self._backoff * 2, _MAX_BACKOFF)
        self._next_start = time.monotonic() + self._backoff
        return f"{self.name} ended ({_describe_exit(process.returncode)}); starting it again"

    def watch_again(self) -> None:
        """Tell a new guard of it."""
        if self._pid:
            self._reaper.watch(self._pid)

    def _restart(self) -> str:
        try:
            self.start()
        except (ConfigurationError, OSError) as error:
            self._backoff = min(self._backoff * 2, _MAX_BACKOFF)
            self._next_start = time.monotonic() + self._backoff
            return f"{self.name} cannot be started: {error}"
        return ""

    def _unwatch(self) -> None:
        if self._pid:
            self._reaper.unwatch(self._pid)
            self._pid = 0


def _describe_exit(code: int) -> str:
    if code == EX_TEMPFAIL:
        return "a server that it needs is away"
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"
