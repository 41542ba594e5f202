"""Fields that an extension adds to users, teams and projects: in the views of `/admin`."""

import csv
import re
from collections.abc import AsyncIterator
from io import StringIO
from typing import Any

import pytest
import pytest_asyncio
from httpx2 import AsyncClient

from tests.core.crud.conftest import Guesthouse, SignUp, guesthouse, sign_up
from tests.modules.admin.conftest import BROWSER_HEADERS, set_password, sign_in
from undercroft.core.auth import PlatformRole
from undercroft.core.http import Surface
from undercroft.testing.users import make_client

__all__ = ["guesthouse", "sign_up"]
pytestmark = pytest.mark.requires_module("admin", "projects")

APP = Surface.APP.prefix
ME, PROJECTS = f"{APP}/users/me", f"{APP}/projects"
SEEN = re.compile(r'name="seen" value="([0-9a-f]{64})"')


@pytest_asyncio.fixture(loop_scope="session")
async def browser(guesthouse: Guesthouse, sign_up: SignUp) -> AsyncIterator[AsyncClient]:
    """The browser of an administrator."""
    person = await sign_up(role=PlatformRole.ADMIN)
    await set_password(guesthouse.database, person)
    async with make_client(guesthouse.app, **BROWSER_HEADERS) as client:
        assert (await sign_in(client, person.email)).status_code == 303
        yield client


async def open_form(browser: AsyncClient, path: str) -> tuple[str, dict[str, str]]:
    page = await browser.get(path)
    found = SEEN.search(page.text)
    assert found, page.text
    return page.text, {"seen": found[1], "save": "Save"}


async def create_project(person: Any, **fields: Any) -> dict[str, Any]:
    response = await person.client.post(PROJECTS, json={"name": "Website", **fields})
    assert response.status_code == 201, response.text
    return dict(response.json())


async def test_list_and_details_show_the_fields(browser: AsyncClient, sign_up: SignUp) -> None:
    person = await sign_up()
    await person.client.patch(ME, json={"nickname": "Countess"})
    project = await create_project(person, contact="Front desk", due_on="2031-05-06")
    await person.client.patch(f"{APP}/teams/{person.team_id}", json={"vat_id": "DE123"})
    for path, *expected in (
        (f"/admin/user/list?search={person.email}", "Loyalty level", "Nickname", "Countess", "None"),
        (f"/admin/user/details/{person.user_id}", "Guesthouse", "Loyalty level", "Countess"),
        ("/admin/project/list?search=Website", "Budget", "Due on", "Front desk"),
        (f"/admin/project/details/{project['id']}", "Guesthouse", "10.50", "2031-05-06", "Front desk"),
        (f"/admin/team/details/{person.team_id}", "Vat", "DE123"),
    ):
        page = await browser.get(path)
        assert page.status_code == 200, page.text
        assert [text for text in expected if text not in page.text] == [], path
        assert "Notes" not in page.text


async def test_list_is_sorted_and_filtered(browser: AsyncClient, sign_up: SignUp) -> None:
    person, term = await sign_up(), "Sorted"
    for guests, breakfast in ((3, True), (1, False), (2, True)):
        await create_project(person, name=f"{term} {guests}", guests=guests, breakfast=breakfast)
    for query, expected in (
        ("sortBy=guests&sort=asc", ["1", "2", "3"]),
        ("sortBy=guests&sort=desc", ["3", "2", "1"]),
        ("sortBy=guests&sort=asc&breakfast=true", ["2", "3"]),
        ("sortBy=guests&sort=asc&breakfast=false", ["1"]),
        ("sortBy=guests&sort=asc&breakfast=__all", ["1", "2", "3"]),
        ("sortBy=guests&sort=asc&breakfast=%27", ["1", "2", "3"]),
    ):
        page = await browser.get(f"/admin/project/list?search={term}&{query}")
        assert page.status_code == 200, page.text
        found = re.findall(rf"{term} (\d)", page.text)
        assert list(dict.fromkeys(found)) == expected, query
    assert "sortBy=guests" in page.text
    users = await browser.get("/admin/user/list?loyalty_level=gold")
    assert (users.status_code, person.email in users.text) == (200, False)
    assert (await browser.get(f"/admin/user/list?loyalty_level=none&search={person.email}")).text.count(
        person.email
    ) > 0
    assert (await browser.get("/admin/project/list?sortBy=contact")).status_code == 400


