"""Flags in `/admin`."""

import pytest

from tests.modules.admin.conftest import Browser
from tests.modules.admin.test_changes import get_form
from tests.modules.audit.entries import entries
from tests.modules.flags.conftest import BETA
from undercroft.core.context import current_context
from undercroft.core.db import Database
from undercroft.core.live.process import LiveValues
from undercroft.modules.flags import is_enabled
from undercroft.modules.flags.repository import FlagRuleRepository
from undercroft.modules.flags.service.rules import store_declared_flags

IDS = "01a22e12-1462-703d-90ef-b18bf2aae64f\n01a22e12-14a1-73a0-95c8-dd524be9d1f0"


@pytest.mark.requires_module("admin")
async def test_administrator_changes_a_flag(browser: Browser, database: Database) -> None:
    await store_declared_flags(database)
    async with database.read_session() as session:
        row = await FlagRuleRepository(session).get_by(key=BETA.key)
    assert row is not None
    admin, path = await browser(), f"/admin/flag-rule/edit/{row.id}"
    listed = (await admin.get("/admin/flag-rule/list")).text
    assert "hotel.beta" in listed
    assert "The new booking page." in listed
    fields = {
        "enabled": "y",
        "percentage": "25",
        "unit": "user",
        "users": IDS,
        "teams": "",
        "starts_at": "",
        "ends_at": "",
    }
    saved = await admin.post(path, data={**await get_form(admin, path), **fields})
    assert saved.status_code == 302, saved.text
    assert IDS.splitlines()[0] in (await admin.get(path)).text
    (entry,) = await entries(database, action="flag.changed")
    assert entry["user_id"] == admin.person.user_id  # type: ignore[attr-defined]
    await current_context().get(LiveValues).refresh()
    assert is_enabled(BETA, user_id=row.id.__class__(IDS.splitlines()[1]))
    refused = await admin.post(path, data={**await get_form(admin, path), **fields, "users": "ada"})
    assert refused.status_code == 400
    assert "users" in refused.text
