"""The admin API of backfills, and their page in `/admin`."""

import re
from typing import Any

import pytest
from httpx2 import AsyncClient, Response

from tests.jobs import sample_backfills
from tests.jobs.test_backfills import insert_projects
from tests.modules.admin.conftest import Browser
from tests.modules.audit.entries import changes_with_texts, entries
from undercroft.core.db import Database
from undercroft.jobs.backfills.completion import start_backfills
from undercroft.testing.jobs import CapturedJobs

URL = "/api/v1/admin/backfills"
NAME = sample_backfills.describe.name
SEEN = re.compile(r'name="seen" value="([0-9a-f]{64})"')


async def change(admin: AsyncClient, verb: str, name: str = NAME) -> Response:
    return await admin.post(f"{URL}/{name}/{verb}")


async def get_shown(admin: AsyncClient) -> dict[str, Any]:
    items = (await admin.get(URL)).json()["items"]
    return next(item for item in items if item["name"] == NAME)


async def test_backfill_is_paused_resumed_and_shown_with_its_progress(
    admin: AsyncClient, database: Database, jobs: CapturedJobs
) -> None:
    await insert_projects(database, 4)
    shown = await get_shown(admin)
    assert (shown["status"], shown["done"], shown["progress"], shown["started_at"]) == ("queued", 0, None, None)
    assert shown["is_declared"]
    assert (await change(admin, "pause")).json()["status"] == "paused"
    (entry,) = await entries(database, action="backfill.paused")
    assert await changes_with_texts(database, entry) == ({"status": "queued"}, {"status": "paused"})
    await jobs.run_all()
    assert (await get_shown(admin))["done"] == 0
    assert (await change(admin, "resume")).json()["status"] == "queued"
    await jobs.run_all()
    shown = await get_shown(admin)
    assert (shown["status"], shown["done"], shown["total"], shown["progress"]) == ("completed", 4, 4, 1)


async def test_backfill_is_canceled_and_retried(admin: AsyncClient, database: Database, jobs: CapturedJobs) -> None:
    await insert_projects(database, 2)
    assert (await change(admin, "cancel")).json()["status"] == "canceled"
    refused = await change(admin, "resume")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "BACKFILL_STATE_CONFLICT")
    assert refused.json()["error"]["message"] == "The backfill is canceled. Only one that is paused can be resumed."
    assert (await change(admin, "retry")).json()["status"] == "queued"
    await jobs.run_all()
    assert (await get_shown(admin))["status"] == "completed"


async def test_unknown_backfill_and_other_users_are_refused(admin: AsyncClient, user: AsyncClient) -> None:
    for name in ("hotel.unknown", "a%00b", "x" * 300, "%ED%A0%80"):
        assert (await change(admin, "pause", name)).status_code in (404, 422), name
    assert (await user.get(URL)).status_code == 403
    assert (await change(user, "pause")).status_code == 403


@pytest.mark.requires_module("admin")
async def test_administrator_pauses_and_resumes_on_the_page(
    browser: Browser, database: Database, jobs: CapturedJobs
) -> None:
    admin = await browser()
    await insert_projects(database, 3)
    await start_backfills(database)  # as a worker does
    await change_on_page(admin, "Pause", "paused")
    assert "Paused" in (await admin.get("/admin/backfill/list")).text
    page = await change_on_page(admin, "Resume", "queued")
    assert page.status_code == 302
    await jobs.run_all()
    shown = (await admin.get(f"/admin/backfill/details/{NAME}")).text
    assert "3 of 3" in shown
    assert "100%" in shown
    assert "Start again" in shown
    assert len(await entries(database, action="backfill.resumed")) == 1


async def change_on_page(admin: AsyncClient, label: str, status: str) -> Response:
    """Press a button on the details page."""
    page = await admin.get(f"/admin/backfill/details/{NAME}")
    assert f'value="{status}">{label}</button>' in page.text, page.text
    found = SEEN.search(page.text)
    assert found
    form = {"seen": found[1], "save": "Save", "status": status}
    return await admin.post(f"/admin/backfill/edit/{NAME}", data=form)
