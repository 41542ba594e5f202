"""Tasks for the tests; `done` records what they did."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from undercroft.core.errors import PermanentError
from undercroft.jobs import CurrentJob, current_job, enqueue, task
from undercroft.jobs.control import cancel

done: list[Any] = []
log = structlog.get_logger("undercroft.application")


@task()
async def note(*, what: str) -> str:
    done.append(what)
    return what


@task(retries=2, backoff=0.01)
async def fail(*, why: str = "broken") -> None:
    done.append(current_job().attempt)
    raise ValueError(why)


@task(retries=3, backoff=0.01)
async def succeed_at(job: CurrentJob, *, attempt: int) -> int:
    if job.attempt < attempt:
        raise RuntimeError("not yet")
    return job.attempt


@task(retries=0, timeout=0.1)
async def hang() -> None:
    await asyncio.sleep(3600)


@task(retries=0, timeout=0.1)
async def hang_ignoring_cancellation() -> None:
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            done.append("refused")


@task(timeout=600)
async def wait_long(*, seconds: float = 3600) -> str:
    done.append("started")
    await asyncio.sleep(seconds)
    return "waited"


@task()
def in_thread(*, n: int) -> int:
    time.sleep(0.01)
    return n * 2


@task(retries=0)
async def exit_interpreter() -> None:
    raise SystemExit(3)


@task()
async def describe(job: CurrentJob, *, user_id: UUID) -> dict[str, Any]:
    log.info("describing")
    job.progress(0.5, "half way")
    async with job.session() as session:
        await enqueue(session, note, what="child")
    return {"user_id": user_id, "bound": structlog.contextvars.get_contextvars(), "request_id": job.request_id}


@task()
async def odd_result(*, kind: str) -> Any:
    return {"nul": "a\0b", "object": object(), "nan": float("nan"), "large": "x" * 2_000_000, "surrogate": "\ud800"}[
        kind
    ]


@task(retries=1, backoff=0.01)
async def odd_error() -> None:
    raise ValueError("nul \0 and surrogate \ud800")


@task(queue="slow")
async def slow_queue() -> None:
    done.append("slow")


@task(retries=1)
async def kill_worker() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@task()
async def write_trace(job: CurrentJob, *, n: int, seconds: float = 0.0) -> int:
    """Append a line to a file, which remains after the worker has ended."""
    with Path(os.environ["TRACES"]).open("a") as traces:
        traces.write(f"{n} {job.attempt}\n")
    await asyncio.sleep(seconds)
    return n


@task(backoff=0.01)
async def cancel_then_fail(job: CurrentJob) -> None:
    async with job.session() as session:
        await cancel(session, job.id)
    raise ValueError("too late")


@task()
async def cancel_then_succeed(job: CurrentJob) -> None:
    async with job.session() as session:
        await cancel(session, job.id)


@task()
async def fail_and_wait() -> None:
    raise ValueError("broken")


@task()
async def reassign_job(job: CurrentJob) -> str:
    """Assign the job to another worker while it is running."""
    async with job.session() as session:
        await (await session.raw()).execute("UPDATE jobs SET worker_id = gen_random_uuid() WHERE id = $1", job.id)
    return "too late"


@task(retries=0, timeout=30)
async def sleep_in_database(job: CurrentJob, *, seconds: float) -> None:
    async with job.session() as session:
        await (await session.raw()).execute("SELECT pg_sleep($1)", seconds)


@task(retries=0, timeout=0.5)
async def hang_in_database(job: CurrentJob) -> None:
    async with job.session() as session:
        await (await session.raw()).execute("SELECT pg_sleep(3600)")


@task(retries=0, timeout=30)
async def lock_job(job: CurrentJob, *, job_id: UUID) -> None:
    async with job.session() as session:
        await (await session.raw()).execute("SELECT FROM jobs WHERE id = $1 FOR UPDATE", job_id)


@task(retries=0)
async def report_progress(job: CurrentJob, *, fraction: float, message: str | None = None, fails: bool = False) -> None:
    job.progress(fraction, message)
    while "go on" not in done:
        await asyncio.sleep(0.01)
    if fails:
        raise ValueError("broken")


@task()
async def fail_permanently() -> None:
    raise PermanentError("never")


@task(backoff=0.01)
async def fail_then_wait(job: CurrentJob) -> None:
    done.append(job.attempt)
    if job.attempt == 1:
        raise ValueError("the first attempt")
    await asyncio.sleep(3600)


@task(retries=9)
async def run_alone(job: CurrentJob, *, n: int) -> None:
    """Record start and end, to detect jobs that overlap."""
    done.append(f"start {n}")
    await asyncio.sleep(0.05)
    done.append(f"end {n}")


@task()
async def lose_claim(job: CurrentJob, *, sql: str) -> str:
    """Change the row of the job as another claim of the same job would."""
    async with job.session() as session:
        await (await session.raw()).execute(f"UPDATE jobs SET {sql} WHERE id = $1", job.id)
    return "too late"
