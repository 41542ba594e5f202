"""API keys in the console."""

import re
from typing import Any

import pytest

from tests.modules.console.conftest import PHONE, Visit, Visitor, read_slug
from undercroft.testing import CreateTeam, eventually
from undercroft.testing.users import SignedInUser, make_client

KEYS = "/api/v1/app/api-keys"
PROJECTS = "/api/v1/app/projects"
SCREENS: dict[str, dict[str, Any]] = {
    "wide": {},
    "phone": {"viewport": PHONE, "color_scheme": "dark", "locale": "de-DE"},
}


async def create_key(person: SignedInUser, **fields: Any) -> dict[str, Any]:
    body = {"name": "Nightly import", "scopes": ["projects:read"]} | fields
    response = await person.client.post(KEYS, json=body)
    assert response.status_code == 201, response.text
    return dict(response.json())


async def list_keys(person: SignedInUser) -> list[dict[str, Any]]:
    return list((await person.client.get(KEYS)).json()["items"])


async def status_with(visit: Visit, key: str) -> int:
    async with make_client(visit.person.app, Authorization=f"Bearer {key}") as client:
        return (await client.get(PROJECTS)).status_code


async def read_secret(page: Any) -> str:
    """Read the secret from the dialog that shows it once, and close it."""
    dialog = page.get_by_role("dialog", name="Copy your API key")
    secret = await dialog.locator("code").first.inner_text()
    await dialog.get_by_role("button", name="I have stored it").click()
    await dialog.wait_for(state="detached")
    return str(secret)


async def choose(page: Any, name: str, action: str) -> None:
    await page.get_by_role("button", name=f"Actions for {name}").click()
    await page.get_by_role("menuitem", name=action).click()


@pytest.mark.parametrize("screen", SCREENS)
async def test_page_is_accessible(visitor: Visitor, screen: str) -> None:
    visit = await visitor(**SCREENS[screen])
    await create_key(visit.person, scopes=["projects:read", "projects:write", "teams:read", "audit:read"])
    page = await visit.open("/api-keys/")
    await page.get_by_text("Nightly import").wait_for()
    await visit.check(f"{screen}-api-keys")
    await page.get_by_role("button", name=re.compile("Create an API key|API-Schlüssel erstellen")).click()
    await page.get_by_role("checkbox").first.wait_for()
    await visit.check(f"{screen}-create-api-key")


async def test_key_is_created_and_shown_once(visitor: Visitor) -> None:
    visit = await visitor()
    page = await visit.open("/api-keys/")
    await page.get_by_role("button", name="Create an API key").first.click()
    await page.get_by_label("Name").fill("Nightly import")
    await page.get_by_role("checkbox").first.wait_for()
    await page.get_by_role("dialog").get_by_role("button", name="Create an API key").click()
    await page.get_by_text("Choose at least one permission.").wait_for()
    await page.get_by_label("projects:read").check()
    await page.get_by_label("Expiry").select_option(label="On a date")
    await page.get_by_label("Last day").fill("2020-01-01")
    await page.get_by_role("dialog").get_by_role("button", name="Create an API key").click()
    await page.get_by_text("Choose today or a later date.").wait_for()
    await page.get_by_label("Expiry").select_option(label="In 30 days")
    await page.get_by_role("dialog").get_by_role("button", name="Create an API key").click()
    secret = await read_secret(page)
    assert await status_with(visit, secret) == 200
    await page.get_by_text("projects:read").wait_for()
    assert secret not in await page.content()
    (key,) = await list_keys(visit.person)
    assert (key["name"], key["kind"], key["scopes"]) == ("Nightly import", "user", ["projects:read"])
    assert key["expires_at"] is not None
    visit.check_errors()


async def test_key_is_edited_rotated_and_deleted(visitor: Visitor) -> None:
    visit = await visitor()
    created = await create_key(visit.person)
    page = await visit.open("/api-keys/")
    await choose(page, "Nightly import", "Edit")
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill("Weekly import")
    await dialog.get_by_label("projects:write").check()
    await dialog.get_by_role("button", name="Save").click()
    await dialog.wait_for(state="detached")
    await visit.wait_for_focus(page.get_by_role("button", name="Actions for Weekly import"))
    (key,) = await list_keys(visit.person)
    assert (key["name"], key["scopes"]) == ("Weekly import", ["projects:read", "projects:write"])
    assert key["expires_at"] is None

    await choose(page, "Weekly import", "Rotate")
    await dialog.get_by_role("button", name="Rotate").click()
    rotated = await read_secret(page)
    assert rotated != created["key"]
    assert [await status_with(visit, each) for each in (created["key"], rotated)] == [200, 200]
    await page.get_by_text("The previous key is valid until").wait_for()

    await choose(page, "Weekly import", "Rotate")
    await dialog.get_by_label("The previous secret works").select_option(label="For one day")
    await dialog.get_by_role("button", name="Rotate").click()
    await dialog.get_by_text("The previous key is still valid.").wait_for()
    await dialog.get_by_label("The previous secret works").select_option(label="Not any more")
    await dialog.get_by_role("button", name="Rotate").click()
    latest = await read_secret(page)
    assert [await status_with(visit, each) for each in (created["key"], rotated, latest)] == [401, 401, 200]

    await choose(page, "Weekly import", "Delete")
    await dialog.get_by_role("button", name="Delete").click()
    await page.get_by_text("No API keys yet").wait_for()
    assert await status_with(visit, latest) == 401
    visit.check_errors()


async def test_team_keys_need_permission(visitor: Visitor, create_team: CreateTeam) -> None:
    team = await create_team(name="Acme")
    slug = await read_slug(team.owner, team.id)
    visit = await visitor(team.owner)
    page = await visit.open("/api-keys/", team=slug, new="1")
    await page.get_by_label("Name").fill("Deployment")
    await page.get_by_role("dialog").get_by_label("Acts for").select_option(label="The team")
    await page.get_by_label("projects:write").check()
    await page.get_by_role("dialog").get_by_role("button", name="Create an API key").click()
    assert await status_with(visit, await read_secret(page)) == 403  # it has no permission to read
    await create_key(team.owner)
    await page.reload()
    await page.get_by_label("Acts for").select_option(label="The team")
    await page.wait_for_url("**kind=team**")
    await page.get_by_role("list", name="API keys").get_by_text("Deployment").wait_for()
    await eventually(lambda: has_count(page, 1))

    viewer = await visitor(await team.add_member("viewer"))
    await create_key(viewer.person, name="Mine")
    page = await viewer.open("/api-keys/", team=slug)
    await page.get_by_text("Mine").wait_for()
    await eventually(lambda: has_count(page, 1))
    assert await page.get_by_label("Acts for").count() == 0
    await page.get_by_role("button", name="Create an API key").click()
    await page.get_by_label("projects:read").wait_for()
    assert await page.get_by_label("Acts for").count() == 0
    viewer.check_errors()


async def has_count(page: Any, count: int) -> bool:
    return bool(await page.get_by_role("list", name="API keys").get_by_role("listitem").count() == count)
