"""The waiting list in the console of administrators."""

import pytest

from tests.modules.console.conftest import Visit, Visitor
from tests.modules.console.operations.conftest import SCREENS
from tests.modules.waitlist.conftest import add, states
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database
from undercroft.testing import CreateUser, eventually

pytestmark = pytest.mark.requires_module("waitlist")

ADA, BOB, CLEO = "ada@example.com", "bob@example.com", "cleo@example.com"


@pytest.mark.parametrize("screen", SCREENS)
async def test_page_is_accessible(visitor: Visitor, create_user: CreateUser, database: Database, screen: str) -> None:
    visit = await visitor(await create_user(role=PlatformRole.ADMIN), **SCREENS[screen])
    page = await visit.open("/admin/waitlist/")
    await page.get_by_role("link", name="SIGN_UP_POLICY").or_(page.locator("a[href*=SIGN_UP_POLICY]")).wait_for()
    await visit.check(f"{screen}-empty-waitlist")
    await add(database, ADA)
    page = await visit.open("/admin/waitlist/")
    await page.get_by_text(ADA, exact=True).wait_for()
    await visit.check(f"{screen}-waitlist")


async def test_next_and_selected_addresses_are_invited(visit: Visit, database: Database) -> None:
    await add(database, ADA, BOB, CLEO)
    page = await visit.open("/admin/waitlist/")
    await page.get_by_role("button", name="Invite the next").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Number of addresses").fill("1")
    await dialog.get_by_role("button", name="Invite").click()
    await page.get_by_text("One invitation was sent.", exact=True).wait_for()
    assert await states(database) == {ADA: "invited", BOB: "waiting", CLEO: "waiting"}
    await page.get_by_label(f"Select {BOB}").check()
    await page.get_by_label(f"Select {CLEO}").check()
    await page.get_by_role("button", name="Invite 2 selected").click()
    await page.get_by_text("2 invitations were sent.", exact=True).wait_for()
    assert set((await states(database)).values()) == {"invited"}
    assert await page.get_by_label(f"Select {BOB}").is_checked() is False
    visit.check_errors()


async def test_address_is_found_and_removed(visit: Visit, database: Database) -> None:
    await add(database, ADA, BOB)
    page = await visit.open("/admin/waitlist/")
    await page.get_by_role("searchbox").fill("bob")
    await page.get_by_text("One address", exact=True).wait_for()
    await page.get_by_role("button", name=f"Remove: {BOB}").click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await page.get_by_text("No address matches").wait_for()
    await eventually(lambda: _is_left(database, ADA))


async def _is_left(database: Database, email: str) -> bool:
    return list(await states(database)) == [email]
