"""Jobs as an administrator sees them."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest
from httpx import AsyncClient, Response

from tests.jobs import chores
from tests.jobs.processes import eventually
from undercroft.core.db import Database
from undercroft.jobs import Job, enqueue
from undercroft.jobs.control import retry
from undercroft.jobs.schedules import Scheduler
from undercroft.jobs.upkeep import clean_up
from undercroft.testing.jobs import JobsInTest
from undercroft.testing.statements import Statements

JOBS = "/api/v1/admin/jobs"


async def enqueued(database: Database, task: Any = chores.note, **kwargs: Any) -> Job:
    async with database.session() as session:
        return await enqueue(session, task, **kwargs)


async def notes(database: Database, number: int) -> list[str]:
    async with database.session() as session:
        return [str((await enqueue(session, chores.note, what=f"{n:02}")).id) for n in range(number)]


def refused(response: Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == code


async def test_the_history_shows_results_and_attempts(admin: AsyncClient, database: Database, jobs: JobsInTest) -> None:
    job = await enqueued(database, what="tea", key="k")
    await jobs.run_all()
    page = (await admin.get(JOBS)).json()
    assert (page["total"], page["pages"]) == (1, 1)
    (shown,) = page["items"]
    assert shown["id"] == str(job.id)
    assert (shown["task"], shown["status"], shown["attempts"], shown["result"]) == (
        "chores.note",
        "succeeded",
        1,
        "tea",
    )
    assert "error" not in shown


async def test_one_job_is_shown_with_its_arguments_and_the_traceback(
    admin: AsyncClient, database: Database, jobs: JobsInTest
) -> None:
    job = await enqueued(database, chores.fail, why="no milk")
    await jobs.run_all(future=True)
    shown = (await admin.get(f"{JOBS}/{job.id}")).json()
    assert (shown["status"], shown["args"], shown["attempts"]) == ("failed", {"why": "no milk"}, 3)
    assert "ValueError: no milk" in shown["error"]


async def test_jobs_are_filtered_and_searched(admin: AsyncClient, database: Database, jobs: JobsInTest) -> None:
    await enqueued(database, what="tea", key="order:17")
    await enqueued(database, chores.slow_queue)
    await enqueued(database, chores.fail)
    await jobs.run_all(future=True)
    waiting = await enqueued(database, what="waiting")
    for params, tasks in (
        ({"task": "chores.fail"}, ["chores.fail"]),
        ({"status": "failed"}, ["chores.fail"]),
        ({"status": "queued"}, ["chores.note"]),
        ({"queue": "slow"}, ["chores.slow_queue"]),
        ({"key": "order:17"}, ["chores.note"]),
        ({"q": "ORDER"}, ["chores.note"]),
        ({"q": "slow"}, ["chores.slow_queue"]),
        ({"task": "chores.fail", "status": "queued"}, []),
    ):
        page = (await admin.get(JOBS, params=params)).json()
        assert [each["task"] for each in page["items"]] == tasks, params
        assert page["total"] == len(tasks)
    newest = (await admin.get(JOBS)).json()["items"][0]
    assert newest["id"] == str(waiting.id)


async def test_a_page_costs_the_same_statements_whatever_its_size(
    admin: AsyncClient, database: Database, statements: Statements
) -> None:
    await notes(database, 30)
    await admin.get(JOBS)  # the driver looks up types once for each connection
    counts = []
    for size in (1, 30):
        await statements.clear()
        assert len((await admin.get(JOBS, params={"size": size})).json()["items"]) == size
        counts.append(statements.count)
    assert counts[0] == counts[1] <= 2, statements


async def test_a_cursor_walk_sees_each_job_once_while_others_are_enqueued(
    admin: AsyncClient, database: Database
) -> None:
    before = await notes(database, 25)
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 10}
    while True:
        answer = (await admin.get(JOBS, params=params)).json()
        seen += [each["id"] for each in answer["items"]]
        await notes(database, 3)
        if answer["next_cursor"] is None:
            break
        params = {"limit": 10, "cursor": answer["next_cursor"]}
    assert sorted(seen) == sorted(before)


@pytest.mark.parametrize(
    "params", [{"sort": "error"}, {"cursor": "x"}, {"page": 0}, {"status": "odd"}, {"task": "a\0"}]
)
async def test_questions_that_make_no_sense_are_refused(admin: AsyncClient, params: dict[str, Any]) -> None:
    assert (await admin.get(JOBS, params=params)).status_code == 422


async def test_a_finished_job_is_retried_once_however_often_it_is_asked_for(
    admin: AsyncClient, database: Database, jobs: JobsInTest
) -> None:
    job = await enqueued(database, what="tea")
    await jobs.run_all()
    answers = await asyncio.gather(*(admin.post(f"{JOBS}/{job.id}/retry") for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 5]
    assert await jobs.run_all() == 1


async def test_a_job_that_has_not_finished_is_not_retried(admin: AsyncClient, database: Database) -> None:
    job = await enqueued(database, what="tea")
    refused(await admin.post(f"{JOBS}/{job.id}/retry"), 409, "JOB_NOT_FINISHED")


async def test_a_waiting_job_is_cancelled_and_a_finished_one_is_not(
    admin: AsyncClient, database: Database, jobs: JobsInTest
) -> None:
    job = await enqueued(database, what="tea")
    answer = await admin.delete(f"{JOBS}/{job.id}")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    refused(await admin.delete(f"{JOBS}/{job.id}"), 409, "JOB_FINISHED")
    assert await jobs.run_all() == 1
    assert (await jobs.get(job.id)).attempts == 0


async def test_a_job_that_does_not_exist_is_not_found(admin: AsyncClient) -> None:
    nobody = f"{JOBS}/{uuid4()}"
    for answer in (await admin.get(nobody), await admin.post(f"{nobody}/retry"), await admin.delete(nobody)):
        refused(answer, 404, "JOB_NOT_FOUND")


async def test_schedules_show_the_next_run_and_the_last_result(
    admin: AsyncClient, database: Database, jobs: JobsInTest
) -> None:
    scheduler = Scheduler(database)
    await scheduler.register()
    async with database.session() as session:
        await (await session.raw()).execute("UPDATE job_schedules SET next_run_at = now()")
    await scheduler.tick()
    await jobs.run_all()
    schedules = {each["task"]: each for each in (await admin.get(f"{JOBS}/schedules")).json()["items"]}
    shown = schedules[clean_up.name]
    assert (shown["cron"], shown["timezone"], shown["last_status"]) == ("17 * * * *", "UTC", "succeeded")
    assert shown["last_result"]["jobs"] == 0
    assert shown["next_run_at"] > shown["last_run_at"]


async def test_queue_depths_show_each_task_with_its_workers(admin: AsyncClient, database: Database) -> None:
    for delay in (0, 0, 60):
        await enqueued(database, what="tea", delay=delay)
    await enqueued(database, chores.slow_queue)
    async with database.session() as session:
        raw = await session.raw()
        await raw.execute("UPDATE jobs SET scheduled_at = now() - interval '90 seconds' WHERE queue = 'slow'")
        await raw.execute(
            "INSERT INTO job_workers (id, host, pid, queues, concurrency, tasks, started_at, seen_at) "
            "VALUES (gen_random_uuid(), 'host', 1, '', 1, ARRAY['chores.note'], now(), now())"
        )
    shown = (await admin.get(f"{JOBS}/queues")).json()
    assert shown["workers"] == 1
    note, slow = shown["items"]
    assert {key: note[key] for key in ("task", "queue", "workers", "due", "later", "running", "unresponsive")} == {
        "task": "chores.note",
        "queue": "default",
        "workers": 1,
        "due": 2,
        "later": 1,
        "running": 0,
        "unresponsive": 0,
    }
    assert (slow["task"], slow["queue"], slow["workers"], slow["due"]) == ("chores.slow_queue", "slow", 0, 1)
    assert slow["waiting"] >= 90 > note["waiting"] >= 0


async def test_queue_depths_are_empty_without_unfinished_jobs(
    admin: AsyncClient, database: Database, jobs: JobsInTest
) -> None:
    await enqueued(database, what="tea")
    await jobs.run_all()
    assert (await admin.get(f"{JOBS}/queues")).json() == {"workers": 0, "items": []}


async def test_only_administrators_see_jobs(user: AsyncClient, client: AsyncClient, database: Database) -> None:
    job = await enqueued(database, what="tea")
    for method, path in (
        ("GET", ""),
        ("GET", "/queues"),
        ("GET", "/schedules"),
        ("GET", f"/{job.id}"),
        ("POST", f"/{job.id}/retry"),
        ("DELETE", f"/{job.id}"),
    ):
        assert (await user.request(method, JOBS + path)).status_code == 403
        assert (await client.request(method, JOBS + path)).status_code == 401


async def test_pages_show_each_job_once_newest_first(admin: AsyncClient, database: Database) -> None:
    newest_first = [str((await enqueued(database, what=str(n))).id) for n in range(5)][::-1]
    pages = [(await admin.get(JOBS, params={"page": page, "size": 2})).json() for page in (1, 2, 3, 4)]
    assert [[each["id"] for each in page["items"]] for page in pages] == [
        newest_first[:2],
        newest_first[2:4],
        newest_first[4:],
        [],
    ]
    assert {(page["total"], page["pages"]) for page in pages} == {(5, 3)}


async def test_cursor_pages_have_the_size_that_was_asked_for(admin: AsyncClient, database: Database) -> None:
    newest_first = [str((await enqueued(database, what=str(n))).id) for n in range(5)][::-1]
    first = (await admin.get(JOBS, params={"limit": 2})).json()
    second = (await admin.get(JOBS, params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [each["id"] for each in first["items"]] == newest_first[:2]
    assert [each["id"] for each in second["items"]] == newest_first[2:]
    assert second["next_cursor"] is None


async def test_cursor_pages_apply_filters_and_search(admin: AsyncClient, database: Database) -> None:
    for n in range(4):
        await enqueued(database, what=str(n), key=f"order:{n}")
        await enqueued(database, chores.in_thread, n=n, key=f"other:{n}")
    for params in ({"task": "chores.in_thread"}, {"q": "other"}):
        first = (await admin.get(JOBS, params={**params, "limit": 3})).json()
        second = (await admin.get(JOBS, params={**params, "limit": 3, "cursor": first["next_cursor"]})).json()
        assert [each["key"] for each in first["items"] + second["items"]] == [f"other:{n}" for n in (3, 2, 1, 0)]


@pytest.mark.parametrize(
    ("sort", "priorities"), [("priority", [-1, 0, 5]), ("-priority", [5, 0, -1]), ("created_at", [0, 5, -1])]
)
async def test_jobs_are_sorted_as_asked(
    admin: AsyncClient, database: Database, sort: str, priorities: list[int]
) -> None:
    for priority in (0, 5, -1):
        await enqueued(database, what="tea", priority=priority)
    page = (await admin.get(JOBS, params={"sort": sort})).json()
    assert [each["priority"] for each in page["items"]] == priorities


async def test_read_returns_that_job(admin: AsyncClient, database: Database) -> None:
    jobs = [await enqueued(database, what=str(n)) for n in range(3)]
    for job in jobs:
        shown = (await admin.get(f"{JOBS}/{job.id}")).json()
        assert (shown["id"], shown["args"], shown["unresponsive_since"]) == (str(job.id), job.args, None)


async def audited(database: Database, action: str) -> list[Any]:
    async with database.session() as session:
        return await (await session.raw()).fetch(
            "SELECT target_id, before::text, after::text FROM audit_entries WHERE action = $1 ORDER BY id", action
        )


async def test_retry_and_cancel_change_that_job_alone_and_are_audited_with_its_status(
    admin: AsyncClient, database: Database, jobs: JobsInTest
) -> None:
    failed = [await enqueued(database, chores.fail) for _ in range(2)]
    await jobs.run_all(future=True)
    waiting = [await enqueued(database, what=str(n), delay=60) for n in range(2)]
    assert (await admin.post(f"{JOBS}/{failed[0].id}/retry")).json()["status"] == "queued"
    assert (await admin.delete(f"{JOBS}/{waiting[0].id}")).json()["status"] == "cancelled"
    assert (await jobs.get(failed[1].id)).status == "failed"
    assert (await jobs.get(waiting[1].id)).status == "queued"
    for action, job, before, after in (
        ("job.retried", failed[0], "failed", "queued"),
        ("job.cancelled", waiting[0], "queued", "cancelled"),
    ):
        (entry,) = await audited(database, action)
        assert entry["target_id"] == job.id
        assert json.loads(entry["before"]) == {"status": before, "cancel_requested": False}
        assert json.loads(entry["after"]) == {"status": after, "cancel_requested": False}


async def test_cancel_that_waits_for_a_retry_audits_the_status_after_it(
    admin: AsyncClient, database: Database, jobs: JobsInTest
) -> None:
    job = await enqueued(database, what="tea")
    await jobs.run_all()
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    async def waits() -> bool:
        async with database.session() as other:
            return bool(await (await other.raw()).fetchval(blocked))

    async with database.session() as session:
        await retry(session, job.id)
        canceling = asyncio.create_task(admin.delete(f"{JOBS}/{job.id}"))
        await eventually(waits)
    assert (await canceling).json()["status"] == "cancelled"
    (entry,) = await audited(database, "job.cancelled")
    assert json.loads(entry["before"])["status"] == "queued"


async def test_schedules_are_listed_by_their_next_run_with_their_own_last_job(
    admin: AsyncClient, database: Database, jobs: JobsInTest
) -> None:
    other = await enqueued(database, what="other")
    last = await enqueued(database, what="last")
    await jobs.run_all()
    schedule = (
        "INSERT INTO job_schedules (task, cron, timezone, next_run_at, seen_at, last_job_id) "
        "VALUES ($1, '* * * * *', 'UTC', now() + $2::float * interval '1 hour', now(), $3)"
    )
    async with database.session() as session:
        raw = await session.raw()
        for task, hours, job_id in (("b.second", 2, None), ("c.third", 3, other.id), ("a.first", 1, last.id)):
            await raw.execute(schedule, task, hours, job_id)
    shown = (await admin.get(f"{JOBS}/schedules")).json()["items"]
    assert [(each["task"], each["last_status"], each["last_result"]) for each in shown] == [
        ("a.first", "succeeded", "last"),
        ("b.second", None, None),
        ("c.third", "succeeded", "other"),
    ]
