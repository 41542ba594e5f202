"""Maintenance mode and announcements."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx2 import AsyncClient

from tests.modules.admin.conftest import Browser
from tests.modules.system_settings.conftest import SETTINGS, SetValue, refresh

ANNOUNCEMENTS = "/api/v1/public/announcements"
HTML = {"Accept": "text/html"}


async def test_maintenance_mode_refuses_everyone_but_administrators(
    client: AsyncClient, user: AsyncClient, admin: AsyncClient, set_value: SetValue
) -> None:
    await set_value("MAINTENANCE_MESSAGE", "Back at nine.")
    await set_value("MAINTENANCE_RETRY_AFTER", 120)
    await set_value("MAINTENANCE_MODE", True)
    for caller, path in ((user, "/api/v1/app/users/me"), (client, "/api/v1/app/users/me"), (client, "/nowhere")):
        refused = await caller.get(path)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "120")
        error = refused.json()["error"]
        assert (error["code"], error["message"]) == ("MAINTENANCE_MODE", "Back at nine.")
    refused = await user.post("/api/v1/app/teams", json={"name": "Acme"})
    assert refused.status_code == 503
    for path in ("/api/v1/app/users/me", "/api/v1/app/teams", SETTINGS):
        assert (await admin.get(path)).status_code == 200
    for path in ("/health", "/api/v1/public/health/ready", ANNOUNCEMENTS, "/.well-known/jwks.json"):
        assert (await client.get(path)).status_code == 200
    await set_value("MAINTENANCE_MODE", False)
    assert (await user.get("/api/v1/app/users/me")).status_code == 200


@pytest.mark.requires_module("admin")
async def test_pages_show_the_message_and_administrators_can_sign_in(
    client: AsyncClient, browser: Browser, set_value: SetValue
) -> None:
    await set_value("MAINTENANCE_MODE", True)
    page = await client.get("/", headers=HTML)
    assert (page.status_code, page.headers["retry-after"]) == (503, "300")
    assert "We are working on our service." in page.text
    assert (await client.get("/sign-in", headers=HTML)).status_code == 200
    administrator = await browser()  # signs in at /admin/login
    assert (await administrator.get("/admin/")).status_code == 200
    welcome = await administrator.get("/", headers=HTML)
    assert welcome.status_code == 200
    assert "Maintenance mode is on" in welcome.text


async def test_no_one_signs_up_in_maintenance_mode(client: AsyncClient, set_value: SetValue) -> None:
    await set_value("MAINTENANCE_MODE", True)
    body = {"email": "ada@example.com", "password": "three otters in a boat"}
    for path in ("/api/v1/auth/register", "/register"):
        assert (await client.post(path, json=body)).status_code == 503


async def test_similar_path_is_not_exempt(client: AsyncClient, set_value: SetValue) -> None:
    await set_value("MAINTENANCE_MODE", True)
    for path in ("/healthy", "/administrators", "/api/v1/authors", "/sign-inn"):
        assert (await client.get(path)).status_code == 503


async def test_forged_and_missing_credentials_are_refused(client: AsyncClient, set_value: SetValue) -> None:
    await set_value("MAINTENANCE_MODE", True)
    for header in ("Bearer x", "Bearer uc_x_y", "Basic eDp5", "Bearer"):
        response = await client.get("/api/v1/app/users/me", headers={"Authorization": header})
        assert response.status_code == 503


@pytest.mark.requires_module("web")
async def test_announcements_are_shown_between_their_times(client: AsyncClient, set_value: SetValue) -> None:
    now = datetime.now(UTC)
    past, future = ((now + timedelta(hours=hours)).isoformat() for hours in (-1, 1))
    shown: list[dict[str, Any]] = [
        {"text": "Now <b>and</b> always."},
        {"text": "Now.", "level": "critical", "starts_at": past, "ends_at": future},
    ]
    hidden = [{"text": "Later.", "starts_at": future}, {"text": "Before.", "ends_at": past}]
    await set_value("ANNOUNCEMENTS", [*hidden, *shown])
    listed = (await client.get(ANNOUNCEMENTS)).json()["items"]
    assert [(each["text"], each["level"]) for each in listed] == [
        ("Now <b>and</b> always.", "info"),
        ("Now.", "critical"),
    ]
    page = (await client.get("/sign-in", headers=HTML)).text
    assert page.count('class="banner') == 2
    assert page.count('class="banner urgent') == 1
    assert "Now &lt;b&gt;and&lt;/b&gt; always." in page
    assert "Later." not in page


async def test_pages_have_no_banner_without_announcements(client: AsyncClient) -> None:
    assert (await client.get(ANNOUNCEMENTS)).json() == {"items": []}
    assert 'class="banner' not in (await client.get("/sign-in", headers=HTML)).text


@pytest.mark.requires_module("admin")
async def test_administrator_changes_and_resets_a_setting_in_the_admin(browser: Browser, admin: AsyncClient) -> None:
    import re

    from undercroft.core.context import current_context
    from undercroft.core.db import Database
    from undercroft.modules.system_settings.service.settings import store_declared_settings

    await store_declared_settings(current_context().get(Database))
    administrator = await browser()
    listed = (await administrator.get("/admin/system-setting/list?search=MAINTENANCE_MESSAGE")).text
    assert "We are working on our service." in listed
    found = re.search(r"/admin/system-setting/edit/([0-9a-f-]{36})", listed)
    assert found, listed

    async def submit(value: str) -> Any:
        form = await administrator.get(found[0])  # type: ignore[index]
        seen = re.search(r'name="seen" value="([0-9a-f]{64})"', form.text)
        assert seen, form.text
        return await administrator.post(found[0], data={"seen": seen[1], "save": "Save", "value": value})  # type: ignore[index]

    assert (await submit("Back at nine.")).status_code == 302
    assert (await admin.get(f"{SETTINGS}/MAINTENANCE_MESSAGE")).json()["value"] == "Back at nine."
    refused = await submit("x" * 501)
    assert (refused.status_code, "at most 500" in refused.text) == (400, True)
    assert (await submit("")).status_code == 302
    assert (await admin.get(f"{SETTINGS}/MAINTENANCE_MESSAGE")).json()["is_changed"] is False
    await refresh()
