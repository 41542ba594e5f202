"""Changes in `/admin`: each is audited once, in one transaction, and does not overwrite a concurrent change."""

import asyncio
import csv
import re
from io import StringIO
from typing import Any

import pytest
from httpx2 import AsyncClient, Response

from tests.modules.admin.conftest import Browser
from tests.modules.audit.entries import changes_with_texts, entries
from undercroft.core.auth import PlatformRole
from undercroft.core.crud import resource
from undercroft.core.db import Database

SEEN = re.compile(r'name="seen" value="([0-9a-f]{64})"')


async def get_form(admin: AsyncClient, path: str) -> dict[str, str]:
    page = await admin.get(path)
    found = SEEN.search(page.text)
    assert found, page.text
    return {"seen": found[1], "save": "Save"}


async def project(create_user: Any, name: str = "Website") -> tuple[Any, str]:
    person = await create_user()
    made = (await person.client.post("/api/v1/app/projects", json={"name": name})).json()
    return person, made["id"]


async def submit_edit(admin: AsyncClient, path: str, **values: str) -> Response:
    form = {"full_name": "Test User", "locale": "en", "timezone": "UTC", "role": "user", "is_active": "y"}
    return await admin.post(path, data={**form, **await get_form(admin, path), **values})


@pytest.mark.requires_module("projects")
async def test_project_change_is_audited_once_with_before_and_after(
    browser: Browser, create_user: Any, database: Database
) -> None:
    admin, (person, key) = await browser(), await project(create_user)
    path = f"/admin/project/edit/{key}"
    form = {**await get_form(admin, path), "name": "Shop", "description": "", "status": "active"}
    assert (await admin.post(path, data=form)).status_code == 302
    (entry,) = await entries(database, action="project.changed")
    assert await changes_with_texts(database, entry) == ({"name": "Website"}, {"name": "Shop"})
    assert (entry["user_id"], entry["team_id"]) == (admin.person.user_id, person.team_id)  # type: ignore[attr-defined]
    assert (await person.client.get(f"/api/v1/app/projects/{key}")).json()["name"] == "Shop"


@pytest.mark.requires_module("projects")
async def test_nothing_is_audited_when_nothing_changes(browser: Browser, create_user: Any, database: Database) -> None:
    admin, (_, key) = await browser(), await project(create_user)
    path = f"/admin/project/edit/{key}"
    form = {**await get_form(admin, path), "name": "Website", "description": "", "status": "active"}
    assert (await admin.post(path, data=form)).status_code == 302
    assert await entries(database, action="project.changed") == []


async def prepare_stale_edit(admin: Any, person: Any, key: str) -> tuple[str, dict[str, str]]:
    """Return the path and fields of an edit form that was opened before the project changed."""
    path = f"/admin/project/edit/{key}"
    form = {**await get_form(admin, path), "name": "Mine", "description": "", "status": "active"}
    await person.client.patch(f"/api/v1/app/projects/{key}", json={"name": "Other"})
    return path, form


@pytest.mark.requires_module("projects")
async def test_stale_form_does_not_overwrite_a_concurrent_change(
    browser: Browser, create_user: Any, database: Database
) -> None:
    admin, (person, key) = await browser(), await project(create_user)
    path, form = await prepare_stale_edit(admin, person, key)
    for _ in range(2):
        response = await admin.post(path, data=form)
        assert response.status_code == 400
        assert "This row changed since you opened the form" in response.text
    assert (await person.client.get(f"/api/v1/app/projects/{key}")).json()["name"] == "Other"
    (entry,) = await entries(database, action="project.changed")
    assert (await changes_with_texts(database, entry))[1] == {"name": "Other"}


@pytest.mark.requires_module("projects")
async def test_stale_form_is_refused_when_submitted_again(
    browser: Browser, create_user: Any, database: Database
) -> None:
    admin, (person, key) = await browser(), await project(create_user)
    path, form = await prepare_stale_edit(admin, person, key)
    for _ in range(2):
        response = await admin.post(path, data=form)
        assert response.status_code == 400
        found = SEEN.search(response.text)
        assert found
        form["seen"] = found[1]
    assert (await person.client.get(f"/api/v1/app/projects/{key}")).json()["name"] == "Other"


@pytest.mark.requires_module("projects")
async def test_multiline_text_is_unchanged(browser: Browser, create_user: Any, database: Database) -> None:
    admin, person = await browser(), await create_user()
    sent = {"name": "Website", "description": "One.\n\nTwo."}
    key = (await person.client.post("/api/v1/app/projects", json=sent)).json()["id"]
    path = f"/admin/project/edit/{key}"
    shown = re.search(r"<textarea[^>]* name=\"description\"[^>]*>\s*([^<]*)</textarea>", (await admin.get(path)).text)
    assert shown
    form = {**await get_form(admin, path), "name": "Website", "description": "One.\r\n\r\nTwo.", "status": "done"}
    assert shown[1].replace("\r", "") == "One.\n\nTwo."
    assert (await admin.post(path, data=form)).status_code == 302
    (entry,) = await entries(database, action="project.changed")
    assert entry["after"] == {"status": "done"}


