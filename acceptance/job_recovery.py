"""Scenario 5: jobs while their worker is killed ten times and PostgreSQL is restarted."""

import asyncio
import time
from collections import Counter
from contextlib import suppress
from typing import Any

import httpx2 as httpx

from acceptance.report import ScenarioReport
from acceptance.stack import Stack
from acceptance.startup import PROCESS_MATCHERS
from acceptance.users import API, UserClient

JOBS, KILLS, TIMEOUT = 200, 10, 150
ROLLED_BACK = 1_000_000


async def run_scenario(stack: Stack, report: ScenarioReport) -> None:
    async with stack.client() as http:
        refused = await _enqueue(http, ROLLED_BACK, 20, roll_back=True)
        report.check(refused.status_code == 409, "a transaction with 20 jobs is rolled back", refused.status_code)
        accepted = await _enqueue(http, 0, JOBS)
        report.check(accepted.status_code == 202, "200 jobs are enqueued", accepted.status_code)
        await _kill_workers(stack, report)
        await stack.wait_healthy(10)
        await _wait_until_all_ran(stack, report)
        await _check_history(http, stack, set(accepted.json()["ids"]), report)


async def _enqueue(http: httpx.AsyncClient, first: int, count: int, *, roll_back: bool = False) -> httpx.Response:
    parameters: dict[str, Any] = {"first": first, "count": count, "roll_back": roll_back}
    return await http.post(f"{API}/public/probe/jobs", params=parameters)


async def _kill_workers(stack: Stack, report: ScenarioReport) -> None:
    killed = 0
    for number in range(KILLS):
        killed += await _kill_the_worker(stack)
        if number == KILLS // 2:
            stopped = await asyncio.to_thread(stack.undercroft, "db", "stop")
            started = await asyncio.to_thread(stack.undercroft, "db", "start")
            codes = (stopped.returncode, started.returncode)
            report.check(
                codes == (0, 0), "PostgreSQL is restarted in between", (stopped.stderr + started.stderr)[-300:]
            )
    report.check(killed == KILLS, "the worker is killed with -9 ten times", killed)


async def _kill_the_worker(stack: Stack) -> bool:
    """Kill the worker shortly after each start."""
    limit = time.monotonic() + 30
    while time.monotonic() < limit:
        if workers := [process for process in stack.processes if PROCESS_MATCHERS["the worker"](process)]:
            await asyncio.sleep(1.5)
            with suppress(ProcessLookupError):  # it has ended because of the database, and is restarted
                workers[-1].kill()
                await asyncio.sleep(0.3)
                return True
        await asyncio.sleep(0.1)
    return False


def _runs(stack: Stack) -> Counter[int]:
    trace = stack.folder / ".undercroft" / "probe.txt"
    return Counter(map(int, trace.read_text().split())) if trace.exists() else Counter()


async def _wait_until_all_ran(stack: Stack, report: ScenarioReport) -> None:
    started = time.monotonic()
    while len(runs := _runs(stack)) < JOBS and time.monotonic() - started < TIMEOUT:
        await asyncio.sleep(0.5)
    seen = f"{len(runs)} ran, {sum(runs.values())} times in all, {time.monotonic() - started:.0f} s after the last kill"
    report.check(set(range(JOBS)) <= set(runs), "each runs at least once, none is lost", seen)
    stray = sum(number >= ROLLED_BACK for number in runs)
    report.check(not stray, "none from the rolled-back transaction ran", stray)


async def _check_history(http: httpx.AsyncClient, stack: Stack, ids: set[str], report: ScenarioReport) -> None:
    admin = UserClient(http, "admin@example.com", stack.demo_password)
    await admin.login()
    limit = time.monotonic() + 60
    while True:
        jobs = [job for job in await _all_jobs(admin) if job["id"] in ids]
        statuses = Counter(job["status"] for job in jobs)
        if len(statuses) == 1 or time.monotonic() > limit:
            break
        await asyncio.sleep(1)
    report.check(len(jobs) == JOBS, "the admin API shows all", dict(statuses))
    reported = [job for job in jobs if job["attempts"] >= 1 and (job["result"] or {}).get("number") is not None]
    attempts = Counter(job["attempts"] for job in jobs)
    report.check(len(reported) == JOBS, "with attempts and results", f"attempts: {dict(attempts)}")


async def _all_jobs(admin: UserClient) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = []
    page = 1
    while True:
        response = (await admin.get("/admin/jobs", page=page, size=100)).json()
        jobs += response["items"]
        if page >= response["pages"]:
            return jobs
        page += 1
