"""Projects in the console."""

import re
from typing import Any

import pytest

from tests.modules.console.conftest import PHONE, Visit, Visitor, read_slug
from undercroft.testing.users import SignedInUser

PROJECTS = "/api/v1/app/projects"


async def add(person: SignedInUser, *names: str) -> list[dict[str, Any]]:
    created = [await person.client.post(PROJECTS, json={"name": name}) for name in names]
    return [response.json() for response in created]


async def names(person: SignedInUser) -> set[str]:
    return {project["name"] for project in (await person.client.get(PROJECTS)).json()["items"]}


async def open_create_form(visit: Visit, name: str) -> Any:
    page = await visit.open("/projects/", new=1)
    await page.get_by_label("Name").fill(name)
    return page


SCREENS: dict[str, dict[str, Any]] = {
    "wide": {},
    "phone": {"viewport": PHONE},
    "dark": {"color_scheme": "dark"},
    "german": {"locale": "de-DE"},
}


@pytest.mark.parametrize("screen", SCREENS)
async def test_pages_are_accessible(visitor: Visitor, screen: str) -> None:
    visit = await visitor(**SCREENS[screen])
    (project,) = await add(visit.person, "Apollo")
    page = await visit.open("/projects/")
    await page.get_by_role("link", name=re.compile("Apollo")).wait_for()
    await visit.check(f"{screen}-projects")
    await page.get_by_role("button", name=re.compile("Create a project|Projekt erstellen")).click()
    await page.get_by_role("dialog").wait_for()
    await visit.check(f"{screen}-create-project")
    page = await visit.open("/projects/project/", id=project["id"])
    await visit.check(f"{screen}-project")
    await visit.open("/")
    await visit.check(f"{screen}-dashboard")


async def test_project_is_created_with_the_keyboard(visitor: Visitor) -> None:
    visit = await visitor()
    page = await visit.open("/projects/")
    create = page.get_by_role("button", name="Create a project").first
    await create.focus()
    await page.keyboard.press("Enter")
    await page.get_by_role("dialog").get_by_label("Name").wait_for()
    await page.keyboard.press("Escape")
    await visit.wait_for_focus(create)
    await page.keyboard.press("Enter")
    await page.get_by_label("Name").fill("Apollo")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("h1:has-text('Apollo')")
    assert await names(visit.person) == {"Apollo"}
    visit.check_errors()


async def test_deletion_can_be_undone(visitor: Visitor) -> None:
    visit = await visitor()
    (project,) = await add(visit.person, "Apollo")
    page = await visit.open("/projects/project/", id=project["id"])
    await page.get_by_role("button", name="Delete").click()
    await page.wait_for_selector("text=No projects yet")
    await page.get_by_role("button", name="Undo").click()
    await page.get_by_role("link", name=re.compile("Apollo")).wait_for()
    assert await names(visit.person) == {"Apollo"}


async def test_search_and_filters_are_in_the_url(visitor: Visitor) -> None:
    visit = await visitor()
    await add(visit.person, "Apollo", "Gemini")
    page = await visit.open("/projects/")
    await page.get_by_role("searchbox").fill("apo")
    await page.wait_for_url("**q=apo**")
    await page.reload()
    await page.get_by_role("link", name=re.compile("Apollo")).wait_for()
    assert await page.get_by_role("searchbox").input_value() == "apo"
    assert await page.get_by_role("link", name=re.compile("Gemini")).count() == 0
    await page.get_by_label("Status").select_option("done")
    await page.wait_for_selector("text=No project matches")


async def test_projects_are_sorted(visitor: Visitor) -> None:
    visit = await visitor()
    await add(visit.person, "Apollo", "Gemini")
    page = await visit.open("/projects/", sort="name")
    await page.get_by_role("link", name=re.compile("Gemini")).wait_for()
    rows = await page.get_by_role("list", name="Projects").get_by_role("listitem").all_inner_texts()
    assert [row.split("\n")[0] for row in rows] == ["Apollo", "Gemini"]


