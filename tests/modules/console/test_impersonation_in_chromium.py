"""Impersonation in the console: it starts with a reason, is visible on every page, and leads back."""

from typing import Any

import pytest

from tests.modules.console.conftest import PHONE, Visit, Visitor
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database
from undercroft.modules.sessions import IMPERSONATION_COOKIE, SESSION_COOKIE
from undercroft.testing.users import SignedInUser

pytestmark = pytest.mark.requires_module("impersonation", "projects")

PROJECTS = "/api/v1/app/projects"
USER = "/admin/users/user/"


async def impersonate(visitor: Visitor, create_user: Any, **options: Any) -> tuple[Visit, SignedInUser]:
    """Let a new administrator impersonate a new user with a project."""
    target: SignedInUser = await create_user(full_name="Ada Lovelace")
    await target.client.post(PROJECTS, json={"name": "Apollo"})
    visit = await visitor(await create_user(role=PlatformRole.ADMIN, full_name="Grace Hopper"), **options)
    page = await visit.open(USER, id=target.user_id)
    await page.get_by_role("button", name="Impersonate").click()
    await page.get_by_label("Reason").fill("Ticket 4711")
    await page.keyboard.press("Enter")
    await page.get_by_text("You are viewing the console as Ada Lovelace").wait_for()
    return visit, target


async def test_administrator_sees_the_console_of_the_user_and_returns(visitor: Visitor, create_user: Any) -> None:
    visit, target = await impersonate(visitor, create_user, viewport=PHONE)
    page = visit.page
    await page.get_by_role("link", name="Apollo").wait_for()
    await visit.check("impersonation")
    cookies = {each["name"]: each for each in await visit.context.cookies()}
    assert cookies[IMPERSONATION_COOKIE.name]["httpOnly"]
    assert IMPERSONATION_COOKIE.name not in await page.evaluate("document.cookie")
    page = await visit.open("/projects/")
    assert await page.get_by_role("button", name="Create a project").count() == 0
    page = await visit.open("/admin/users/")
    await page.get_by_text("While you impersonate a user").wait_for()
    await page.get_by_role("button", name="End").click()
    await page.wait_for_url(f"**{USER}?id={target.user_id}**")
    await page.wait_for_selector("h1:has-text('Ada Lovelace')")
    assert IMPERSONATION_COOKIE.name not in {each["name"] for each in await visit.context.cookies()}
    await page.get_by_text("impersonation.ended").wait_for()
    visit.check_errors()


async def expire(database: Database) -> None:
    async with database.session() as session:
        sql = "UPDATE auth_sessions SET expires_at = now() WHERE impersonator_id IS NOT NULL"
        await (await session.raw()).execute(sql)


async def test_page_opened_after_the_expiry_belongs_to_the_administrator(
    visitor: Visitor, create_user: Any, database: Database
) -> None:
    visit, _target = await impersonate(visitor, create_user)
    await expire(database)
    page = await visit.open("/admin/users/")
    await page.wait_for_selector("h1:has-text('Users')")
    await page.get_by_role("link", name="Audit log").wait_for()


async def test_expired_impersonation_leads_back_to_the_administrator(
    visitor: Visitor, create_user: Any, database: Database
) -> None:
    visit, target = await impersonate(visitor, create_user)
    page = await visit.open("/projects/")
    await expire(database)
    await page.get_by_role("searchbox").fill("apollo")
    dialog = page.get_by_role("dialog", name="The impersonation has ended")
    await dialog.wait_for()
    await dialog.get_by_role("button", name="Back to the user").click()
    await page.wait_for_url(f"**{USER}?id={target.user_id}**")
    await page.wait_for_selector("h1:has-text('Ada Lovelace')")


async def test_other_tabs_show_the_same_user(visitor: Visitor, create_user: Any) -> None:
    visit, _target = await impersonate(visitor, create_user)
    other = await visit.new_tab("/")
    await other.page.get_by_text("You are viewing the console as Ada Lovelace").wait_for()
    await visit.page.get_by_role("button", name="End").click()
    await visit.page.wait_for_selector("h1:has-text('Ada Lovelace')")
    await other.page.wait_for_selector("h1:has-text('Welcome, Grace Hopper')")


async def test_sign_out_ends_both_sessions(visitor: Visitor, create_user: Any) -> None:
    visit, _target = await impersonate(visitor, create_user)
    page = visit.page
    await page.get_by_role("button", name="Ada Lovelace").click()
    await page.get_by_role("menuitem", name="Sign out").click()
    await page.wait_for_url("**/sign-in**")
    names = {each["name"] for each in await visit.context.cookies()}
    assert {SESSION_COOKIE.name, IMPERSONATION_COOKIE.name}.isdisjoint(names)