async def test_form_changes_the_fields_of_a_user(browser: AsyncClient, sign_up: SignUp) -> None:
    person = await sign_up()
    path = f"/admin/user/edit/{person.user_id}"
    page, form = await open_form(browser, path)
    assert 'name="nights"' not in page
    form |= {"full_name": "Test User", "locale": "en", "timezone": "UTC", "role": "user", "is_active": "y"}
    unchanged = await browser.post(path, data={**form, "loyalty_level": "none", "nickname": ""})
    assert (unchanged.status_code, (await person.client.get(ME)).json()["nickname"]) == (302, None)
    form |= {"loyalty_level": "gold", "nickname": "Countess"}
    assert (await browser.post(path, data=form)).status_code == 302
    profile = (await person.client.get(ME)).json()
    assert (profile["loyalty_level"], profile["nickname"]) == ("gold", "Countess")
    page, _ = await open_form(browser, path)
    assert 'value="Countess"' in page
    refused = await browser.post(path, data={**form, "seen": SEEN.search(page)[1], "nickname": "x" * 41})  # type: ignore[index]
    assert (refused.status_code, "nickname" in refused.text.lower()) == (400, True)
    outdated = await browser.post(path, data={**form, "nickname": "Late"})
    assert "This row changed since you opened the form" in outdated.text
    assert (await person.client.get(ME)).json()["nickname"] == "Countess"


async def test_form_changes_the_fields_of_a_project(browser: AsyncClient, sign_up: SignUp) -> None:
    person = await sign_up()
    project = await create_project(person)
    path = f"/admin/project/edit/{project['id']}"
    _, form = await open_form(browser, path)
    form |= {"name": "Website", "description": "", "status": "active"}
    form |= {"budget": "12.30", "due_on": "2031-05-06", "contact": "", "labels": '{"floor": 2}'}
    form |= {"rating": "0.75", "guests": "3", "arrival": "2031-05-04 20:00:00"}
    response = await browser.post(path, data=form)
    assert response.status_code == 302, response.text
    read = (await person.client.get(f"{PROJECTS}/{project['id']}")).json()
    expected = {"budget": "12.30", "due_on": "2031-05-06", "contact": None, "labels": {"floor": 2}}
    expected |= {"rating": 0.75, "guests": 3, "arrival": "2031-05-04T20:00:00Z"}
    assert {name: read[name] for name in expected} == expected


async def test_export_has_the_fields(browser: AsyncClient, sign_up: SignUp) -> None:
    person = await sign_up()
    await person.client.patch(ME, json={"nickname": "=1+1"})
    exported = await browser.get("/admin/user/export/csv", params={"search": person.email})
    (row,) = csv.DictReader(StringIO(exported.text))
    assert (row["loyalty_level"], row["nickname"], row["nights"]) == ("none", "'=1+1", "0")
    assert "notes" not in row
    listed = await browser.get("/admin/user/export/json", params={"search": person.email})
    assert listed.json()[0]["nickname"] == "=1+1"


async def test_other_application_shows_no_fields(guesthouse: Guesthouse, sign_up: SignUp) -> None:
    person = await sign_up(guesthouse.plain, role=PlatformRole.ADMIN)
    await set_password(guesthouse.database, person)
    async with make_client(guesthouse.plain, **BROWSER_HEADERS) as client:
        assert (await sign_in(client, person.email)).status_code == 303
        for path in ("/admin/user/list", f"/admin/user/edit/{person.user_id}", f"/admin/user/details/{person.user_id}"):
            page = await client.get(path)
            assert (page.status_code, "loyalty" in page.text.lower()) == (200, False)
