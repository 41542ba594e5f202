"""Admin routes of jobs."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest
from httpx2 import AsyncClient, Response

from tests.jobs import sample_tasks
from tests.jobs.processes import wait_until
from undercroft.core.db import Database
from undercroft.jobs import Job, enqueue
from undercroft.jobs.control import retry
from undercroft.jobs.maintenance import clean_up
from undercroft.jobs.schedules import Scheduler
from undercroft.testing.jobs import CapturedJobs
from undercroft.testing.statements import StatementRecorder

JOBS = "/api/v1/admin/jobs"


async def enqueue_job(database: Database, task: Any = sample_tasks.note, **kwargs: Any) -> Job:
    async with database.session() as session:
        return await enqueue(session, task, **kwargs)


async def notes(database: Database, number: int) -> list[str]:
    async with database.session() as session:
        return [str((await enqueue(session, sample_tasks.note, what=f"{n:02}")).id) for n in range(number)]


def assert_refused(response: Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == code


async def test_job_list_shows_results_and_attempts(admin: AsyncClient, database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, what="tea", key="k")
    await jobs.run_all()
    page = (await admin.get(JOBS)).json()
    assert (page["total"], page["pages"]) == (1, 1)
    (shown,) = page["items"]
    assert shown["id"] == str(job.id)
    assert (shown["task"], shown["status"], shown["attempts"], shown["result"]) == (
        "sample_tasks.note",
        "succeeded",
        1,
        "tea",
    )
    assert "error" not in shown


async def test_job_detail_shows_arguments_and_traceback(
    admin: AsyncClient, database: Database, jobs: CapturedJobs
) -> None:
    job = await enqueue_job(database, sample_tasks.fail, why="no milk")
    await jobs.run_all(future=True)
    shown = (await admin.get(f"{JOBS}/{job.id}")).json()
    assert (shown["status"], shown["args"], shown["attempts"]) == ("failed", {"why": "no milk"}, 3)
    assert "ValueError: no milk" in shown["error"]


async def test_jobs_are_filtered_and_searched(admin: AsyncClient, database: Database, jobs: CapturedJobs) -> None:
    await enqueue_job(database, what="tea", key="order:17")
    await enqueue_job(database, sample_tasks.slow_queue)
    await enqueue_job(database, sample_tasks.fail)
    await jobs.run_all(future=True)
    waiting = await enqueue_job(database, what="waiting")
    for params, tasks in (
        ({"task": "sample_tasks.fail"}, ["sample_tasks.fail"]),
        ({"status": "failed"}, ["sample_tasks.fail"]),
        ({"status": "queued"}, ["sample_tasks.note"]),
        ({"queue": "slow"}, ["sample_tasks.slow_queue"]),
        ({"key": "order:17"}, ["sample_tasks.note"]),
        ({"q": "ORDER"}, ["sample_tasks.note"]),
        ({"q": "slow"}, ["sample_tasks.slow_queue"]),
        ({"task": "sample_tasks.fail", "status": "queued"}, []),
    ):
        page = (await admin.get(JOBS, params=params)).json()
        assert [each["task"] for each in page["items"]] == tasks, params
        assert page["total"] == len(tasks)
    newest = (await admin.get(JOBS)).json()["items"][0]
    assert newest["id"] == str(waiting.id)


async def test_page_needs_the_same_number_of_statements_for_every_size(
    admin: AsyncClient, database: Database, statements: StatementRecorder
) -> None:
    await notes(database, 30)
    await admin.get(JOBS)  # the driver looks up types once for each connection
    counts = []
    for size in (1, 30):
        await statements.clear()
        assert len((await admin.get(JOBS, params={"size": size})).json()["items"]) == size
        counts.append(statements.count)
    assert counts[0] == counts[1] <= 2, statements


async def test_cursor_pages_list_each_job_once_while_others_are_enqueued(
    admin: AsyncClient, database: Database
) -> None:
    before = await notes(database, 25)
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 10}
    while True:
        response = (await admin.get(JOBS, params=params)).json()
        seen += [each["id"] for each in response["items"]]
        await notes(database, 3)
        if response["next_cursor"] is None:
            break
        params = {"limit": 10, "cursor": response["next_cursor"]}
    assert sorted(seen) == sorted(before)


@pytest.mark.parametrize(
    "params", [{"sort": "error"}, {"cursor": "x"}, {"page": 0}, {"status": "odd"}, {"task": "a\0"}]
)
async def test_invalid_queries_are_refused(admin: AsyncClient, params: dict[str, Any]) -> None:
    assert (await admin.get(JOBS, params=params)).status_code == 422


async def test_finished_job_is_retried_once_for_repeated_requests(
    admin: AsyncClient, database: Database, jobs: CapturedJobs
) -> None:
    job = await enqueue_job(database, what="tea")
    await jobs.run_all()
    responses = await asyncio.gather(*(admin.post(f"{JOBS}/{job.id}/retry") for _ in range(6)))
    assert sorted(response.status_code for response in responses) == [200, *[409] * 5]
    assert await jobs.run_all() == 1


async def test_a_job_that_has_not_finished_is_not_retried(admin: AsyncClient, database: Database) -> None:
    job = await enqueue_job(database, what="tea")
    assert_refused(await admin.post(f"{JOBS}/{job.id}/retry"), 409, "JOB_NOT_FINISHED")


async def test_waiting_job_is_canceled_and_a_finished_one_is_not(
    admin: AsyncClient, database: Database, jobs: CapturedJobs
) -> None:
    job = await enqueue_job(database, what="tea")
    response = await admin.delete(f"{JOBS}/{job.id}")
    assert (response.status_code, response.json()["status"]) == (200, "canceled")
    assert_refused(await admin.delete(f"{JOBS}/{job.id}"), 409, "JOB_FINISHED")
    assert await jobs.run_all() == 1
    assert (await jobs.get(job.id)).attempts == 0


async def test_a_job_that_does_not_exist_is_not_found(admin: AsyncClient) -> None:
    unknown = f"{JOBS}/{uuid4()}"
    for response in (await admin.get(unknown), await admin.post(f"{unknown}/retry"), await admin.delete(unknown)):
        assert_refused(response, 404, "JOB_NOT_FOUND")


async def test_schedules_show_the_next_run_and_the_last_result(
    admin: AsyncClient, database: Database, jobs: CapturedJobs
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
    assert (shown["is_declared"], shown["description"]) == (True, clean_up.description)
    assert shown["last_result"]["jobs"] == 0
    assert shown["next_run_at"] > shown["last_run_at"]


async def test_queue_depths_show_each_task_with_its_workers(admin: AsyncClient, database: Database) -> None:
    for delay in (0, 0, 60):
        await enqueue_job(database, what="tea", delay=delay)
    await enqueue_job(database, sample_tasks.slow_queue)
    async with database.session() as session:
        raw = await session.raw()
        await raw.execute("UPDATE jobs SET scheduled_at = now() - interval '90 seconds' WHERE queue = 'slow'")
        await raw.execute(
            "INSERT INTO job_workers (id, host, pid, queues, concurrency, tasks, started_at, seen_at) "
            "VALUES (gen_random_uuid(), 'host', 1, '', 1, ARRAY['sample_tasks.note'], now(), now())"
        )
    shown = (await admin.get(f"{JOBS}/queues")).json()
    assert shown["workers"] == 1
    note, slow = shown["items"]
    assert {key: note[key] for key in ("task", "queue", "workers", "due", "scheduled", "running", "unresponsive")} == {
        "task": "sample_tasks.note",
        "queue": "default",
        "workers": 1,
        "due": 2,
        "scheduled": 1,
        "running": 0,
        "unresponsive": 0,
    }
    assert (slow["task"], slow["queue"], slow["workers"], slow["due"]) == ("sample_tasks.slow_queue", "slow", 0, 1)
    assert slow["waiting"] >= 90 > note["waiting"] >= 0


async def test_queue_depths_are_empty_without_unfinished_jobs(
    admin: AsyncClient, database: Database, jobs: CapturedJobs
) -> None:
    await enqueue_job(database, what="tea")
    await jobs.run_all()
    assert (await admin.get(f"{JOBS}/queues")).json() == {"workers": 0, "items": []}


async def test_only_administrators_see_jobs(user: AsyncClient, client: AsyncClient, database: Database) -> None:
    job = await enqueue_job(database, what="tea")
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
    newest_first = [str((await enqueue_job(database, what=str(n))).id) for n in range(5)][::-1]
    pages = [(await admin.get(JOBS, params={"page": page, "size": 2})).json() for page in (1, 2, 3, 4)]
    assert [[each["id"] for each in page["items"]] for page in pages] == [
        newest_first[:2],
        newest_first[2:4],
        newest_first[4:],
        [],
    ]
    assert {(page["total"], page["pages"]) for page in pages} == {(5, 3)}


async def test_cursor_pages_have_the_requested_size(admin: AsyncClient, database: Database) -> None:
    newest_first = [str((await enqueue_job(database, what=str(n))).id) for n in range(5)][::-1]
    first = (await admin.get(JOBS, params={"limit": 2})).json()
    second = (await admin.get(JOBS, params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [each["id"] for each in first["items"]] == newest_first[:2]
    assert [each["id"] for each in second["items"]] == newest_first[2:]
    assert second["next_cursor"] is None


async def test_cursor_pages_apply_filters_and_search(admin: AsyncClient, database: Database) -> None:
    for n in range(4):
        await enqueue_job(database, what=str(n), key=f"order:{n}")
        await enqueue_job(database, sample_tasks.in_thread, n=n, key=f"other:{n}")
    for params in ({"task": "sample_tasks.in_thread"}, {"q": "other"}):
        first = (await admin.get(JOBS, params={**params, "limit": 3})).json()
        second = (await admin.get(JOBS, params={**params, "limit": 3, "cursor": first["next_cursor"]})).json()
        assert [each["key"] for each in first["items"] + second["items"]] == [f"other:{n}" for n in (3, 2, 1, 0)]


@pytest.mark.parametrize(
    ("sort", "priorities"), [("priority", [-1, 0, 5]), ("-priority", [5, 0, -1]), ("created_at", [0, 5, -1])]
)
async def test_jobs_are_sorted_as_requested(
    admin: AsyncClient, database: Database, sort: str, priorities: list[int]
) -> None:
    for priority in (0, 5, -1):
        await enqueue_job(database, what="tea", priority=priority)
    page = (await admin.get(JOBS, params={"sort": sort})).json()
    assert [each["priority"] for each in page["items"]] == priorities


async def test_read_returns_that_job(admin: AsyncClient, database: Database) -> None:
    jobs = [await enqueue_job(database, what=str(n)) for n in range(3)]
    for job in jobs:
        shown = (await admin.get(f"{JOBS}/{job.id}")).json()
        assert (shown["id"], shown["args"], shown["unresponsive_since"]) == (str(job.id), job.args, None)


async def audited(database: Database, action: str) -> list[Any]:
    async with database.session() as session:
        return await (await session.raw()).fetch(
            "SELECT target_id, before::text, after::text, details::text FROM audit_entries "
            "WHERE action = $1 ORDER BY id",
            action,
        )


async def test_retry_and_cancel_change_only_that_job_and_are_audited_with_its_status(
    admin: AsyncClient, database: Database, jobs: CapturedJobs
) -> None:
    failed = [await enqueue_job(database, sample_tasks.fail) for _ in range(2)]
    await jobs.run_all(future=True)
    waiting = [await enqueue_job(database, what=str(n), delay=60) for n in range(2)]
    assert (await admin.post(f"{JOBS}/{failed[0].id}/retry")).json()["status"] == "queued"
    assert (await admin.delete(f"{JOBS}/{waiting[0].id}")).json()["status"] == "canceled"
    assert (await jobs.get(failed[1].id)).status == "failed"
    assert (await jobs.get(waiting[1].id)).status == "queued"
    for action, job, before, after in (
        ("job.retried", failed[0], "failed", "queued"),
        ("job.canceled", waiting[0], "queued", "canceled"),
    ):
        (entry,) = await audited(database, action)
        assert entry["target_id"] == job.id
        assert json.loads(entry["before"]) == {"status": before, "cancel_requested": False}
        assert json.loads(entry["after"]) == {"status": after, "cancel_requested": False}


async def test_cancel_that_waits_for_a_retry_audits_the_status_after_it(
    admin: AsyncClient, database: Database, jobs: CapturedJobs
) -> None:
    job = await enqueue_job(database, what="tea")
    await jobs.run_all()
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    async def waits() -> bool:
        async with database.session() as other:
            return bool(await (await other.raw()).fetchval(blocked))

    async with database.session() as session:
        await retry(session, job.id)
        canceling = asyncio.create_task(admin.delete(f"{JOBS}/{job.id}"))
        await wait_until(waits)
    assert (await canceling).json()["status"] == "canceled"
    (entry,) = await audited(database, "job.canceled")
    assert json.loads(entry["before"])["status"] == "queued"


async def test_schedules_are_listed_by_their_next_run_with_their_own_last_job(
    admin: AsyncClient, database: Database, jobs: CapturedJobs
) -> None:
    other = await enqueue_job(database, what="other")
    last = await enqueue_job(database, what="last")
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
    assert not any(each["is_declared"] or each["description"] for each in shown)
    assert [(each["task"], each["last_status"], each["last_result"]) for each in shown] == [
        ("a.first", "succeeded", "last"),
        ("b.second", None, None),
        ("c.third", "succeeded", "other"),
    ]


async def test_schedule_runs_now_once_and_keeps_its_next_run(
    admin: AsyncClient, database: Database, jobs: CapturedJobs
) -> None:
    await Scheduler(database).register()
    before = await read_schedule(admin, clean_up.name)
    responses = await asyncio.gather(*(admin.post(f"{JOBS}/schedules/{clean_up.name}/run") for _ in range(4)))
    assert {response.status_code for response in responses} == {200}
    (job_id,) = {response.json()["id"] for response in responses}
    await jobs.run_all()
    after = await read_schedule(admin, clean_up.name)
    assert (after["last_job_id"], after["last_status"]) == (job_id, "succeeded")
    assert after["next_run_at"] == before["next_run_at"]
    (entry,) = await audited(database, "schedule.run")
    assert (str(entry["target_id"]), json.loads(entry["details"])) == (job_id, {"task": clean_up.name})
    again = await admin.post(f"{JOBS}/schedules/{clean_up.name}/run")
    assert again.json()["id"] != job_id


async def test_only_a_schedule_of_this_release_runs_now(admin: AsyncClient, database: Database) -> None:
    await Scheduler(database).register()
    async with database.session() as session:
        await (await session.raw()).execute(
            "INSERT INTO job_schedules (task, cron, timezone, next_run_at, seen_at) "
            "VALUES ('old.task', '* * * * *', 'UTC', now(), now())"
        )
    for task in ("old.task", sample_tasks.note.name, "unknown.task"):
        assert_refused(await admin.post(f"{JOBS}/schedules/{task}/run"), 404, "SCHEDULE_NOT_FOUND")


async def test_tasks_of_the_release_are_listed(admin: AsyncClient) -> None:
    shown = {each["name"]: each for each in (await admin.get(f"{JOBS}/tasks")).json()["items"]}
    assert list(shown) == sorted(shown)
    assert shown[sample_tasks.slow_queue.name]["queue"] == "slow"
    assert shown[sample_tasks.fail.name] == {
        "name": sample_tasks.fail.name,
        "description": "",
        "queue": "default",
        "max_attempts": 3,
        "timeout": 60,
    }
    assert shown[clean_up.name]["description"] == clean_up.description != ""


async def read_schedule(admin: AsyncClient, task: str) -> Any:
    schedules = (await admin.get(f"{JOBS}/schedules")).json()["items"]
    return next(each for each in schedules if each["task"] == task)