async def test_edit_conflict_shows_both_versions(visitor: Visitor) -> None:
    visit = await visitor()
    (project,) = await add(visit.person, "Apollo")
    page = await visit.open("/projects/project/", id=project["id"])
    await page.get_by_role("button", name="Edit").click()
    await page.get_by_label("Name").fill("Mine")
    await visit.person.client.patch(f"{PROJECTS}/{project['id']}", json={"name": "Another"})
    await page.get_by_role("button", name="Save").click()
    conflict = page.get_by_role("alert")
    await conflict.wait_for()
    assert "Mine" in await conflict.inner_text()
    assert "Another" in await conflict.inner_text()
    assert await page.get_by_label("Name").input_value() == "Mine"
    assert await names(visit.person) == {"Another"}
    await page.get_by_role("button", name="Continue with mine").click()
    await page.get_by_role("button", name="Save").click()
    await page.wait_for_selector("h1:has-text('Mine')")
    assert await names(visit.person) == {"Mine"}


ERRORS = {
    "403": {"status": 403, "code": "PERMISSION_DENIED"},
    "404": {"status": 404, "code": "TEAM_NOT_FOUND"},
    "409": {"status": 409, "code": "CONFLICT"},
    "500": {"status": 500, "code": "INTERNAL_ERROR"},
    "lost": {},
}


@pytest.mark.parametrize("error", ERRORS)
async def test_error_shows_the_request_id_and_keeps_what_was_typed(visitor: Visitor, error: str) -> None:
    visit = await visitor()
    page = await open_create_form(visit, "Apollo")
    await visit.fail("POST", "/app/projects", **ERRORS[error])
    await page.keyboard.press("Enter")
    alert = page.get_by_role("dialog").get_by_role("alert")
    await alert.wait_for()
    text = await alert.inner_text()
    assert "Request ID: " in text
    assert "req-1" in text or error == "lost"
    assert await page.get_by_label("Name").input_value() == "Apollo"
    await visit.recover()
    await page.get_by_role("button", name="Create a project").last.click()
    await page.wait_for_selector("h1:has-text('Apollo')")
    visit.check_errors()


async def test_request_whose_response_was_lost_is_executed_once(visitor: Visitor) -> None:
    visit = await visitor()
    page = await open_create_form(visit, "Apollo")

    async def lose(route: Any) -> None:
        await route.fetch()  # the server executes it
        await route.abort("connectionreset")

    await page.route("**/api/v1/app/projects", lose)
    await page.keyboard.press("Enter")
    await page.get_by_role("dialog").get_by_role("alert").wait_for()
    assert await names(visit.person) == {"Apollo"}
    await visit.recover()
    await page.get_by_role("button", name="Create a project").last.click()
    await page.wait_for_selector("h1:has-text('Apollo')")
    assert (await visit.person.client.get(PROJECTS)).json()["total"] == 1


async def test_too_many_requests_wait(visitor: Visitor) -> None:
    visit = await visitor()
    page = await open_create_form(visit, "Apollo")
    headers = {"Retry-After": "30"}
    await visit.fail("POST", "/app/projects", status=429, code="TOO_MANY_REQUESTS", **headers)
    await page.keyboard.press("Enter")
    button = page.get_by_role("button", name=re.compile("Try again in"))
    await button.wait_for()
    assert await button.get_attribute("aria-disabled") == "true"
    assert await page.get_by_label("Name").input_value() == "Apollo"


async def test_error_of_a_field_is_shown_beside_it(visitor: Visitor) -> None:
    visit = await visitor()
    page = await open_create_form(visit, "   ")
    await page.keyboard.press("Enter")
    field = page.get_by_label("Name")
    await page.wait_for_selector("text=Fill in this field.")
    assert await field.get_attribute("aria-invalid") == "true"
    await visit.wait_for_focus(field)
    described = await field.get_attribute("aria-describedby")
    assert await page.locator(f"[id='{described}']").inner_text() == "Fill in this field."
    await field.fill("Zero\0byte")
    await page.keyboard.press("Enter")
    await page.locator("[aria-invalid] ~ p").wait_for()


async def test_viewer_sees_no_button_that_would_be_refused(visitor: Visitor, create_team: Any) -> None:
    team = await create_team()
    await team.owner.in_team(team.id).post(PROJECTS, json={"name": "Apollo"})
    viewer = await team.add_member("viewer")
    visit = await visitor(viewer)
    page = await visit.open("/projects/", team=await read_slug(viewer, team.id))
    await page.get_by_role("link", name=re.compile("Apollo")).click()
    await page.wait_for_selector("h1:has-text('Apollo')")
    for name in ("Edit", "Delete", "Create a project"):
        assert await page.get_by_role("button", name=name).count() == 0
