"""When the supervisor starts a program again, and when it waits for a change."""

import sys
import time
from collections.abc import Iterator

import pytest

from undercroft.devstack.parts import Care, Guard, Program


class Script(Program):
    """A program of this text."""

    def __init__(self, text: str) -> None:
        super().__init__(environment={})
        self._command = [sys.executable, "-c", text]


@pytest.fixture
def cares() -> Iterator[list[Care]]:
    started: list[Care] = []
    yield started
    for care in started:
        care.stop()


def _ended(text: str, cares: list[Care]) -> tuple[Care, str]:
    care = Care("The API server", Script(text), Guard())
    cares.append(care)
    care.start()
    end = time.monotonic() + 20
    while not (said := care.tend()) and time.monotonic() < end:
        time.sleep(0.02)
    return care, said


@pytest.mark.parametrize("code", [1, 2])
def test_program_that_reported_a_mistake_waits_for_a_change(cares: list[Care], code: int) -> None:
    care, said = _ended(f"raise SystemExit({code})", cares)
    assert said == f"The API server ended (exit code {code}); it is started again when a file changes"
    assert [care.tend() for _ in range(20)] == [""] * 20
    assert (care.resting, care.mistake, care.part.process) == (True, code, None)
    care.renew()
    assert care.mistake is None
    assert care.tend() == ""
    assert care.part.process is not None


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
        ("raise SystemExit(3)", "exit code 3"),
        ("raise SystemExit(75)", "a server that it needs is away"),
    ],
)
def test_program_that_died_is_started_again(cares: list[Care], text: str, cause: str) -> None:
    care, said = _ended(text, cares)
    assert said == f"The API server ended ({cause}); starting it again"
    end = time.monotonic() + 20
    while care.part.process is None and time.monotonic() < end:
        care.tend()
        time.sleep(0.02)
    assert care.part.process is not None
