"""The session of the console: sign-in, its end, several tabs, and step-up."""

import re

from tests.modules.console.conftest import Visitor, read_slug
from tests.modules.console.test_projects_in_chromium import names
from undercroft.modules.sessions import SESSION_COOKIE
from undercroft.testing import CreateTeam

SESSIONS = "/api/v1/auth/sessions"


async def test_signed_out_visitor_comes_back_to_the_page(visitor: Visitor) -> None:
    visit = await visitor()
    cookies = await visit.context.cookies()
    await visit.context.clear_cookies()
    await visit.page.goto(f"{visit.address}/app/projects/?q=web")
    await visit.page.wait_for_url("**/sign-in?next=**")
    assert "next=%2Fapp%2Fprojects%2F%3Fq%3Dweb" in visit.page.url
    await visit.context.add_cookies(cookies)
    await visit.page.goto(visit.page.url)  # a signed-in user continues at once
    visit.check_errors()


async def test_form_survives_the_end_of_the_session(visitor: Visitor) -> None:
    visit = await visitor()
    page = await visit.open("/projects/", new=1)
    await page.get_by_label("Name").fill("Apollo")
    (cookie,) = [each for each in await visit.context.cookies() if each["name"] == SESSION_COOKIE.name]
    await visit.context.clear_cookies()
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Your session has ended")
    await dialog.wait_for()
    await visit.context.add_cookies([cookie])  # what the sign-in page does
    async with page.expect_popup() as opened:
        await dialog.get_by_role("button", name="Sign in").click()
    popup = await opened.value
    await popup.goto(f"{visit.address}/app/signed-in/")
    await page.wait_for_selector("h1:has-text('Apollo')")
    assert await names(visit.person) == {"Apollo"}


async def test_signing_out_in_one_tab_signs_out_all(visitor: Visitor) -> None:
    visit = await visitor()
    page = await visit.open("/projects/")
    other = await visit.new_tab("/")
    await page.get_by_role("button", name=re.compile(visit.person.email)).click()
    await page.get_by_role("menuitem", name="Sign out").click()
    await page.wait_for_url("**/sign-in**")
    await other.page.wait_for_url("**/sign-in**")
    assert (await visit.person.client.get(SESSIONS)).json()["total"] == 1  # the session of the test


async def test_each_tab_keeps_its_team(visitor: Visitor, create_team: CreateTeam) -> None:
    first = await create_team(name="First")
    second = await create_team(owner=first.owner, name="Second")
    await first.owner.in_team(second.id).post("/api/v1/app/projects", json={"name": "Of the second"})
    slugs = [await read_slug(first.owner, team.id) for team in (first, second)]
    visit = await visitor(first.owner)
    page = await visit.open("/projects/", team=slugs[0])
    other = await visit.new_tab("/projects/", team=slugs[1])
    await other.page.get_by_role("link", name=re.compile("Of the second")).wait_for()
    await page.reload()
    await page.wait_for_selector("text=No projects yet")
    assert f"team={slugs[0]}" in page.url
    await page.get_by_role("button", name=re.compile("Current team: First")).click()
    await page.get_by_role("menuitem", name="Second").click()
    await page.get_by_role("link", name="Of the second").wait_for()
    await page.go_back()
    await page.wait_for_selector("text=No projects yet")
    visit.check_errors()


async def test_unknown_team_offers_another(visitor: Visitor) -> None:
    visit = await visitor()
    await visit.page.goto(f"{visit.address}/app/projects/?team=of-others")
    await visit.page.click("text=Open another team")
    await visit.page.wait_for_selector("h1:has-text('Projects')")


async def test_palette_opens_pages(visitor: Visitor) -> None:
    visit = await visitor()
    page = await visit.open("/")
    await page.keyboard.press("Control+k")
    await page.get_by_role("combobox").fill("proj")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/app/projects/**")
    await visit.check()


async def test_language_is_remembered(visitor: Visitor) -> None:
    visit = await visitor()
    page = await visit.open("/projects/")
    await page.get_by_role("button", name=re.compile(visit.person.email)).click()
    await page.get_by_role("menuitem", name="Deutsch").click()
    await page.wait_for_selector("h1:has-text('Projekte')")
    await page.reload()
    await page.wait_for_selector("h1:has-text('Projekte')")
    assert await page.evaluate("document.documentElement.lang") == "de"
