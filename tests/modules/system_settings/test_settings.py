"""The API of settings, and that origins and rate limits take effect without a restart."""

import asyncio
from typing import Any

import pytest
import structlog
from httpx2 import AsyncClient
from sqlalchemy import update
from sqlmodel import col

from tests.modules.audit.entries import entries
from tests.modules.system_settings.conftest import SETTINGS, SetValue, refresh
from undercroft.core.context import current_context
from undercroft.core.db import Database
from undercroft.core.events import ExtensionRemoved, publish
from undercroft.core.http.settings import HttpSettings
from undercroft.core.live.process import LiveValues
from undercroft.core.settings import load
from undercroft.modules.system_settings.live import values as live_values
from undercroft.modules.system_settings.models import SystemSetting
from undercroft.modules.system_settings.repository import SystemSettingRepository
from undercroft.modules.system_settings.service.settings import store_declared_settings

ORIGIN = "https://app.example.com"
CORS = f"{SETTINGS}/CORS_ORIGINS"
PREFLIGHT = {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}


async def store(database: Database, name: str, value: str) -> None:
    """Store a value without validation, like a broken release or a manual change of the table."""
    await store_declared_settings(database)
    async with database.session() as session:
        await session.execute(update(SystemSetting).where(col(SystemSetting.name) == name).values(value=value))
        await live_values.announce(session)
    await refresh()


async def test_settings_are_listed_with_value_default_and_schema(admin: AsyncClient, set_value: SetValue) -> None:
    await set_value("RATE_LIMIT_APP", "7/minute")
    found = {each["name"]: each for each in (await admin.get(SETTINGS)).json()["items"]}
    assert list(found) == sorted(found)
    limit, origins = found["RATE_LIMIT_APP"], found["CORS_ORIGINS"]
    me = (await admin.get("/api/v1/app/users/me")).json()
    assert (limit["changed_by"], limit["changed_by_email"]) == (me["id"], me["email"])
    assert origins["changed_by_email"] is None
    assert (limit["value"], limit["default"], limit["is_changed"]) == ("7/minute", "120/minute", True)
    assert (origins["value"], origins["is_changed"]) == ([], False)
    assert origins["value_schema"]["type"] == "array"
    assert "$defs" in found["ANNOUNCEMENTS"]["value_schema"]
    assert not [name for name in found if "SECRET" in name or "PASSWORD" in name]


async def test_origins_take_effect_without_a_restart(
    client: AsyncClient, set_value: SetValue, admin: AsyncClient
) -> None:
    assert (
        "access-control-allow-origin" not in (await client.options("/api/v1/app/users/me", headers=PREFLIGHT)).headers
    )
    await set_value("CORS_ORIGINS", [ORIGIN])
    allowed = await client.options("/api/v1/app/users/me", headers=PREFLIGHT)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (204, ORIGIN)
    assert (await admin.delete(CORS)).status_code == 204
    await refresh()
    assert (
        "access-control-allow-origin" not in (await client.options("/api/v1/app/users/me", headers=PREFLIGHT)).headers
    )


async def test_rate_limits_take_effect_without_a_restart(user: AsyncClient, set_value: SetValue) -> None:
    before = (await user.get("/api/v1/app/users/me")).headers["x-ratelimit-limit"]
    await set_value("RATE_LIMIT_SCALE", 1)
    await set_value("RATE_LIMIT_APP", "3/minute")
    limits = [(await user.get("/api/v1/app/users/me")).headers["x-ratelimit-limit"] for _ in range(2)]
    assert (before, limits) == ("12000", ["3", "3"])
    assert (await user.get("/api/v1/app/users/me")).status_code == 429


async def test_change_is_audited_once_with_both_values(admin: AsyncClient, database: Database) -> None:
    for _ in range(2):
        response = await admin.put(f"{SETTINGS}/rate_limit_app", json={"value": "7/minute"})
        assert response.status_code == 200, response.text
    (entry,) = await entries(database, action="setting.changed")
    assert "rate_limit_app" in str(entry["details"])
    for _ in range(2):
        assert (await admin.delete(f"{SETTINGS}/RATE_LIMIT_APP")).status_code == 204
    assert len(await entries(database, action="setting.reset")) == 1


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("CORS_ORIGINS", ["https://app.example.com/path"], "is not an origin"),
        ("CORS_ORIGINS", "app.example.com", "is not an origin"),
        ("RATE_LIMIT_APP", "many", "is not a rate"),
        ("RATE_LIMIT_APP", 5, "must be a text"),
        ("RATE_LIMIT_SCALE", 1e300, "at most 1000000"),
        ("MAINTENANCE_MESSAGE", ["Back at nine."], "must be a text"),
        ("MAINTENANCE_MESSAGE", True, "must be a text"),
        ("RATE_LIMIT_SCALE", 0, "greater than 0"),
        ("RATE_LIMIT_SCALE", "fast", "must be a number"),
        ("MAINTENANCE_MODE", "perhaps", "true or false"),
        ("MAINTENANCE_RETRY_AFTER", 1.5, "whole number"),
        ("MAINTENANCE_MESSAGE", "x" * 501, "at most 500"),
        ("MAINTENANCE_MESSAGE", "", "Reset it"),
        ("MAINTENANCE_MESSAGE", None, "Reset it"),
        ("ANNOUNCEMENTS", [{"text": "Hello", "level": "loud"}], "ANNOUNCEMENTS"),
        ("ANNOUNCEMENTS", [{"level": "info"}], "ANNOUNCEMENTS"),
        ("ANNOUNCEMENTS", "not JSON", "ANNOUNCEMENTS"),
        ("ANNOUNCEMENTS", {"text": "Hello"}, "ANNOUNCEMENTS"),
        ("ANNOUNCEMENTS", [{"text": "a"}] * 21, "ANNOUNCEMENTS"),
        (
            "ANNOUNCEMENTS",
            [{"text": "a", "starts_at": "2090-01-02T00:00:00Z", "ends_at": "2090-01-01T00:00:00Z"}],
            "before",
        ),
        ("SIGN_UP_POLICY", "closed", "SIGN_UP_POLICY"),
        ("SIGN_UP_POLICY", "domains", "needs SIGN_UP_DOMAINS"),
        ("SIGN_UP_DOMAINS", ["example"], "is not a domain"),
    ],
)
async def test_invalid_value_is_refused_with_the_reason(admin: AsyncClient, name: str, value: Any, reason: str) -> None:
    response = await admin.put(f"{SETTINGS}/{name}", json={"value": value})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "INVALID_SETTING"), response.text
    assert reason in response.json()["error"]["message"]
    assert (await admin.get(f"{SETTINGS}/{name}")).json()["is_changed"] is False


