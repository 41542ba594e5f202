"""Jobs and schedules in the console of administrators."""

import re
from typing import Any

import pytest

from tests.jobs import sample_tasks
from tests.modules.console.conftest import Visit, Visitor
from tests.modules.console.operations.conftest import SCREENS
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database
from undercroft.jobs import Job, enqueue
from undercroft.jobs.maintenance import clean_up
from undercroft.jobs.schedules import Scheduler
from undercroft.testing import CapturedJobs, CreateUser

pytestmark = pytest.mark.requires_module("jobs")


async def add(database: Database, task: Any = sample_tasks.note, **arguments: Any) -> Job:
    async with database.session() as session:
        return await enqueue(session, task, **arguments)


def rows(page: Any, name: str) -> Any:
    return page.get_by_role("list", name=name).get_by_role("listitem")


@pytest.mark.parametrize("screen", SCREENS)
async def test_pages_are_accessible(
    visitor: Visitor, create_user: CreateUser, database: Database, jobs: CapturedJobs, screen: str
) -> None:
    visit = await visitor(await create_user(role=PlatformRole.ADMIN), **SCREENS[screen])
    failed = await add(database, sample_tasks.fail, why="The printer is on fire.")
    await jobs.run_all(future=True)
    await add(database, what="tea", delay=3600, key="k")
    await Scheduler(database).register()
    page = await visit.open("/admin/jobs/")
    await rows(page, "Jobs").first.wait_for()
    await page.get_by_text("default", exact=True).first.wait_for()
    await visit.check(f"{screen}-jobs")
    page = await visit.open("/admin/jobs/job/", id=failed.id)
    await page.get_by_text("ValueError: The printer is on fire.").first.wait_for()
    await visit.check(f"{screen}-job")
    page = await visit.open("/admin/schedules/")
    await page.get_by_text(clean_up.name, exact=True).wait_for()
    await visit.check(f"{screen}-schedules")


async def test_failed_job_is_explained_and_retried(visit: Visit, database: Database, jobs: CapturedJobs) -> None:
    job = await add(database, sample_tasks.fail, why="The printer is on fire.")
    await jobs.run_all(future=True)
    page = await visit.open("/admin/jobs/", status="failed")
    await page.get_by_role("link", name=re.compile(sample_tasks.fail.name)).click()
    await page.get_by_text("ValueError: The printer is on fire.").first.wait_for()
    assert '"why": "The printer is on fire."' in await page.inner_text("main")
    await page.get_by_text("Full traceback").click()
    await page.get_by_text("Traceback (most recent call last)").wait_for()
    await page.get_by_role("button", name="Retry").click()
    await page.get_by_text("The job was queued again.", exact=True).wait_for()
    await page.get_by_text("Queued", exact=True).wait_for()
    assert (await jobs.get(job.id)).status == "queued"
    visit.check_errors()


async def test_list_is_filtered_in_the_url_and_refreshes_itself(
    visit: Visit, database: Database, jobs: CapturedJobs
) -> None:
    await add(database, what="tea", key="order:17")
    await add(database, sample_tasks.slow_queue)
    page = await visit.open("/admin/jobs/")
    await page.get_by_role("button", name="slow").click()
    await page.wait_for_url("**queue=slow**")
    await page.reload()
    await rows(page, "Jobs").filter(has_text=sample_tasks.slow_queue.name).wait_for()
    assert await rows(page, "Jobs").count() == 1
    await page.get_by_label("Queue", exact=True).select_option("")
    await page.get_by_label("Task", exact=True).select_option(sample_tasks.note.name)
    await page.get_by_role("searchbox").fill("ORDER")
    await page.wait_for_url("**q=ORDER**")
    await rows(page, "Jobs").filter(has_text="order:17").wait_for()
    await jobs.run_all()
    await rows(page, "Jobs").filter(has_text="Succeeded").wait_for()


async def test_job_is_canceled_and_retried_from_its_row(visit: Visit, database: Database, jobs: CapturedJobs) -> None:
    job = await add(database, what="tea", delay=3600)
    page = await visit.open("/admin/jobs/", task=sample_tasks.note.name)
    cancel = page.get_by_role("button", name="Cancel job")
    await cancel.click()
    await page.keyboard.press("Escape")
    await visit.wait_for_focus(cancel)
    await cancel.click()
    await page.get_by_role("dialog").get_by_role("button", name="Cancel job").click()
    await rows(page, "Jobs").filter(has_text="Canceled").wait_for()
    assert (await jobs.get(job.id)).status == "canceled"
    await page.get_by_role("button", name="Retry").click()
    await rows(page, "Jobs").filter(has_text="Queued").wait_for()
    assert (await jobs.get(job.id)).status == "queued"


async def test_schedule_runs_now(visit: Visit, database: Database, jobs: CapturedJobs) -> None:
    await Scheduler(database).register()
    page = await visit.open("/admin/schedules/", q=clean_up.name)
    row = rows(page, "Schedules")
    await row.get_by_text("Every hour at minute 17 (UTC)").wait_for()
    await row.get_by_text("Has not run yet").wait_for()
    await row.get_by_role("button", name=f"Run now: {clean_up.name}").click()
    await row.get_by_text("Running …").wait_for()
    await jobs.run_all()
    await row.get_by_text("Succeeded").wait_for()
    await row.get_by_role("link", name=re.compile("Show the job")).click()
    await page.get_by_role("heading", name=clean_up.name).wait_for()
    visit.check_errors()
