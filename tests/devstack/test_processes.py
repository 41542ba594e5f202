"""When the supervisor restarts a program, and when it waits for a change."""

import sys
import time
from collections.abc import Iterator

import pytest

from undercroft.devstack.processes import ManagedProcess, Program, Reaper


class Script(Program):
    """A program with this source code."""

    def __init__(self, text: str) -> None:
        super().__init__(environment={})
        self._command = [sys.executable, "-c", text]


@pytest.fixture
def managed_processes() -> Iterator[list[ManagedProcess]]:
    started: list[ManagedProcess] = []
    yield started
    for managed in started:
        managed.stop()


def _run_until_exit(text: str, managed_processes: list[ManagedProcess]) -> tuple[ManagedProcess, str]:
    managed = ManagedProcess("The API server", Script(text), Reaper())
    managed_processes.append(managed)
    managed.start()
    end = time.monotonic() + 20
    while not (output := managed.poll()) and time.monotonic() < end:
        time.sleep(0.02)
    return managed, output


@pytest.mark.parametrize("code", [1, 2])
def test_program_with_an_error_in_code_waits_for_a_change(managed_processes: list[ManagedProcess], code: int) -> None:
    managed, output = _run_until_exit(f"raise SystemExit({code})", managed_processes)
    assert output == f"The API server stopped (exit code {code}); it restarts when a file changes"
    assert [managed.poll() for _ in range(20)] == [""] * 20
    assert (managed.paused, managed.fatal_exit_code, managed.child.process) == (True, code, None)
    managed.schedule_restart()
    assert managed.fatal_exit_code is None
    assert managed.poll() == ""
    assert managed.child.process is not None


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
        ("raise SystemExit(3)", "exit code 3"),
        ("raise SystemExit(75)", "a server that it needs is unavailable"),
    ],
)
def test_killed_program_is_restarted(managed_processes: list[ManagedProcess], text: str, cause: str) -> None:
    managed, output = _run_until_exit(text, managed_processes)
    assert output == f"The API server stopped ({cause}); restarting"
    end = time.monotonic() + 20
    while managed.child.process is None and time.monotonic() < end:
        managed.poll()
        time.sleep(0.02)
    assert managed.child.process is not None