@pytest.mark.requires_module("projects")
async def test_one_of_ten_concurrent_saves_succeeds(browser: Browser, create_user: Any, database: Database) -> None:
    admin, (_, key) = await browser(), await project(create_user)
    path = f"/admin/project/edit/{key}"
    form = {**await get_form(admin, path), "description": "", "status": "active"}
    responses = await asyncio.gather(*(admin.post(path, data={**form, "name": f"N{n}"}) for n in range(10)))
    assert sorted(response.status_code for response in responses) == [302] + [400] * 9
    assert len(await entries(database, action="project.changed")) == 1


@pytest.mark.requires_module("projects")
async def test_invalid_values_are_refused(browser: Browser, create_user: Any, database: Database) -> None:
    admin, (_, key) = await browser(), await project(create_user)
    path = f"/admin/project/edit/{key}"
    for values in (
        {"name": "", "status": "active"},
        {"name": "x" * 500, "status": "active"},
        {"name": "A", "status": "no"},
    ):
        response = await admin.post(path, data={**await get_form(admin, path), "description": "", **values})
        assert response.status_code == 400
    assert await entries(database, action="project.changed") == []


@pytest.mark.requires_module("projects")
async def test_unexpected_error_is_shown_without_its_cause_and_nothing_is_saved(
    browser: Browser, create_user: Any, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("internal detail")

    admin, (person, key) = await browser(), await project(create_user)
    path = f"/admin/project/edit/{key}"
    form = {**await get_form(admin, path), "name": "Shop", "description": "", "status": "active"}
    monkeypatch.setattr(resource, "record", fail)
    response = await admin.post(path, data=form)
    assert (response.status_code, "could not be saved" in response.text) == (400, True)
    assert "internal detail" not in response.text
    assert (await person.client.get(f"/api/v1/app/projects/{key}")).json()["name"] == "Website"
    assert await entries(database, action="project.changed") == []


@pytest.mark.requires_module("projects")
async def test_deleted_project_can_be_restored(browser: Browser, create_user: Any, database: Database) -> None:
    admin, (person, key) = await browser(), await project(create_user)
    response = await admin.delete(f"/admin/project/delete?pks={key}")
    assert (response.status_code, response.text.endswith("/admin/project/list")) == (200, True)
    assert (await admin.delete(f"/admin/project/delete?pks={key},{key}")).status_code == 200
    (entry,) = await entries(database, action="project.deleted")
    assert (entry["before"], entry["after"]) == ({"deleted": False}, {"deleted": True})
    assert (await person.client.get(f"/api/v1/app/projects/{key}")).status_code == 404
    assert (await person.client.post(f"/api/v1/app/projects/{key}/restore")).status_code == 200


async def test_only_a_superadmin_can_promote_an_admin(browser: Browser, create_user: Any, database: Database) -> None:
    person = await create_user()
    path = f"/admin/user/edit/{person.user_id}"
    admin, superadmin = await browser(), await browser(role=PlatformRole.SUPERADMIN)
    refused = await submit_edit(admin, path, role="admin")
    assert refused.status_code == 400
    assert await entries(database, action="user.role_changed") == []
    assert (await submit_edit(superadmin, path, role="admin")).status_code == 302
    assert len(await entries(database, action="user.role_changed")) == 1


async def test_deactivated_user_is_refused_at_the_next_request(
    browser: Browser, create_user: Any, database: Database
) -> None:
    admin, person = await browser(), await create_user()
    assert (await submit_edit(admin, f"/admin/user/edit/{person.user_id}", is_active="")).status_code == 302
    assert (await person.client.get("/api/v1/app/users/me")).status_code == 401
    assert len(await entries(database, action="user.deactivated")) == 1


async def test_ended_session_is_refused_and_audited_once(
    browser: Browser, create_user: Any, database: Database
) -> None:
    admin, person = await browser(), await create_user()
    async with database.session() as session:
        raw = await session.raw()
        key = await raw.fetchval("SELECT id FROM auth_sessions WHERE user_id = $1", person.user_id)
    for _ in range(2):
        assert (await admin.delete(f"/admin/auth-session/delete?pks={key}")).status_code == 200
    assert (await person.client.get("/api/v1/app/users/me")).status_code == 401
    assert len(await entries(database, action="session.revoked")) == 1


@pytest.mark.requires_module("api_keys")
async def test_revoked_api_key_is_refused_at_the_next_request(
    browser: Browser, create_user: Any, database: Database
) -> None:
    admin, person = await browser(), await create_user()
    made = await person.client.post("/api/v1/app/api-keys", json={"name": "CI"})
    assert made.status_code == 201, made.text
    text, key = made.json()["key"], made.json()["id"]
    listed = await admin.get("/admin/api-key/list")
    assert "CI" in listed.text
    assert text not in listed.text
    assert (await admin.delete(f"/admin/api-key/delete?pks={key}")).status_code == 200
    person.client.headers["Authorization"] = f"Bearer {text}"
    assert (await person.client.get("/api/v1/app/users/me")).status_code == 401
    assert len(await entries(database, action="api_key.revoked")) == 1


@pytest.mark.requires_module("api_keys")
async def test_admin_cannot_end_sessions_or_keys_of_a_superadmin(
    browser: Browser, create_user: Any, database: Database
) -> None:
    admin, above = await browser(), await create_user(role=PlatformRole.SUPERADMIN)
    key = (await above.client.post("/api/v1/app/api-keys", json={"name": "CI"})).json()["id"]
    async with database.session() as session:
        raw = await session.raw()
        superadmin_session = await raw.fetchval("SELECT id FROM auth_sessions WHERE user_id = $1", above.user_id)
        own_session = await raw.fetchval("SELECT id FROM auth_sessions WHERE user_id = $1", admin.person.user_id)  # type: ignore[attr-defined]
    assert (await admin.delete(f"/admin/auth-session/delete?pks={superadmin_session}")).status_code == 403
    assert (await admin.delete(f"/admin/api-key/delete?pks={key}")).status_code == 403
    assert (await admin.delete(f"/admin/auth-session/delete?pks={own_session}")).status_code == 200
    assert (await above.client.get(f"/api/v1/app/api-keys/{key}")).status_code == 200
    assert [entry["target_id"] for entry in await entries(database, action="session.revoked")] == [own_session]


@pytest.mark.requires_module("api_keys")
async def test_related_rows_are_found_by_the_users_email(browser: Browser, create_user: Any) -> None:
    admin, ada, _ = (
        await browser(),
        await create_user(email="ada@example.com"),
        await create_user(email="bob@example.com"),
    )
    for person in (ada, admin.person):  # type: ignore[attr-defined]
        await person.client.post("/api/v1/app/api-keys", json={"name": "CI"})
    for view in ("membership", "auth-session", "api-key", "audit-entry"):
        found = await admin.get(f"/admin/{view}/list?search=ADA@example")
        assert "ada@example.com" in found.text, view
        assert "bob@example.com" not in found.text, view


@pytest.mark.requires_module("projects")
async def test_enum_values_are_shown_with_labels(browser: Browser, create_user: Any) -> None:
    admin, (person, key) = await browser(), await project(create_user)
    await person.client.patch(f"/api/v1/app/projects/{key}", json={"status": "on_hold"})
    for path in ("list?status=on_hold", f"details/{key}"):
        text = (await admin.get(f"/admin/project/{path}")).text
        assert "On hold" in text, path
        assert "on_hold<" not in text, path


@pytest.mark.requires_module("projects")
async def test_search_without_results_shows_a_message(browser: Browser) -> None:
    admin = await browser()
    assert "No projects found." in (await admin.get("/admin/project/list?search=zzz")).text


@pytest.mark.requires_module("projects")
@pytest.mark.parametrize("origin", [None, "null", "http://evil.test", "http://test.local.evil.test"])
async def test_cross_site_request_changes_nothing(
    browser: Browser, create_user: Any, database: Database, origin: str | None
) -> None:
    admin, (_, key) = await browser(), await project(create_user)
    path = f"/admin/project/edit/{key}"
    form = {**await get_form(admin, path), "name": "Evil", "description": "", "status": "active"}
    if origin is None:
        del admin.headers["origin"]
    else:
        admin.headers["origin"] = origin
    assert (await admin.post(path, data=form)).status_code == 403
    assert (await admin.delete(f"/admin/project/delete?pks={key}")).status_code == 403
    assert (await admin.post("/admin/logout")).status_code == 403
    assert await entries(database, action="project.changed") == []


async def test_bearer_token_is_not_accepted(admin: AsyncClient) -> None:
    assert (await admin.get("/admin/")).status_code == 303


@pytest.mark.requires_module("projects")
async def test_export_is_escaped_filtered_and_audited(browser: Browser, create_user: Any, database: Database) -> None:
    admin, (person, _) = await browser(), await project(create_user, "=cmd|'/c calc'!A0")
    await person.client.post("/api/v1/app/projects", json={"name": "Other"})
    listed = await admin.get("/admin/project/list?search=calc")
    assert "/admin/project/export/csv?search=calc" in listed.text
    response = await admin.get("/admin/project/export/csv?search=calc")
    assert response.headers["content-disposition"].startswith("attachment")
    header, *rows = csv.reader(StringIO(response.text))
    assert [row[header.index("name")] for row in rows] == ["'=cmd|'/c calc'!A0"]
    (entry,) = await entries(database, action="project.exported")
    assert entry["details"] == {"format": "csv", "rows": 1}
    assert len((await admin.get("/admin/project/export/json")).json()) == 2
    assert (await admin.get("/admin/project/export/xml")).status_code == 404


@pytest.mark.parametrize(
    "path", ["user/list", "user/details/{id}", "user/export/json", "auth-session/list", "auth-session/export/csv"]
)
async def test_no_secret_is_shown(browser: Browser, path: str) -> None:
    admin = await browser()
    response = await admin.get(f"/admin/{path}".replace("{id}", str(admin.person.user_id)))  # type: ignore[attr-defined]
    assert response.status_code == 200
    assert not re.search(r"argon2|password_hash|cookie_hash|Password hash|Cookie hash", response.text)
