"""A thread that runs the worker's heartbeat process and detects a blocked event loop."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from undercroft.jobs.context import current

log = structlog.get_logger("undercroft.application")

HEARTBEAT_SCRIPT = Path(__file__).with_name("heartbeat_process.py")
TICK_INTERVAL = 0.25
BLOCKED_THRESHOLD = 2.0
"""Seconds after which a blocked event loop is reported."""

RESTART_DELAY = 5.0


class HeartbeatProcess:
    """The process that renews a worker's claims every `interval` seconds. It is restarted if it ends."""

    def __init__(self, url: str, sql: str, interval: float) -> None:
        settings = {"url": url, "sql": sql, "interval": interval, "parent": os.getpid()}
        self._settings = json.dumps(settings).encode() + b"\n"
        self._process: subprocess.Popen[bytes] | None = None
        self._start_at = 0.0

    def ensure_running(self) -> None:
        """Start it unless it is running. A failed start is logged and retried a few seconds later."""
        if self._process is not None and self._process.poll() is None:
            return
        if self._process is not None:
            log.warning("heartbeat_process.exited", exit_code=self._process.returncode)
            self.terminate()
        if time.monotonic() >= self._start_at:
            self._start_at = time.monotonic() + RESTART_DELAY
            self._start()

    def _start(self) -> None:
        try:
            # -P: modules of this package must not shadow those of the standard library.
            self._process = subprocess.Popen([sys.executable, "-P", str(HEARTBEAT_SCRIPT)], stdin=subprocess.PIPE)
            assert self._process.stdin is not None
            self._process.stdin.write(self._settings)
            self._process.stdin.flush()
        except OSError as error:
            log.error("heartbeat_process.start_failed", reason=str(error))

    def terminate(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None


class Watchdog:
    """Logs the task that blocks the event loop, with its stack. While the loop is blocked, calls `on_blocked` in its
    thread at every check.
    """

    def __init__(self, heartbeats: HeartbeatProcess, on_blocked: Callable[[], None]) -> None:
        self.blocked_seconds = 0.0
        self._heartbeats = heartbeats
        self._on_blocked = on_blocked
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="jobs watchdog", daemon=True)
        self._loop_thread = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticked_at = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._reported = False

    def start(self) -> None:
        """Start watching the running event loop. Call this in the thread of the loop."""
        self._loop, self._loop_thread = asyncio.get_running_loop(), threading.get_ident()
        self._ticked_at = time.monotonic()
        self._tick()
        self._heartbeats.ensure_running()
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and the heartbeat process."""
        self._stopped.set()
        if self._timer is not None:
            self._timer.cancel()
        self._thread.join()
        self._heartbeats.terminate()

    def _tick(self) -> None:
        assert self._loop is not None
        silence = time.monotonic() - self._ticked_at
        if silence > BLOCKED_THRESHOLD:
            self.blocked_seconds += silence
        if self._reported:
            self._reported = False
            log.warning("event_loop.recovered", blocked_for=round(silence, 1))
        self._ticked_at = time.monotonic()
        self._timer = self._loop.call_later(TICK_INTERVAL, self._tick)

    def _watch(self) -> None:
        while not self._stopped.wait(TICK_INTERVAL):
            self._heartbeats.ensure_running()
            silence = time.monotonic() - self._ticked_at
            if silence > BLOCKED_THRESHOLD:
                self._report(silence)
                self._on_blocked()

    def _report(self, silence: float) -> None:
        if self._reported:
            return
        self._reported = True
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001 - documented
        log.error(
            "event_loop.blocked",
            blocked_for=round(silence, 1),
            blocking=_describe_task(asyncio.current_task(self._loop)),
            stack="".join(traceback.format_stack(frame)) if frame else None,
        )


def _describe_task(running: "asyncio.Task[Any] | None") -> str | None:
    """Return the name of the asyncio task and, from Python 3.12 on, the job that it belongs to."""
    if running is None:
        return None
    get_context = getattr(running, "get_context", None)
    job = get_context().get(current) if get_context else None
    return running.get_name() if job is None else f"{running.get_name()} of job {job.task} {job.id}"
