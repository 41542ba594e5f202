"""System settings in the console of administrators."""

from typing import Any

import pytest

from tests.modules.console.conftest import Visit, Visitor
from tests.modules.console.operations.conftest import SCREENS
from tests.modules.system_settings.conftest import SETTINGS
from undercroft.core.auth import PlatformRole
from undercroft.testing import CreateUser

pytestmark = pytest.mark.requires_module("system_settings")


async def read_value(visit: Visit, name: str) -> Any:
    return (await visit.person.client.get(f"{SETTINGS}/{name}")).json()["value"]


async def open_form(visit: Visit, name: str, label: str) -> Any:
    page = await visit.open("/admin/settings/", q=name)
    await page.get_by_role("button", name=f"Edit {label}", exact=True).click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Save").wait_for()
    return dialog


@pytest.mark.parametrize("screen", SCREENS)
async def test_pages_are_accessible(visitor: Visitor, create_user: CreateUser, screen: str) -> None:
    admin = await create_user(role=PlatformRole.ADMIN)
    visit = await visitor(admin, **SCREENS[screen])
    value = [{"text": "Back soon.", "level": "warning", "ends_at": "2090-01-01T00:00:00Z"}]
    await admin.client.put(f"{SETTINGS}/ANNOUNCEMENTS", json={"value": value})
    page = await visit.open("/admin/settings/")
    await page.get_by_role("switch").first.wait_for()
    await visit.check(f"{screen}-settings")
    await page.locator("li", has_text="ANNOUNCEMENTS").get_by_role("button").first.click()
    await page.get_by_role("dialog").get_by_role("textbox").first.wait_for()
    await visit.check(f"{screen}-announcements")


async def test_announcement_reaches_another_user(visit: Visit, visitor: Visitor) -> None:
    dialog = await open_form(visit, "ANNOUNCEMENTS", "Announcements")
    await dialog.get_by_role("button", name="Add an entry").click()
    await dialog.get_by_role("button", name="Save").click()
    await dialog.get_by_text("Fill in this field.").wait_for()
    await dialog.get_by_label("Text").fill("Maintenance on Sunday.")
    await dialog.get_by_label("Level").select_option("warning")
    await dialog.get_by_label("Ends").fill("2090-01-01T10:00")
    await dialog.get_by_role("button", name="Save").click()
    await visit.page.get_by_role("status").filter(has_text="Maintenance on Sunday.").wait_for()
    await visit.page.get_by_text(f"by {visit.person.email}").wait_for()
    other = await visitor()
    page = await other.open("/")
    await page.get_by_role("status").filter(has_text="Maintenance on Sunday.").wait_for()
    visit.check_errors()


async def test_invalid_value_is_explained_beside_its_field(visit: Visit) -> None:
    dialog = await open_form(visit, "RATE_LIMIT_APP", "Limit of the application")
    await dialog.get_by_label("Value").fill("many")
    await dialog.get_by_role("button", name="Save").click()
    await visit.wait_for_focus(dialog.get_by_label("Value"))
    assert await dialog.get_by_label("Value").get_attribute("aria-invalid") == "true"
    await dialog.get_by_label("Value").fill("90/minute")
    await dialog.get_by_role("button", name="Save").click()
    await visit.page.get_by_text("Default: 120/minute").wait_for()
    await visit.page.get_by_role("button", name="Reset Limit of the application").click()
    await visit.page.get_by_role("dialog").get_by_role("button", name="Reset").click()
    await visit.page.get_by_text("Default: 120/minute").wait_for(state="hidden")
    assert await read_value(visit, "RATE_LIMIT_APP") == "120/minute"


async def test_list_and_choice_are_edited(visit: Visit) -> None:
    dialog = await open_form(visit, "SIGN_UP_DOMAINS", "Sign-up domains")
    await dialog.get_by_label("Value").fill("example.com\n\n example.org ")
    await dialog.get_by_role("button", name="Save").click()
    await dialog.wait_for(state="hidden")
    assert await read_value(visit, "SIGN_UP_DOMAINS") == ["example.com", "example.org"]
    dialog = await open_form(visit, "SIGN_UP_POLICY", "Sign-up policy")
    await dialog.get_by_label("Value").select_option("domains")
    await dialog.get_by_role("button", name="Save").click()
    await dialog.wait_for(state="hidden")
    await visit.page.get_by_text("Only addresses at the sign-up domains").wait_for()
    assert await read_value(visit, "SIGN_UP_POLICY") == "domains"


async def test_maintenance_mode_warns_before_it_starts(visit: Visit) -> None:
    page = await visit.open("/admin/settings/", q="MAINTENANCE_MODE")
    switch = page.get_by_role("switch", name="Maintenance mode")
    await switch.click()
    await page.get_by_text("Announce it first").wait_for()
    await page.keyboard.press("Escape")
    await visit.wait_for_focus(switch)
    assert await read_value(visit, "MAINTENANCE_MODE") is False
    await switch.click()
    await page.get_by_role("dialog").get_by_role("button", name="Turn on").click()
    await page.get_by_text("Default: Off").wait_for()
    assert await switch.get_attribute("aria-checked") == "true"
    await switch.click()
    await page.get_by_role("switch", checked=False).wait_for()
    await page.get_by_text("Saved. Every process uses the new value within a second.").first.wait_for()


async def test_conflicting_change_shows_both_values(visit: Visit) -> None:
    dialog = await open_form(visit, "MAINTENANCE_MESSAGE", "Maintenance message")
    await dialog.get_by_label("Value").fill("Mine")
    await visit.person.client.put(f"{SETTINGS}/MAINTENANCE_MESSAGE", json={"value": "Another"})
    await dialog.get_by_role("button", name="Save").click()
    conflict = dialog.get_by_role("alert")
    await conflict.wait_for()
    assert "Mine" in await conflict.inner_text()
    assert "Another" in await conflict.inner_text()
    await conflict.get_by_role("button", name="Take the latest").click()
    assert await dialog.get_by_label("Value").input_value() == "Another"
    await dialog.get_by_label("Value").fill("Both")
    await dialog.get_by_role("button", name="Save").click()
    await dialog.wait_for(state="hidden")
    assert await read_value(visit, "MAINTENANCE_MESSAGE") == "Both"
