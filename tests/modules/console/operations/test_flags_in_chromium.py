"""Feature flags in the console of administrators."""

import re
from typing import Any

import pytest

from tests.modules.console.conftest import Visit, Visitor
from tests.modules.console.operations.conftest import SCREENS
from tests.modules.flags.conftest import BETA, MAPS, RULES
from undercroft.core.auth import PlatformRole
from undercroft.testing import CreateUser

pytestmark = pytest.mark.requires_module("flags")


async def read_rule(visit: Visit, key: str = BETA.key) -> Any:
    return (await visit.person.client.get(f"{RULES}/{key}")).json()


@pytest.mark.parametrize("screen", SCREENS)
async def test_pages_are_accessible(visitor: Visitor, create_user: CreateUser, screen: str) -> None:
    admin = await create_user(role=PlatformRole.ADMIN)
    visit = await visitor(admin, **SCREENS[screen])
    rule = {"enabled": True, "percentage": 25, "users": [str(admin.user_id)], "ends_at": "2090-01-01T00:00:00Z"}
    await admin.client.patch(f"{RULES}/{BETA.key}", json=rule)
    page = await visit.open("/admin/flags/")
    await page.get_by_role("link", name=re.compile(BETA.key)).wait_for()
    await visit.check(f"{screen}-flags")
    page = await visit.open("/admin/flags/flag/", key=BETA.key)
    await page.locator("main").get_by_text("Test User").wait_for()
    await visit.check(f"{screen}-flag")
    await page.get_by_role("button", name=re.compile("^(Edit|Bearbeiten)$")).click()
    await page.get_by_role("dialog").get_by_text("Test User").wait_for()
    await visit.check(f"{screen}-flag-rule")


async def test_rule_is_set_for_a_share_and_a_listed_user(visit: Visit, create_user: CreateUser) -> None:
    bob = await create_user(full_name="Bob Tester")
    page = await visit.open("/admin/flags/", q="booking")
    await page.get_by_role("link", name=re.compile(BETA.key)).click()
    await page.get_by_text("The feature is off for all users").wait_for()
    await page.get_by_role("button", name="Edit").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("On", exact=True).check()
    await dialog.get_by_label("Share in percent").fill("250")
    await dialog.get_by_label("Users", exact=True).fill(bob.email)
    await dialog.get_by_role("button", name=re.compile("Bob Tester")).click()
    await dialog.get_by_role("button", name="Save").click()
    await dialog.get_by_text("Enter a number from 0 to 100.").wait_for()
    await dialog.get_by_label("Share in percent").fill("25")
    await dialog.get_by_role("button", name="Save").click()
    await page.get_by_text("25% of users see the feature").wait_for()
    await page.get_by_text("One listed user sees it in any case.").wait_for()
    rule = await read_rule(visit)
    assert (rule["enabled"], rule["percentage"], rule["users"]) == (True, 25, [str(bob.user_id)])
    visit.check_errors()


async def test_feature_is_turned_off_at_once_and_reset(visit: Visit) -> None:
    page = await visit.open("/admin/flags/flag/", key=MAPS.key)
    await page.get_by_text("All users see the feature.").wait_for()
    await page.get_by_role("button", name="Turn off").click()
    await page.get_by_text("The feature is off for all users").wait_for()
    reset = page.get_by_role("button", name="Reset")
    await reset.wait_for()
    assert not (await read_rule(visit, MAPS.key))["enabled"]
    await reset.click()
    await page.get_by_role("dialog").get_by_role("button", name="Reset").click()
    await page.get_by_text("this is the default of the code").wait_for()
    assert (await read_rule(visit, MAPS.key))["is_default"]


async def test_conflicting_change_shows_both_rules(visit: Visit) -> None:
    page = await visit.open("/admin/flags/flag/", key=BETA.key)
    await page.get_by_role("button", name="Edit").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Share in percent").fill("10")
    await visit.person.client.patch(f"{RULES}/{BETA.key}", json={"percentage": 50})
    await dialog.get_by_role("button", name="Save").click()
    conflict = dialog.get_by_role("alert")
    await conflict.wait_for()
    assert "10 %" in await conflict.inner_text()
    assert "50 %" in await conflict.inner_text()
    await conflict.get_by_role("button", name="Continue with mine").click()
    await dialog.get_by_role("button", name="Save").click()
    await dialog.wait_for(state="hidden")
    assert (await read_rule(visit))["percentage"] == 10