@pytest.mark.parametrize("body", [{}, {"value": 1, "more": 2}, [], "x"])
async def test_invalid_body_is_refused(admin: AsyncClient, body: Any) -> None:
    assert (await admin.put(CORS, json=body)).json()["error"]["code"] == "VALIDATION_ERROR"


@pytest.mark.parametrize("name", ["DATABASE_URL", "SECRET_KEY", "NOTHING", "%00", "MAX_BODY_SIZE", "x" * 101])
async def test_other_settings_cannot_be_read_or_changed(admin: AsyncClient, name: str) -> None:
    for response in (
        await admin.get(f"{SETTINGS}/{name}"),
        await admin.put(f"{SETTINGS}/{name}", json={"value": "x"}),
        await admin.delete(f"{SETTINGS}/{name}"),
    ):
        assert response.status_code in (404, 422), response.text


async def test_only_administrators_change_settings(client: AsyncClient, user: AsyncClient) -> None:
    for caller, status in ((client, 401), (user, 403)):
        assert (await caller.get(SETTINGS)).status_code == status
        assert (await caller.put(CORS, json={"value": [ORIGIN]})).status_code == status


async def test_one_of_concurrent_changes_of_the_same_version_succeeds(admin: AsyncClient) -> None:
    headers = {"If-Match": (await admin.get(f"{SETTINGS}/RATE_LIMIT_APP")).headers["etag"]}
    changes = [
        admin.put(f"{SETTINGS}/RATE_LIMIT_APP", json={"value": f"{n}/minute"}, headers=headers) for n in range(5, 11)
    ]
    assert sorted([response.status_code for response in await asyncio.gather(*changes)]) == [200, *[412] * 5]


async def test_invalid_stored_value_is_ignored_reported_and_can_be_reset(
    database: Database, admin: AsyncClient, set_value: SetValue
) -> None:
    await set_value("RATE_LIMIT_ADMIN", "99/minute")
    with structlog.testing.capture_logs() as logs:
        await store(database, "CORS_ORIGINS", '["nonsense"')
    assert [each["setting"] for each in logs if each["event"] == "setting.invalid"] == ["CORS_ORIGINS"]
    assert load(HttpSettings).cors_origins == ()
    assert load(HttpSettings).rate_limit_admin == "99/minute"
    ready = (await admin.get("/api/v1/public/health/ready")).json()
    assert (ready["status"], ready["components"]["system_settings"]["details"]) == (
        "degraded",
        {"invalid": ["CORS_ORIGINS"]},
    )
    listed = (await admin.get(CORS)).json()
    assert (listed["value"], listed["is_changed"]) == ([], True)
    assert (await admin.delete(CORS)).status_code == 204
    await refresh()
    assert (await admin.get("/api/v1/public/health/ready")).json()["status"] == "healthy"


async def test_values_of_a_removed_extension_are_deleted(
    database: Database, admin: AsyncClient, set_value: SetValue
) -> None:
    await set_value("RATE_LIMIT_APP", "7/minute")
    async with database.session() as session:
        await publish(session, ExtensionRemoved("rat"))
    assert (await admin.get(f"{SETTINGS}/RATE_LIMIT_APP")).json()["is_changed"] is True
    async with database.session() as session:
        await publish(session, ExtensionRemoved("rate"))
    assert (await admin.get(f"{SETTINGS}/RATE_LIMIT_APP")).json()["is_changed"] is False


async def test_rows_follow_what_the_code_declares(database: Database) -> None:
    await store_declared_settings(database)
    async with database.session() as session:
        session.add(SystemSetting(name="HOTEL_GONE"))
        session.add(SystemSetting(name="HOTEL_KEPT", value="1"))
        older = update(SystemSetting).where(col(SystemSetting.name) == "CORS_ORIGINS")
        await session.execute(older.values(description="An older description."))
    for _ in range(2):
        await store_declared_settings(database)
    async with database.session() as session:
        rows = {row.name: row for row in await SystemSettingRepository(session).all()}
    assert ("HOTEL_GONE" in rows, "HOTEL_KEPT" in rows, "MAINTENANCE_MODE" in rows) == (False, True, True)
    assert rows["CORS_ORIGINS"].description.startswith("Origins whose pages may call the API")
    await current_context().get(LiveValues).refresh()
