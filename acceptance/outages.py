"""Scenario 6: responses during outages of PostgreSQL and Valkey, and the time of recovery."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx2 as httpx

from acceptance.report import ScenarioReport
from acceptance.stack import Stack
from acceptance.startup import PROCESS_MATCHERS
from acceptance.users import UserClient, sign_up

CLIENTS, OUTAGE_SECONDS, RECOVERY = 8, 10, 5


@dataclass
class Load:
    """The responses to a steady load, with their times."""

    responses: list[tuple[float, int]] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)
    slowest: float = 0

    def statuses(self, since: float = 0) -> Counter[int]:
        return Counter(status for at, status in self.responses if at >= since)

    def last_failure(self) -> float:
        return max((at for at, status in self.responses if status >= 500), default=0)


async def run_scenario(stack: Stack, report: ScenarioReport) -> None:
    async with stack.client() as http:
        person = await sign_up(http)
        await _check_stop_and_start(stack, person, report)
        await _check_frozen(stack, person, report)
        await _check_without_valkey(stack, person, report)


@asynccontextmanager
async def _under_load(person: UserClient) -> AsyncIterator[Load]:
    load = Load()
    tasks = [asyncio.create_task(_client(person, load, number)) for number in range(CLIENTS)]
    await asyncio.sleep(2)
    try:
        yield load
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _client(person: UserClient, load: Load, number: int) -> None:
    requests = [
        ("GET", "/app/users/me", None),
        ("GET", "/app/projects", None),
        ("POST", "/app/projects", {"name": f"Under load {number}"}),
    ]
    while True:
        for method, path, body in requests:
            started = time.monotonic()
            try:
                response = await person.send(method, path, body)
            except httpx.HTTPError as error:
                load.responses.append((time.monotonic(), 599))
                load.malformed.append(repr(error))
                continue
            load.responses.append((time.monotonic(), response.status_code))
            load.slowest = max(load.slowest, time.monotonic() - started)
            if response.status_code >= 400 and (wrong := _describe_malformed(response)):
                load.malformed.append(wrong)
            await asyncio.sleep(0.02)


def _describe_malformed(response: httpx.Response) -> str:
    if response.status_code != 503:
        return f"{response.status_code}: {response.text[:200]}"
    shaped = {"error", "request_id", "timestamp"} <= set(response.json()) and "Retry-After" in response.headers
    return "" if shaped else response.text[:200]


async def _check_stop_and_start(stack: Stack, person: UserClient, report: ScenarioReport) -> None:
    before = _other_pids(stack)
    async with _under_load(person) as load:
        stopped = await asyncio.to_thread(stack.undercroft, "db", "stop")
        report.check(stopped.returncode == 0, "`undercroft db stop` stops PostgreSQL", stopped.stderr[-300:])
        await asyncio.sleep(OUTAGE_SECONDS)
        report.check(load.statuses(time.monotonic() - 5).keys() == {503}, "it stays stopped", dict(load.statuses()))
        started = await asyncio.to_thread(stack.undercroft, "db", "start")
        report.check(started.returncode == 0, "`undercroft db start` starts it", started.stderr[-300:])
        await _check_recovery(load, time.monotonic(), "after `db stop` and `start`", report)
    report.check(_other_pids(stack) == before, "nothing else was restarted", before ^ _other_pids(stack) or "")


async def _check_frozen(stack: Stack, person: UserClient, report: ScenarioReport) -> None:
    before = _other_pids(stack)
    async with _under_load(person) as load:
        servers = _process_tree(stack, "PostgreSQL")
        _signal(servers, signal.SIGSTOP)
        try:
            await asyncio.sleep(OUTAGE_SECONDS)
        finally:
            _signal(servers, signal.SIGCONT)
        await _check_recovery(load, time.monotonic(), "after SIGSTOP and SIGCONT", report)
    report.check(_other_pids(stack) == before, "nothing else was restarted", before ^ _other_pids(stack) or "")


async def _check_recovery(load: Load, back: float, when: str, report: ScenarioReport) -> None:
    await asyncio.sleep(RECOVERY + 3)
    took = max(0.0, load.last_failure() - back)
    report.check(took < RECOVERY, f"{when}: recovery within 5 s", f"{took:.1f} s")
    statuses = load.statuses()
    report.check(statuses[503] and not load.malformed, f"{when}: 503 in the one shape", load.malformed[:3] or statuses)
    good = load.statuses(back + RECOVERY)
    report.check(good and set(good) <= {200, 201}, f"{when}: then every request succeeds", dict(good))
    report.note(f"slowest response {load.slowest:.1f} s")


async def _check_without_valkey(stack: Stack, person: UserClient, report: ScenarioReport) -> None:
    async with _under_load(person) as load:
        valkey = _process_tree(stack, "Valkey")
        report.check(valkey, "Valkey runs")
        _signal(valkey, signal.SIGSTOP)
        try:
            await asyncio.sleep(OUTAGE_SECONDS)
            ready = await person.http.get("/api/v1/public/health/ready")
        finally:
            _signal(valkey, signal.SIGCONT)
        statuses = load.statuses()
        report.check(set(statuses) <= {200, 201}, "Valkey stopped: nothing fails", dict(statuses))
        reported = (ready.status_code, ready.json().get("status"))
        report.check(reported == (200, "degraded"), "and ready says `degraded`", reported)
        report.note(f"slowest response {load.slowest:.1f} s")


def _process_tree(stack: Stack, part: str) -> list[int]:
    """Return the server and its child processes."""
    processes = stack.processes
    roots = {process.pid for process in processes if PROCESS_MATCHERS[part](process)}
    return [process.pid for process in processes if process.pid in roots or process.parent in roots]


def _other_pids(stack: Stack) -> set[int]:
    """Return the process IDs of the API server and the worker."""
    return {
        process.pid
        for process in stack.processes
        if PROCESS_MATCHERS["the API server"](process) or PROCESS_MATCHERS["the worker"](process)
    }


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
