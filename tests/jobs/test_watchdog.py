"""The heartbeat process is restarted when it ends."""

import subprocess
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from undercroft.jobs import watchdog
from undercroft.jobs.watchdog import HeartbeatProcess


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    processes: list[subprocess.Popen[bytes]] = []

    def start(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        processes.append(subprocess.Popen(*arguments, **options))
        return processes[-1]

    monkeypatch.setattr(watchdog, "subprocess", SimpleNamespace(Popen=start, PIPE=subprocess.PIPE))
    return processes


@pytest.fixture
def heartbeats(database_url: str) -> Iterator[HeartbeatProcess]:
    process = HeartbeatProcess(database_url, "SELECT 1", 60)
    yield process
    process.terminate()


def test_running_process_is_not_started_again(
    heartbeats: HeartbeatProcess, started: list[subprocess.Popen[bytes]]
) -> None:
    for _ in range(3):
        heartbeats.ensure_running()
    assert [process.poll() for process in started] == [None]
    heartbeats.terminate()
    assert started[0].poll() is not None


def test_ended_process_is_started_again_after_a_delay(
    heartbeats: HeartbeatProcess, started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    heartbeats.ensure_running()
    now = time.monotonic()
    started[0].kill()
    started[0].wait()

    monkeypatch.setattr(watchdog, "time", SimpleNamespace(monotonic=lambda: now))
    heartbeats.ensure_running()
    assert len(started) == 1, "a process that ends at once is not started in a loop"

    monkeypatch.setattr(watchdog, "time", SimpleNamespace(monotonic=lambda: now + watchdog.RESTART_DELAY))
    heartbeats.ensure_running()
    assert [process.poll() for process in started[1:]] == [None]


def test_failed_start_is_logged_and_retried_after_a_delay(
    heartbeats: HeartbeatProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[Any] = []
    now = time.monotonic()

    def refuse(arguments: Any, **_options: Any) -> None:
        attempts.append(arguments)
        raise OSError("no more processes")

    monkeypatch.setattr(watchdog, "subprocess", SimpleNamespace(Popen=refuse, PIPE=subprocess.PIPE))
    with structlog.testing.capture_logs() as logs:
        for elapsed in (0, watchdog.RESTART_DELAY / 2, watchdog.RESTART_DELAY):
            monkeypatch.setattr(watchdog, "time", SimpleNamespace(monotonic=lambda elapsed=elapsed: now + elapsed))
            heartbeats.ensure_running()
    assert len(attempts) == 2
    expected = ("heartbeat_process.start_failed", "no more processes")
    assert [(each["event"], each["reason"]) for each in logs] == [expected] * 2
