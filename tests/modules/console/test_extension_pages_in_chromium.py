"""A page of an extension in the console."""

import re
from pathlib import Path

import pytest_asyncio

from tests.modules.console.conftest import Visitor, read_slug
from tests.modules.console.test_extension_pages import write
from undercroft.core.http.application import Api
from undercroft.core.modules import ModuleFolders
from undercroft.testing import CreateTeam

SCRIPT = """
export default async function show(element, sdk) {
  const { items } = await sdk.request("GET", "/app/projects", { query: { limit: 10, q: undefined } });
  const list = Object.assign(document.createElement("ul"), { className: "uc-card uc-list" });
  list.append(...items.map(({ name }) => Object.assign(document.createElement("li"), { textContent: name })));
  const button = Object.assign(document.createElement("button"), { textContent: "Add", className: "uc-button" });
  button.onclick = async () => {
    try {
      await sdk.request("POST", "/app/projects", { body: { name: "" } });
    } catch (error) {
      sdk.showError(error);
    }
  };
  element.append(list, button);
  return () => list.remove();
}
"""


@pytest_asyncio.fixture(loop_scope="session")
async def page_script(app: Api, tmp_path: Path) -> Path:
    """The script of a page that lists the team's projects."""
    folder = tmp_path / "console"
    folder.mkdir()
    titles = {"en": "Reports", "de": "Berichte"}
    write(folder, {"path": "reports", "title": titles, "script": "rooms.js", "permission": "projects:read"})
    (folder / "rooms.js").write_text(SCRIPT)
    app.context.add(ModuleFolders, ModuleFolders(lambda name: {"acme": folder} if name == "console" else {}))
    return folder / "rooms.js"


async def test_page_uses_the_session_and_the_team(visitor: Visitor, page_script: Path, create_team: CreateTeam) -> None:
    team = await create_team(name="Acme")
    other = await create_team(owner=team.owner, name="Other")
    await team.owner.in_team(team.id).post("/api/v1/app/projects", json={"name": "<b>Apollo</b>"})
    visit = await visitor(team.owner)
    page = await visit.open("/", team=await read_slug(team.owner, other.id))
    await page.get_by_role("link", name="Reports").click()
    await page.wait_for_selector("h1:has-text('Reports')")
    await page.get_by_role("button", name="Add").wait_for()
    assert await page.get_by_text("Apollo").count() == 0  # the other team has no project
    await page.get_by_role("button", name=re.compile("Current team")).click()
    await page.get_by_role("menuitem", name="Acme").click()
    await page.get_by_role("link", name="Reports").click()
    await page.get_by_text("<b>Apollo</b>").wait_for()
    await visit.check("extension-page")
    await page.get_by_role("button", name="Add").click()
    await page.get_by_text("Request ID:").first.wait_for()
    visit.check_errors()


async def test_script_that_fails_shows_an_error(visitor: Visitor, page_script: Path) -> None:
    page_script.write_text("export default () => { throw new Error('broken'); };")
    visit = await visitor()
    page = await visit.open("/extension/", page="acme/reports")
    await page.get_by_text("Something went wrong").wait_for()
    page_script.write_text(SCRIPT)
    await page.get_by_role("button", name="Try again").click()
    await page.get_by_role("button", name="Add").wait_for()
