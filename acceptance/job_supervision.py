"""Jobs that block the event loop, outlast their timeout in a thread or ignore their cancellation, under three workers
of which one is killed: no job overlaps itself, and none is repeated but those of the killed worker.
"""

import asyncio
import itertools
import os
import shutil
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from acceptance.processes import Process
from acceptance.report import ScenarioReport
from acceptance.stack import PROBE, Stack, cloned_stack
from acceptance.startup import PROCESS_MATCHERS
from acceptance.users import API, UserClient

JOBS_PER_TASK, SHORT_JOBS, SECONDS, REDELIVERY_SECONDS = 6, 60, 12.0, 3
WORKERS, TIMEOUT = 3, 240
TOTAL = JOBS_PER_TASK * 3 + SHORT_JOBS


class JobRun(NamedTuple):
    """One run of a job, as recorded by the task; `end` is None if it did not end."""

    number: int
    pid: int
    start: float
    end: float | None


async def run_scenario(report: ScenarioReport) -> None:
    async with cloned_stack() as stack:
        shutil.copytree(PROBE, stack.folder / "src" / "undercroft" / "modules" / "probe")
        stack.start(JOBS_REDELIVERY=str(REDELIVERY_SECONDS), JOBS_CONCURRENCY="10")
        await stack.wait_healthy(180)
        report.check(await _wait_until(lambda: len(_workers(stack)) == 1, 60), "a worker runs")
        for _ in range(WORKERS - 1):
            _add_worker(stack)
        report.check(await _wait_until(lambda: len(_workers(stack)) == WORKERS, 60), "three workers run")
        async with stack.client() as http:
            options: dict[str, str | float] = {"each": JOBS_PER_TASK, "beside": SHORT_JOBS, "seconds": SECONDS}
            accepted = await http.post(f"{API}/public/probe/stubborn", params=options)
            report.check(accepted.status_code == 202, f"{TOTAL} jobs are enqueued", accepted.status_code)
            killed, killed_at = await _kill_a_busy_worker(stack, report)
            ended = await _wait_until(lambda: len({run.number for run in _runs(stack) if run.end}) == TOTAL, TIMEOUT)
            report.check(ended, "every job comes to its end", len({run.number for run in _runs(stack) if run.end}))
            _check_runs(_runs(stack), killed, killed_at, report)
            await _check_history(UserClient(http, "admin@example.com", stack.demo_password), report)


def _workers(stack: Stack) -> list[Process]:
    return [process for process in stack.processes if PROCESS_MATCHERS["the worker"](process)]


def _add_worker(stack: Stack) -> None:
    """Start another worker with the environment of the stack's worker."""
    environ = Path(f"/proc/{_workers(stack)[0].pid}/environ").read_bytes().decode()
    environment = dict(line.split("=", 1) for line in environ.split("\0") if "=" in line)
    command = str(stack.folder / ".venv" / "bin" / "undercroft")
    with stack.log.open("ab") as output:
        subprocess.Popen(
            [command, "worker"],
            cwd=stack.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


def _runs(stack: Stack) -> list[JobRun]:
    """Return all runs so far. A job that runs twice at once in a process has two starts before an end."""
    trace = stack.folder / ".undercroft" / "stubborn.txt"
    open_runs: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
    runs = []
    for line in trace.read_text().splitlines() if trace.exists() else ():
        event, number, pid, at = line.split()
        key = int(number), int(pid)
        if event == "start":
            open_runs[key].append(float(at))
        else:
            runs.append(JobRun(*key, open_runs[key].pop(0), float(at)))
    return runs + [JobRun(*key, start, None) for key, starts in open_runs.items() for start in starts]


async def _kill_a_busy_worker(stack: Stack, report: ScenarioReport) -> tuple[int, float]:
    """Kill the busiest worker after event loops were blocked for longer than the redelivery timeout.

    Returns its process ID and the time.
    """
    started = await _wait_until(lambda: sum(run.number >= SHORT_JOBS for run in _runs(stack)) >= WORKERS, 60)
    report.check(started, "jobs that do not stop have started")
    await asyncio.sleep(REDELIVERY_SECONDS * 2)
    busy = Counter(run.pid for run in _runs(stack) if run.end is None)
    pid = busy.most_common(1)[0][0]
    os.kill(pid, 9)
    report.check(True, "a worker is killed with -9", f"in the middle of {busy[pid]} jobs")
    return pid, time.monotonic()


def _check_runs(runs: list[JobRun], killed: int, killed_at: float, report: ScenarioReport) -> None:
    by_number: defaultdict[int, list[JobRun]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.start):
        by_number[run.number].append(run)
    overlaps = [
        number
        for number, each in by_number.items()
        for one, other in itertools.pairwise(each)
        if other.start < (one.end or (killed_at if one.pid == killed else float("inf")))
    ]
    report.check(not overlaps, "no job overlaps itself", f"{len(runs)} runs of {len(by_number)} jobs, {overlaps}")
    survivors = {number for number, each in by_number.items() if all(run.pid != killed for run in each)}
    repeated = [number for number in survivors if len(by_number[number]) > 1]
    report.check(not repeated, "none is repeated but those of the killed worker", f"{len(survivors)}, {repeated}")
    lost = {run.number for run in runs if run.end is None and run.pid == killed}
    again = sum(len(by_number[number]) == 2 for number in lost)
    report.check(again == len(lost), "what the killed worker had begun runs once more", f"{again} of {len(lost)}")


async def _check_history(admin: UserClient, report: ScenarioReport) -> None:
    await admin.login()
    statuses: Counter[str] = Counter()
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        found = [(await admin.get("/admin/jobs", q="probe", page=page, size=100)).json() for page in (1, 2)]
        statuses = Counter(job["status"] for page in found for job in page["items"])
        if statuses == {"succeeded": TOTAL}:
            break
        await asyncio.sleep(1)
    report.check(statuses == {"succeeded": TOTAL}, "the history shows each as succeeded", dict(statuses))


async def _wait_until(holds: Callable[[], bool], seconds: float) -> bool:
    limit = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > limit:
            return False
        await asyncio.sleep(0.2)
    return True
