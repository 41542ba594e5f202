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
from undercroft.devstack import guard, machine
from undercroft.devstack.leash import TEMPORARY

_SOONEST, _LATEST, _STABLE = 0.2, 10.0, 10.0
MISTAKES = frozenset({1, 2})
"""Exit codes of a program that has said what is wrong with the code or the settings: it would only say so again."""


class Part(Protocol):
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

    def ask_to_end(self) -> None:
        """Tell it to end without waiting, so that several can end at once."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def stop(self) -> None:
        """Let it finish what it does, for a few seconds."""
        if self.process is not None:
            machine.stop(self.process, signal.SIGTERM, patience=3)
            assert self.process.stdin is not None
            with contextlib.suppress(OSError):
                self.process.stdin.close()
            self.process = None

    def has_ended(self) -> bool:
        """Whether it ended well. Raises `SystemExit` with its code when it did not: it has said why."""
        code = None if self.process is None else self.process.poll()
        if code:
            raise SystemExit(code if code > 0 else 1)
        return code == 0


class Guard:
    """The process that ends the others should the supervisor be killed; told of each of them."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(guard.__file__))],
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
        self._tell(f"+{pid}\n")

    def forget(self, pid: int) -> None:
        self._tell(f"-{pid}\n")

    def _tell(self, line: str) -> None:
        if self.process is not None and self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.write(line.encode())
                self.process.stdin.flush()


class Care:
    """Keeps one part running: `tend` is called often, and starts it anew with growing pauses when it has died.

    After a mistake it rests; `mistake` is then the exit code.
    """

    def __init__(self, name: str, part: Part, guard: Guard) -> None:
        self.name = name
        self.part = part
        self.resting = False
        self.mistake: int | None = None
        self._guard = guard
        self._pid = 0
        self._started = 0.0
        self._pause = _SOONEST
        self._next = 0.0

    def start(self) -> None:
        """Start it. Raises `ConfigurationError` when it cannot be."""
        self.part.start()
        assert self.part.process is not None
        self._pid = self.part.process.pid
        self._started = time.monotonic()
        self._guard.watch(self._pid)

    def stop(self) -> None:
        self.part.stop()
        self._forget()

    def ask_to_end(self) -> None:
        if isinstance(self.part, Program):
            self.part.ask_to_end()

    def kill(self) -> None:
        """End it at once, with everything that it started."""
        if self.part.process is not None and self.part.process.poll() is None:
            machine.kill_session(self.part.process)

    def renew(self) -> None:
        """Start it at the next `tend`, whatever happened before."""
        self.resting, self.mistake = False, None
        self._pause, self._next = _SOONEST, 0.0

    def tend(self) -> str:
        """Do what is due; returns what a person should know of it, mostly nothing."""
        if self.resting or time.monotonic() < self._next:
            return ""
        process = self.part.process
        if process is None:
            return self._bring_back()
        if process.poll() is None:
            return ""
        self._forget()
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        self.part.process = None
        lived = time.monotonic() - self._started
        if isinstance(self.part, Program) and process.returncode in MISTAKES and lived < _STABLE:
            self.resting, self.mistake = True, process.returncode
            return f"{self.name} ended (exit code {process.returncode}); it is started again when a file changes"
        self._pause = _SOONEST if lived > _STABLE else min(self._pause * 2, _LATEST)
        self._next = time.monotonic() + self._pause
        return f"{self.name} ended ({_cause(process.returncode)}); starting it again"

    def register(self) -> None:
        """Tell a new guard of it."""
        if self._pid:
            self._guard.watch(self._pid)

    def _bring_back(self) -> str:
        try:
            self.start()
        except (ConfigurationError, OSError) as error:
            self._pause = min(self._pause * 2, _LATEST)
            self._next = time.monotonic() + self._pause
            return f"{self.name} cannot be started: {error}"
        return ""

    def _forget(self) -> None:
        if self._pid:
            self._guard.forget(self._pid)
            self._pid = 0


def _cause(code: int) -> str:
    if code == TEMPORARY:
        return "a server that it needs is away"
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"
