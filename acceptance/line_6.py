"""Line 6: what clients see while PostgreSQL or Valkey is away, and how soon it is over."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx

from acceptance.line_1 import PARTS
from acceptance.people import Person, signed_up
from acceptance.stack import Stack
from acceptance.verdict import Verdict

CLIENTS, AWAY, RECOVERY = 8, 10, 5


@dataclass
class Load:
    """What was answered to a steady load, and when."""

    answers: list[tuple[float, int]] = field(default_factory=list)
    misshapen: list[str] = field(default_factory=list)
    slowest: float = 0

    def statuses(self, since: float = 0) -> Counter[int]:
        return Counter(status for at, status in self.answers if at >= since)

    def last_failure(self) -> float:
        return max((at for at, status in self.answers if status >= 500), default=0)


async def prove(stack: Stack, verdict: Verdict) -> None:
    async with stack.client() as http:
        person = await signed_up(http)
        await _stopped_and_started(stack, person, verdict)
        await _frozen(stack, person, verdict)
        await _without_valkey(stack, person, verdict)


@asynccontextmanager
async def _under_load(person: Person) -> AsyncIterator[Load]:
    load = Load()
    tasks = [asyncio.create_task(_client(person, load, number)) for number in range(CLIENTS)]
    await asyncio.sleep(2)
    try:
        yield load
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _client(person: Person, load: Load, number: int) -> None:
    requests = [
        ("GET", "/app/users/me", None),
        ("GET", "/app/projects", None),
        ("POST", "/app/projects", {"name": f"Under load {number}"}),
    ]
    while True:
        for method, path, body in requests:
            started = time.monotonic()
            try:
                answer = await person.send(method, path, body)
            except httpx.HTTPError as fault:
                load.answers.append((time.monotonic(), 599))
                load.misshapen.append(repr(fault))
                continue
            load.answers.append((time.monotonic(), answer.status_code))
            load.slowest = max(load.slowest, time.monotonic() - started)
            if answer.status_code >= 400 and (wrong := _misshapen(answer)):
                load.misshapen.append(wrong)
            await asyncio.sleep(0.02)


def _misshapen(answer: httpx.Response) -> str:
    if answer.status_code != 503:
        return f"{answer.status_code}: {answer.text[:200]}"
    shaped = {"error", "request_id", "timestamp"} <= set(answer.json()) and "Retry-After" in answer.headers
    return "" if shaped else answer.text[:200]


async def _stopped_and_started(stack: Stack, person: Person, verdict: Verdict) -> None:
    before = _others(stack)
    async with _under_load(person) as load:
        stopped = await asyncio.to_thread(stack.undercroft, "db", "stop")
        verdict.check(stopped.returncode == 0, "`undercroft db stop` stops PostgreSQL", stopped.stderr[-300:])
        await asyncio.sleep(AWAY)
        verdict.check(load.statuses(time.monotonic() - 5).keys() == {503}, "it stays stopped", dict(load.statuses()))
        started = await asyncio.to_thread(stack.undercroft, "db", "start")
        verdict.check(started.returncode == 0, "`undercroft db start` starts it", started.stderr[-300:])
        await _recovers(load, time.monotonic(), "after `db stop` and `start`", verdict)
    verdict.check(_others(stack) == before, "nothing else was restarted", before ^ _others(stack) or "")


async def _frozen(stack: Stack, person: Person, verdict: Verdict) -> None:
    before = _others(stack)
    async with _under_load(person) as load:
        servers = _tree(stack, "PostgreSQL")
        _signal(servers, signal.SIGSTOP)
        try:
            await asyncio.sleep(AWAY)
        finally:
            _signal(servers, signal.SIGCONT)
        await _recovers(load, time.monotonic(), "after SIGSTOP and SIGCONT", verdict)
    verdict.check(_others(stack) == before, "nothing else was restarted", before ^ _others(stack) or "")


async def _recovers(load: Load, back: float, when: str, verdict: Verdict) -> None:
    await asyncio.sleep(RECOVERY + 3)
    took = max(0.0, load.last_failure() - back)
    verdict.check(took < RECOVERY, f"{when}: recovery within 5 s", f"{took:.1f} s")
    statuses = load.statuses()
    verdict.check(statuses[503] and not load.misshapen, f"{when}: 503 in the one shape", load.misshapen[:3] or statuses)
    good = load.statuses(back + RECOVERY)
    verdict.check(good and set(good) <= {200, 201}, f"{when}: then every request succeeds", dict(good))
    verdict.note(f"slowest answer {load.slowest:.1f} s")


async def _without_valkey(stack: Stack, person: Person, verdict: Verdict) -> None:
    async with _under_load(person) as load:
        valkey = _tree(stack, "Valkey")
        verdict.check(valkey, "Valkey runs")
        _signal(valkey, signal.SIGSTOP)
        try:
            await asyncio.sleep(AWAY)
            ready = await person.http.get("/api/v1/public/health/ready")
        finally:
            _signal(valkey, signal.SIGCONT)
        statuses = load.statuses()
        verdict.check(set(statuses) <= {200, 201}, "Valkey stopped: nothing fails", dict(statuses))
        told = (ready.status_code, ready.json().get("status"))
        verdict.check(told == (200, "degraded"), "and ready says `degraded`", told)
        verdict.note(f"slowest answer {load.slowest:.1f} s")


def _tree(stack: Stack, part: str) -> list[int]:
    """The server and its children."""
    processes = stack.processes
    roots = {process.pid for process in processes if PARTS[part](process)}
    return [process.pid for process in processes if process.pid in roots or process.parent in roots]


def _others(stack: Stack) -> set[int]:
    """The API server and the worker, by their ids."""
    return {
        process.pid for process in stack.processes if PARTS["the API server"](process) or PARTS["the worker"](process)
    }


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
