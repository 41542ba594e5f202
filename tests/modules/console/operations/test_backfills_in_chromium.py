"""Backfills in the console of administrators."""

import pytest

from tests.jobs import sample_backfills
from tests.jobs.test_backfills import insert_projects
from tests.modules.console.conftest import Visitor
from tests.modules.console.operations.conftest import SCREENS
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database
from undercroft.testing import CapturedJobs, CreateUser

pytestmark = pytest.mark.requires_module("backfills")

NAME = sample_backfills.describe.name


@pytest.mark.parametrize("screen", SCREENS)
async def test_page_is_accessible(visitor: Visitor, create_user: CreateUser, screen: str) -> None:
    visit = await visitor(await create_user(role=PlatformRole.ADMIN), **SCREENS[screen])
    page = await visit.open("/admin/backfills/")
    await page.get_by_text(NAME, exact=True).wait_for()
    await visit.check(f"{screen}-backfills")


async def test_backfill_is_paused_resumed_and_shown_with_its_progress(
    visitor: Visitor, create_user: CreateUser, database: Database, jobs: CapturedJobs
) -> None:
    await insert_projects(database, 4)
    visit = await visitor(await create_user(role=PlatformRole.ADMIN))
    page = await visit.open("/admin/backfills/")
    row = page.get_by_role("listitem").filter(has_text=NAME)
    await row.get_by_role("button", name=f"Pause: {NAME}").click()
    await row.get_by_text("Paused", exact=True).wait_for()
    await row.get_by_role("button", name=f"Resume: {NAME}").click()
    await row.get_by_text("Queued", exact=True).wait_for()
    await jobs.run_all()
    await row.get_by_text("Completed", exact=True).wait_for()
    await row.get_by_text("4 of 4 rows").wait_for()
    visit.check_errors()


async def test_backfill_is_canceled_after_a_question_and_retried(visitor: Visitor, create_user: CreateUser) -> None:
    visit = await visitor(await create_user(role=PlatformRole.ADMIN))
    page = await visit.open("/admin/backfills/")
    row = page.get_by_role("listitem").filter(has_text=NAME)
    await row.get_by_role("button", name=f"Cancel: {NAME}").click()
    await page.get_by_role("dialog").get_by_role("button", name="Cancel").last.click()
    await row.get_by_text("Canceled", exact=True).wait_for()
    await row.get_by_role("button", name=f"Retry: {NAME}").click()
    await row.get_by_text("Queued", exact=True).wait_for()
